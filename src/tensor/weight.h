/* A weight: how an architecture sees a tensor. A matrix [out, in] that is a slice of a stored tensor (fused
 * QKV), maybe transposed (GPT-2's Conv1D stores [in, out]), seen through an overlay. Bytes are used from the
 * map in their stored dtype; blocks of rows are converted into a worker's scratch and go to single-threaded
 * sgemm calls on fixed blocks from our own pool, so results do not depend on the number of threads. For few
 * rows of x (m <= 64) our own dot products over the stored dtype run instead (kernels.h). */
#ifndef LANCET_WEIGHT_H
#define LANCET_WEIGHT_H

#include "context.h"
#include "overlay.h"

struct weight {
    const struct tensor *tensor; /* NULL: the architecture has none here */
    const struct overlay *overlay;
    size_t out, in;   /* logical shape of the slice */
    size_t first_out; /* where the slice begins along `out` of the stored tensor */
    bool transposed;  /* stored as [in, out_of_the_whole_tensor] */
};

/* Rows [first, first + n) of the logical matrix, [n, in]. Infallible: shapes were checked at model_open. */
void weight_rows(const struct weight *w, size_t first, size_t n, real *out);
/* A rank-1 tensor, or bias, or norm weight, seen through the overlay: `out` elements from first_out on
 * ([out]). */
void weight_vector(const struct weight *w, real *out);

/* y [m, out] = x [m, in] W^T (+ bias [out] if not NULL). y must not overlap x. */
void weight_matmul(const struct context *context, const struct weight *w, const real *bias, const real *x,
                   size_t m, real *y);
/* dx [m, in] = dy [m, out] W, or dx += with accumulate. */
bool weight_matmul_transposed(const struct context *context, const struct weight *w, const real *dy, size_t m,
                              bool accumulate, real *dx, struct error *err);

#endif
