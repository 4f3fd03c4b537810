/* Losses of token sequences, and perplexity of texts. */
#ifndef LANCET_LOSS_H
#define LANCET_LOSS_H

#include "pass.h"

/* Mean -log p of targets[i] under logits row i [n, vocabulary], in f64; log-probabilities go to each [n] when
 * not NULL. */
double loss_nll(const real *logits, size_t n, size_t vocabulary, const uint32_t *targets, double *each);

struct perplexity {
    double nll;      /* sum over scored tokens */
    uint64_t tokens; /* scored */
};
/* Scores ids (the first one only behind a prefix; with `prefix` tokens such as BOS in front of every window)
 * in windows of `window` tokens that start `stride` apart; each token is scored once, with the longest
 * context that the windows give it. Adds to *out. */
bool loss_perplexity(const struct context *context, const struct model *model, const uint32_t *prefix,
                     size_t n_prefix, const uint32_t *ids, size_t n, size_t window, size_t stride,
                     struct perplexity *out, struct error *err);

#endif
