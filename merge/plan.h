/* What a merge is going to do, found before any byte is written: every output tensor, the tensors that it is
 * made of, its parameters. A recipe gives a plan (plan_recipe); task vectors give small ones of their own. */
#ifndef LANCET_PLAN_H
#define LANCET_PLAN_H

#include <stdint.h>

#include "arena.h"
#include "checkpoint.h"
#include "merge_method.h"
#include "recipe.h"

#define RECIPE_NO_INPUT SIZE_MAX

struct merge_model {
    const char *path; /* as the recipe spells it */
    struct checkpoint *checkpoint;
    bool is_target; /* the model that the merge goes into: its checkpoint belongs to the caller */
};

struct merge_source {
    size_t model; /* index into plan.models */
    size_t input; /* of the recipe's slice; RECIPE_NO_INPUT: the base, which the slice does not list */
    const struct tensor *tensor;
    double values[MERGE_MOST_PARAMETERS]; /* of PARAMETER_MODEL scope, by index in the method's row */
};

struct merge_tensor {
    const char *name; /* in the output */
    enum dtype dtype; /* of the output */
    enum dtype
        cast; /* what sources are rounded to before the method (the recipe's `dtype`); DTYPE_COUNT: nothing */
    enum dtype work; /* mergekit semantics: the dtype that steps are rounded to (promoted from the sources) */
    unsigned rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t elements;
    struct merge_source *sources; /* the base first where the method has one (BASE_REQUIRED, BASE_ONE_OF) */
    size_t n_sources;
    double values[MERGE_MOST_PARAMETERS]; /* of PARAMETER_WHOLE scope */
    bool copied; /* the bytes of source 0, as they are: passthrough without a scale, or an integer buffer that
                    is the same in all sources */
    size_t slice;                /* of the recipe */
    double t;                    /* place in a gradient: 0 first layer of the slice, 1 last */
    const struct tensor *target; /* --into: what is overwritten */
};

struct merge_plan {
    const struct merge_method *method;
    enum merge_semantics semantics;
    struct merge_model *models;
    size_t n_models;
    size_t donor;                 /* index of the model whose other files are carried */
    struct merge_tensor *tensors; /* sorted by name */
    size_t n_tensors;
    const char *config;     /* the output's config.json; NULL: the donor's, byte for byte */
    struct condition_hits { /* what each condition of the recipe did, by its id */
        size_t fits, wins;  /* tensors (times models) whose name it fits; that took its value */
    } * hits;
    const char **notes; /* what the user should be told before it starts: sentences */
    size_t n_notes;
    struct arena arena;
};

/* Opens every model (a source that is `target` shares its checkpoint) and finds all of the above. `target`:
 * the model of --into, opened with CHECKPOINT_CHANGE, or NULL. Nothing is computed or written. */
bool plan_recipe(const struct context *context, const struct recipe *recipe, struct checkpoint *target,
                 struct merge_plan *out, struct error *err);

/* Sources of the tensor that has the most; at least 1. */
size_t plan_most_sources(const struct merge_plan *plan);
void plan_release(struct merge_plan *plan); /* closes checkpoints but the target's; NULL is fine */

#endif
