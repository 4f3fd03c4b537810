/* What a model expects after each of several prompts, or an encoder in place of their masks, run together. */
#ifndef LANCET_PREDICTION_H
#define LANCET_PREDICTION_H

#include "next.h"
#include "prompt.h"

struct answer {
    size_t position;         /* of the token that is followed, or, in an encoder, masked */
    struct next_token *next; /* [n_next], most likely first */
    size_t n_next;
};

struct prediction {
    struct prompt prompt;
    struct answer *answers; /* [n_answers] one after the last token; of an encoder one for each mask */
    size_t n_answers;
};

/* Runs the n prompts in one batch and sets the answers (at most `top` tokens) of each. `logits`: path of a
 * NumPy file for the logits of every position of the one prompt (n must be 1), or NULL. */
bool prediction_run(const struct context *context, const struct opened *opened,
                    struct prediction *predictions, size_t n, size_t top, const char *logits, bool force,
                    struct error *err);
void prediction_release(struct prediction *prediction);

#endif
