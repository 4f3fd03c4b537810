/* The logit lens: what a model would say if it stopped after a layer. The residual stream after each layer
 * goes through the final norm, with statistics of its own, and the head; the row of the last layer is the
 * model's own answer. */
#ifndef LANCET_LENS_H
#define LANCET_LENS_H

#include "next.h"
#include "prompt.h"

enum { LENS_TOKENS = 16 }; /* how many positions are shown where nobody chose */

struct lens_wish {          /* as the command line has it */
    const char *layers;     /* "0,3-5"; NULL: all */
    const char *tokens;     /* "A:B", positions A to B - 1; NULL: the last LENS_TOKENS */
    size_t top;             /* the most likely tokens of each cell */
    const uint32_t *target; /* a token whose place is followed; NULL: none */
};

struct lens_target {
    size_t rank; /* 1: the most likely; lower ids first among equals */
    double logit, probability;
};

struct lens {
    size_t *layers, n_layers; /* ascending */
    size_t first, n_tokens;   /* positions first .. first + n_tokens - 1 */
    size_t n_top;
    struct next_token *top; /* [n_layers, n_tokens, n_top] most likely first */
    uint32_t target;
    struct lens_target *targets; /* [n_layers, n_tokens], or NULL: none was asked for */
};

/* Runs the model up to the last layer that is shown. Logits are made for a block of rows at a time.
 * ERROR_USAGE names what does not exist. */
bool lens_run(const struct context *context, const struct opened *opened, const struct prompt *prompt,
              const struct lens_wish *wish, struct lens *out, struct error *err);
void lens_release(struct lens *lens);

/* Of the i-th layer and the k-th position that are shown: [n_top]. */
const struct next_token *lens_top(const struct lens *lens, size_t i, size_t k);
const struct lens_target *lens_target(const struct lens *lens, size_t i, size_t k);

#endif
