/* A weight: how an architecture sees a tensor. A matrix [out, in] that is a slice of a stored tensor (fused
 * QKV; in runs of rows where each head has its part), maybe transposed (GPT-2's Conv1D stores [in, out]),
 * seen through an overlay. Bytes are used from the map in their stored dtype; blocks of rows are converted
 * into a worker's scratch and go to single-threaded sgemm calls on fixed blocks from our own pool, so results
 * do not depend on the number of threads. For few rows of x (m <= 64) our own dot products over the stored
 * dtype run instead (kernels.h). A stored row of a type with blocks fills whole blocks; of a transposed
 * weight, first_out is where one begins. */
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
    /* When run is not 0: row r of the slice is stored row first_out + r / run * step + r % run. Not of
     * transposed weights. */
    size_t run, step;
};

/* Rows [first, first + n) of the logical matrix, [n, in]. Infallible: shapes were checked at model_open. */
void weight_rows(const struct weight *w, size_t first, size_t n, real *out);
/* A bias or norm weight seen through the overlay: `out` elements ([out]) of a tensor of rank 1, or of one of
 * a higher rank in the order in which they are stored. */
void weight_vector(const struct weight *w, real *out);

/* y [m, out] = x [m, in] W^T (+ bias [out] if not NULL). y must not overlap x. */
void weight_matmul(const struct context *context, const struct weight *w, const real *bias, const real *x,
                   size_t m, real *y);
/* The same for several weights and one x, whose tasks are shared out together. */
enum { WEIGHT_PRODUCTS_MAX = 4 };
struct weight_product {
    const struct weight *weight;
    const real *bias;
    real *y;
};
void weight_matmul_several(const struct context *context, const struct weight_product *products, size_t n,
                           const real *x, size_t m);
/* dx [m, in] = dy [m, out] W, or dx += with accumulate. */
bool weight_matmul_transposed(const struct context *context, const struct weight *w, const real *dy, size_t m,
                              bool accumulate, real *dx, struct error *err);

#endif
