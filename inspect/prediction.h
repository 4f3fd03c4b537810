/* What a model expects after each of several prompts, run together. */
#ifndef LANCET_PREDICTION_H
#define LANCET_PREDICTION_H

#include "next.h"
#include "prompt.h"

struct prediction {
    struct prompt prompt;
    struct next_token *next; /* [n_next], most likely first */
    size_t n_next;
};

/* Runs the n prompts in one batch and sets next (at most `top` tokens) of each. `logits`: path of a NumPy
 * file for the logits of every position of the one prompt (n must be 1), or NULL. */
bool prediction_run(const struct context *context, const struct opened *opened,
                    struct prediction *predictions, size_t n, size_t top, const char *logits, bool force,
                    struct error *err);
void prediction_release(struct prediction *prediction);

#endif
