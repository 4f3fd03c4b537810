/* Where the covariance of an edit comes from: a file of `lancet covariance`, a corpus (text, or ids as
 * {"rows": [[...],
 * ...]}), text sampled from the model itself, or the identity. Always of the unedited model. */
#ifndef LANCET_COVARIANCE_H
#define LANCET_COVARIANCE_H

#include "moments.h"
#include "solve.h"

struct covariance_source {
    bool identity;
    const char *file;   /* safetensors with C.L<layer>; NULL: collect */
    const char *corpus; /* NULL: sampled from the model */
    uint64_t seed;
    size_t tokens, window; /* 0: as moments.h says */
};

/* The second moments of these layers. */
bool covariance_collect(const struct context *context, const struct model *model,
                        const struct tokenizer *tokenizer, const struct covariance_source *source,
                        const size_t *layers, size_t n_layers, struct moments *out /* [n_layers] */,
                        struct error *err);

/* The same, factored. */
bool covariance_solvers(const struct context *context, const struct model *model,
                        const struct tokenizer *tokenizer, const struct covariance_source *source,
                        double ridge, const size_t *layers, size_t n_layers,
                        struct solver *out /* [n_layers] */, struct error *err);

#endif
