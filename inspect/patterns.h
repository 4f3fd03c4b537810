/* The attention maps of one prompt, layer by layer, while the model runs: no more than one layer of them is
 * ever held. */
#ifndef LANCET_PATTERNS_H
#define LANCET_PATTERNS_H

#include "pass.h"

/* The maps of a layer, [heads, T, T] with T the number of tokens; false ends the run with its error. */
typedef bool (*patterns_fn)(void *user, size_t layer, const real *maps, struct error *err);

struct patterns_job {
    const struct context *context;
    const struct model *model;
    const uint32_t *ids; /* [n_tokens] */
    size_t n_tokens;
    const size_t *layers; /* [n_layers] ascending; each is shown once */
    size_t n_layers;
    bool scores;      /* before softmax, masked entries -inf; else after it, masked entries 0 */
    const char *what; /* for the progress line */
    patterns_fn layer;
    void *user;
};

bool patterns_run(const struct patterns_job *job, struct error *err);

#endif
