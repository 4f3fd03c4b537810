/* Norms, activations, softmax and rotary embedding on rows, with their derivatives. Values are real, reductions f64.
 * Each function works on one row unless it says otherwise; callers share rows out over the pool. */
#ifndef LANCET_OPS_H
#define LANCET_OPS_H

#include <stdbool.h>
#include <stddef.h>

#include "real.h"

/* LayerNorm: y = (x - mean) / sqrt(var + eps) * w + b (biased variance); b may be NULL. */
void ops_layer_norm(const real *x, const real *w, const real *b, double eps, size_t n, real *y);
/* dx += gradient; x is the input of the forward. */
void ops_layer_norm_backward(const real *x, const real *w, double eps, const real *dy, size_t n, real *dx);
/* RMSNorm: y = x / sqrt(mean x^2 + eps) * (offset + w); offset 1 for Gemma, 0 for Llama. */
void ops_rms_norm(const real *x, const real *w, double offset, double eps, size_t n, real *y);
void ops_rms_norm_backward(const real *x, const real *w, double offset, double eps, const real *dy, size_t n, real *dx);

enum activation { ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_SILU, ACTIVATION_RELU, ACTIVATION_QUICK_GELU,
                  ACTIVATION_COUNT };
/* By the names in config.json (gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish, relu, quick_gelu). */
bool activation_parse(const char *name, enum activation *out);
void ops_activation(enum activation kind, const real *x, size_t n, real *y);
/* dx = dy * f'(x) */
void ops_activation_backward(enum activation kind, const real *x, const real *dy, size_t n, real *dx);

/* x = cap tanh(x / cap), in place: keeps values within +-cap (Gemma 2). */
void ops_cap(real *x, size_t n, double cap);
/* In place; sums in f64. A row whose maximum is -inf becomes zeros. */
void ops_softmax(real *x, size_t n);
/* log(sum exp x), summed in f64. */
double ops_log_sum_exp(const real *x, size_t n);

/* Rotates one head [head_dim]: pairs (i, i + half) for half-split, (2 i, 2 i + 1) for interleaved; cosine and sine [half]. */
void ops_rotate(real *head, const real *cosine, const real *sine, size_t half, bool interleaved, bool backward);

#endif
