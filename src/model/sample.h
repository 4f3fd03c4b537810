/* Drawing next tokens. */
#ifndef LANCET_SAMPLE_H
#define LANCET_SAMPLE_H

#include "pass.h"
#include "random.h"

struct sampler {
    double temperature; /* 0: greedy, the lowest id among equals */
    size_t top_k;       /* 0: all */
    double top_p;       /* 1: all */
    uint64_t seed;
};

/* Index of the token drawn from logits [n]; `counter` numbers the draws, `stream` the sequences. `limit`: ids from there
 * on (padding rows beyond the tokenizer) are never drawn. Scratch [n]. */
uint32_t sample_token(const struct sampler *sampler, const real *logits, size_t limit, uint64_t stream,
                      uint64_t counter, uint32_t *scratch);

/* Continues the batch of prompts by up to n_tokens each. `token` is called for each sequence and step (returns false
 * to end that sequence); ends when all have ended or the context is full. */
bool sample_continue(const struct context *context, const struct model *model, const struct sequence *prompts,
                     size_t n_prompts, size_t n_tokens, const struct sampler *sampler, size_t limit,
                     bool (*token)(void *user, size_t sequence, uint32_t id), void *user, struct error *err);

#endif
