/* The steps of a forward that pass.c puts together. Not for users of pass.h. */
#ifndef LANCET_FORWARD_H
#define LANCET_FORWARD_H

#include "pass_state.h"

/* x [batch, width] = scaled embeddings (+ positions) of the tokens. */
void forward_embed(const struct pass *pass, const struct batch *batch, real *x);
/* y [n, width] = norm(x); a copy where there is no such norm. y may be x. */
void forward_norm(const struct pass *pass, size_t layer, enum role weight, const real *x, size_t n, real *y);
/* A layer up to its raw MLP output: rows `in` enter with a->x and get keys and values; rows `out` (the same
 * batch, or picked from it) leave with a->mid and a->value. */
void forward_to_value(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                      const struct activations *a);
/* x [batch, width] = mid + what the MLP adds, made of value, which a tap may overwrite; through a norm where
 * the stream has one, whose input goes to sum then. */
void forward_finish(const struct pass *pass, size_t layer, const struct batch *batch, const real *mid,
                    real *value, real *sum, real *x);
/* key [n, width] = act(hidden) * up; up may be NULL, key may be hidden. */
void forward_activate(const struct pass *pass, const real *hidden, const real *up, size_t n, size_t width,
                      real *key);
/* In the restart layer, of the whole batch: `key` [n, ff] of rows first .. first + n is kept where they are
 * active. */
void forward_keep_keys(const struct pass *pass, size_t layer, const struct batch *batch, const real *key,
                       size_t first, size_t n);
bool forward_ends_at_key(const struct pass *pass, size_t layer);
void forward_layer(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                   const struct activations *a, real *x);
/* Rows of the batch out of the rows of its parent; `to` may be `from`. */
void batch_pick(const struct batch *batch, const real *from, size_t width, real *to);

#endif
