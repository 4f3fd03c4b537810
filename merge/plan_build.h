/* What the parts of planning share. plan_recipe calls them in this order. */
#ifndef LANCET_PLAN_BUILD_H
#define LANCET_PLAN_BUILD_H

#include <cjson/cJSON.h>

#include "architecture.h"
#include "layer_name.h"
#include "plan.h"

enum { NOTES_MOST = 200 };

struct layer_stack { /* "model.layers." and how many */
    const char *prefix;
    size_t length, n_layers;
};

struct model_facts {
    const char *shown; /* the path, escaped: for sentences */
    char *config_text; /* config.json */
    cJSON *config;
    const struct architecture *architecture; /* NULL: one that lancet has no row of */
    const char *prefix;                      /* of the row's names, or NULL */
    const struct tensor *embedding, *head;   /* NULL: not found; a model without a head is tied */
    struct layer_stack *stacks;
    size_t n_stacks;
};

struct slice_source { /* in the order that a method takes them: the base first where it needs one */
    size_t model, input, first_layer;
};

struct slice_plan {
    const struct recipe_slice *slice;
    struct slice_source *sources;
    size_t n_sources;
    bool has_base;   /* source 0 is the base */
    size_t n_layers; /* of a sliced recipe */
};

struct planner {
    const struct context *context;
    const struct recipe *recipe;
    struct checkpoint *target;
    struct merge_plan *plan;
    struct model_facts *facts;   /* [plan->n_models] */
    struct slice_plan *slices;   /* [recipe->n_slices] */
    size_t *input_models;        /* of every input of every slice, in order */
    struct recipe_place *places; /* [plan->n_models] where the recipe names each first */
    size_t base, *slice_bases;   /* models; RECIPE_NO_INPUT: none */
    size_t room_tensors;
    bool used_gradient, outside_gradient; /* some value comes from one; also of a tensor outside layers */
    struct error *err;
};

/* Each distinct model once; RECIPE_NO_INPUT for what is not given. */
bool plan_open_models(struct planner *p);
bool plan_read_facts(struct planner *p);
void plan_release_facts(struct planner *p);
/* Which models each slice takes, in which order: the base, duplicates, how many a method may have. */
bool plan_choose_sources(struct planner *p);
bool plan_list_tensors(struct planner *p);
/* dtype, parameters, what is copied, the method's own checks; filters that fitted nothing. */
bool plan_resolve_tensor(struct planner *p, struct merge_tensor *tensor);
bool plan_check_filters(struct planner *p);
bool plan_match_target(struct planner *p);
bool plan_write_config(struct planner *p);
/* What differs between the models, and where mergekit does something else. */
bool plan_add_notes(struct planner *p);

bool plan_note(struct planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool plan_memory(struct planner *p);
/* Fault with a model: "recipe:line:col: sentence", the place being where the recipe names it. */
bool plan_refuse(struct planner *p, size_t model, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* NULL for a base that the slice does not list. */
const struct recipe_input *plan_input(const struct planner *p, size_t slice, size_t input);
/* How many sources of the last slice final norm and head are made of: mergekit pairs them with the first
 * slice's. */
size_t plan_late_sources(const struct planner *p);
/* A tensor outside layers that comes after them: final norm, head. */
bool plan_is_late(const struct model_facts *facts, const char *name);
const struct layer_stack *plan_stack(const struct model_facts *facts, const char *name,
                                     const struct layer_name *parts);

#endif
