/* A model that can run: architecture row + config + weights by role, seen through an overlay. */
#ifndef LANCET_MODEL_H
#define LANCET_MODEL_H

#include "architecture.h"
#include "checkpoint.h"
#include "config.h"
#include "overlay.h"
#include "weight.h"

struct model {
    const struct context *context;
    const struct checkpoint *checkpoint;
    const struct architecture *architecture;
    const char *prefix; /* of the tensor names */
    struct model_config config;
    struct overlay *overlay;            /* the model's own, empty at first; weights are seen through it */
    struct weight global[ROLE_COUNT];   /* roles outside the layers; the head is always there */
    struct weight (*layer)[ROLE_COUNT]; /* [n_layers]; of a role that is a list, its first item */
    struct weight_list {
        struct weight *items;
        size_t n;
    } (*list)[ROLE_COUNT]; /* [n_layers] all items of roles that are lists; n is 0 for the others */
    /* Norm weights and biases, converted once, those of a list behind one another; NULL where the
     * architecture has none. */
    real *vectors;
    const real *global_vector[ROLE_COUNT];
    const real *(*layer_vector)[ROLE_COUNT];
    struct arena arena;
};

/* Reads config.json, finds the architecture's row by model_type (that of text_config in a vision-language
 * wrapper), checks every shape against the config. An unknown model_type is ERROR_UNSUPPORTED and names the
 * nearest row. */
bool model_open(const struct context *context, const struct checkpoint *checkpoint, struct model **out,
                struct error *err);
void model_close(struct model *model);

/* Call after the overlay changed: vectors that it touches are converted again. */
void model_refresh(struct model *model);

/* ---- rows of an architecture under a config: for what writes tensors in another layout ---- */

size_t model_dimension(const struct model_config *config, enum dimension dimension);
/* Whether the config has a tensor for the row. */
bool model_wants(const struct model_config *config, const struct tensor_role *row);
/* Sets where the slice of a row lies in its stored tensor (out, first_out, run, step); returns how long that
 * is along `out`. */
size_t model_place(const struct model_config *config, const struct tensor_role *row, struct weight *out);

/* What not every model has. ERROR_UNSUPPORTED with the reason. */
enum ability {
    ABLE_LOGITS, /* of every position */
    ABLE_NEXT,   /* logits of the next token: to generate, to measure perplexity */
    ABLE_EDIT,
    ABLE_ATTENTION
};
bool model_can(const struct model *model, enum ability ability, struct error *err);

/* Whether a layer has one tensor that answers for every token, which an edit can write. */
bool model_has_site(const struct model *model, size_t layer);
/* Which tensor an edit of a layer writes: the down projection. Of a layer with experts that of the first. */
const struct weight *model_site(const struct model *model, size_t layer);
/* All of them, one for each expert; *n is 1 in a layer without. */
const struct weight *model_sites(const struct model *model, size_t layer, size_t *n);

/* Every tensor that layers 0 .. layer and the embeddings use, sorted by name: what the keys of `layer` depend
 * on, but for the down projection (and what follows it) of `layer` itself. *n of them; *out is freed with
 * free(). */
bool model_tensors_below(const struct model *model, size_t layer, const struct tensor ***out, size_t *n,
                         struct error *err);

/* The first tensor, by name, that the model uses and that holds NaN or Inf as stored; NULL when there is
 * none. Reads every weight: for sentences after a pass has failed. */
const struct tensor *model_not_finite(const struct model *model);

#endif
