/* The table of merge methods. A method is one row: its parameters with their ranges, how many models it
 * takes, and two functions over blocks of elements. Adding one is a source file, a row in merge_method.c, a
 * line in meson.build. */
#ifndef LANCET_MERGE_METHOD_H
#define LANCET_MERGE_METHOD_H

#include <stdbool.h>
#include <stddef.h>

#include "dtype.h"
#include "error.h"

enum parameter_scope {
    PARAMETER_MODEL, /* one value per model that is merged ("weight") */
    PARAMETER_WHOLE  /* one value per output tensor ("t", "normalize") */
};

enum parameter_kind { PARAMETER_NUMBER, PARAMETER_BOOL };

struct merge_parameter {
    const char *name;
    enum parameter_scope scope;
    enum parameter_kind kind;
    bool required;
    double standard;    /* when it is not required */
    double least, most; /* inclusive; -INFINITY, INFINITY: any finite number */
    const char *help;   /* one phrase */
};

enum base_rule {
    BASE_UNUSED,   /* base_model, where given, is only the donor of config and tokenizer (unless listed as a
                      model) */
    BASE_REQUIRED, /* its tensor is what task vectors are taken from; parameters of its own are ignored */
    BASE_ONE_OF    /* it must be one of the models; source 0 (slerp) */
};

enum { MERGE_MOST_PARAMETERS = 8, MERGE_MOST_SUMS = 8 };

/* Elements of a block at most: so few that all sources of a block stay in the first-level cache. */
enum { MERGE_BLOCK = 1024 };

enum merge_semantics { MERGE_LANCET, MERGE_MERGEKIT };

/* A run of n elements of one output tensor. */
struct merge_block {
    size_t n, n_sources;
    const double *const *in; /* [n_sources][n]; with a base it is source 0 */
    const double *weights;   /* [n_sources] the method's first parameter of PARAMETER_MODEL scope, or NULL */
    const double *values;    /* [parameters] of PARAMETER_WHOLE scope, by index in the row */
    const double *sums;      /* [n_sums] over the whole tensor */
    enum dtype dtype;        /* mergekit semantics round each step to it */
};

/* Rounds n elements as torch does after each operation in `dtype`: to F32, then to it. */
void merge_round_step(enum dtype dtype, double *x, size_t n);

/* Why the weights of the sources from `first` on cannot be normalised, or NULL. */
const char *merge_divisor_fault(const struct merge_block *block, size_t first);

struct merge_method {
    const char *name;
    const char *summary; /* one phrase, for help */
    const char *source;  /* where the method comes from */
    const struct merge_parameter *parameters;
    size_t n_parameters;
    size_t least_models, most_models; /* that are merged, without a BASE_REQUIRED base */
    enum base_rule base;
    bool hidden; /* not for recipes: task vectors and their application */
    /* Why these parameters give nothing that is finite (block->weights and values of one tensor; n = 0), as a
     * phrase after "because"; NULL: they are fine. NULL: any parameters in range are fine. */
    const char *(*fault)(const struct merge_block *block);
    /* Which of its formulas the sums of a tensor chose ("slerp", "lerp"); NULL: there is only one. */
    const char *(*branch)(const struct merge_block *block);

    /* Sums over the whole tensor that `rows` needs first; 0: none. `sums` adds those of a block (a fixed part
     * of the tensor; the parts are added in order). */
    size_t n_sums;
    void (*add_sums)(const struct merge_block *block, double *sums);
    /* out [n]: the exact result, to be rounded once to the storage dtype. */
    void (*rows)(const struct merge_block *block, double *out);
    /* The same with mergekit's roundings; NULL: `rows` serves. */
    void (*add_sums_mergekit)(const struct merge_block *block, double *sums);
    void (*rows_mergekit)(const struct merge_block *block, double *out);
};

/* NULL-terminated; `hidden` ones among them. */
extern const struct merge_method *const merge_methods[];
/* NULL when there is none. */
const struct merge_method *merge_method_find(const char *name);

#endif
