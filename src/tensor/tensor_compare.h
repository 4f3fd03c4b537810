/* The values of two tensors of one shape, compared element by element, in blocks on the pool: the same bits
 * for any number of threads. */
#ifndef LANCET_TENSOR_COMPARE_H
#define LANCET_TENSOR_COMPARE_H

#include "checkpoint.h"

/* An element of which one side is NaN or infinite and the other side something else counts as changed, and is
 * left out of the norms and of the largest change. */
struct tensor_comparison {
    double norm_a, norm_b, norm_change; /* Frobenius norms of A, B, B - A */
    double relative_norm;               /* |B - A| / |A|; infinite where A is zero */
    double cosine;                      /* NaN where one of them is zero */
    double max_abs;                     /* largest |b - a| ... */
    uint64_t max_at;                    /* ... and its element, the first one */
    uint64_t changed;                   /* elements with b != a */
    uint64_t flips;                     /* of which the sign is another */
    uint64_t both_nan;                  /* elements that are NaN on both sides: taken for the same */
    uint64_t nonfinite;                 /* changed elements with a NaN or an infinity ... */
    uint64_t nan_a, nan_b;              /* ... of which A or B is NaN, and the other is not */
};

/* Whether all bytes are the same. Stops soon after the first difference. */
bool tensor_same_bytes(const struct context *context, const struct tensor *a, const struct tensor *b,
                       bool *same, struct error *err);

/* Figures of B against A; both dtypes can be read. *rounded: all values of the side with the wider dtype,
 * rounded to the dtype of the other, are the other's. */
bool tensor_compare(const struct context *context, const struct tensor *a, const struct tensor *b,
                    struct tensor_comparison *out, bool *rounded, struct error *err);

#endif
