/* A merge recipe: mergekit's YAML, read strictly. Every error names line and column; an unknown key or
 * parameter gets the nearest known one. Nothing of a model is looked at here. */
#ifndef LANCET_RECIPE_H
#define LANCET_RECIPE_H

#include "arena.h"
#include "fs.h"
#include "merge_method.h"

enum { RECIPE_MOST_INPUTS = 256 }; /* of a slice, or of `models` */

struct recipe_place {
    size_t line, column; /* from 1; 0: from a command line */
};

struct recipe_value { /* of a parameter: a scalar, a gradient over layers, or conditions on tensor names */
    struct recipe_place place;
    enum { VALUE_NUMBER, VALUE_BOOL, VALUE_GRADIENT, VALUE_CONDITIONS } kind;
    double number; /* VALUE_BOOL: 0 or 1 */
    const double *knots;
    size_t n_knots;
    const struct recipe_condition *conditions;
    size_t n_conditions;
};

struct recipe_condition {
    const char *filter; /* a substring of the tensor's name; NULL: every tensor */
    struct recipe_place place;
    struct recipe_value value;
    size_t id; /* below recipe.n_conditions: for those who count what it hits */
};

struct recipe_parameter {
    const char *name;
    struct recipe_place place;
    struct recipe_value value;
};

struct recipe_parameters {
    const struct recipe_parameter *items;
    size_t n;
};

struct recipe_input {
    const char *model; /* as it is spelt */
    struct recipe_place place;
    bool has_layers;
    size_t first_layer, end_layer; /* [first, end) */
    struct recipe_parameters parameters;
};

struct recipe_slice {
    struct recipe_place place;
    const struct recipe_input *inputs;
    size_t n_inputs;
    const char *base; /* NULL: the recipe's */
    struct recipe_place base_place;
    struct recipe_parameters parameters;
};

struct recipe {
    const char *path; /* for sentences: escaped */
    const char *text; /* the YAML itself; of flags: YAML that says the same */
    const struct merge_method *method;
    enum merge_semantics semantics;
    bool semantics_given;
    struct recipe_place method_place;
    const char *base; /* NULL: none */
    struct recipe_place base_place;
    /* `models` is one slice without layer ranges; modules.default is taken apart into the same. */
    const struct recipe_slice *slices;
    size_t n_slices;
    bool is_sliced;
    struct recipe_parameters parameters, module_parameters;
    enum dtype dtype, out_dtype; /* DTYPE_COUNT: not given */
    size_t n_conditions;
    bool untie; /* lancet's own key `tie_word_embeddings: false`: a tied model gets a head of its own */
    struct arena arena;
};

/* `text` [n] need not be NUL-terminated. ERROR_FORMAT for YAML that cannot be read, ERROR_USAGE for what it
 * says, ERROR_UNSUPPORTED for what comes later (tokenizer, LoRA, chat templates). */
bool recipe_parse(const char *path, const char *text, size_t n, struct recipe *out, struct error *err);
bool recipe_load(const struct fs *fs, const char *path, struct recipe *out, struct error *err);

/* The same from a command line. */
struct recipe_flags {
    const char *method, *base; /* base may be NULL */
    const char *const *models; /* "PATH" or "PATH:NUMBER", the number being the model's weight */
    size_t n_models;
    const char *const
        *parameters; /* "NAME=VALUE", VALUE as in YAML: 0.5, [0, 1], [{filter: mlp, value: 1}] */
    size_t n_parameters;
    const char *dtype, *out_dtype, *semantics; /* NULL: not given */
    bool untie;
};
bool recipe_from_flags(const struct recipe_flags *flags, struct recipe *out, struct error *err);

/* "recipes/a.yml:3:5: " and the sentence. */
bool recipe_error(const struct recipe *recipe, struct recipe_place place, enum error_kind kind,
                  struct error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));

void recipe_release(struct recipe *recipe); /* NULL is fine */

#endif
