/* Elements of any readable dtype to numbers and back. One table row per dtype; F64 and integers are read-only
 * as weights. Source bytes may be unaligned. Of a type with blocks, `src` is where a block begins, and its
 * numbers are floats (what ggml computes). */
#ifndef LANCET_ROWS_H
#define LANCET_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "error.h"
#include "real.h"

/* Whether the two directions exist. */
bool rows_readable(enum dtype dtype);
bool rows_writable(enum dtype dtype); /* element by element: F32, F16, BF16 */
/* Those, and the types with blocks that are written: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. */
bool rows_quantisable(enum dtype dtype);

/* n elements at src. The dtype must be readable. */
void rows_to_real(enum dtype dtype, const void *src, size_t n, real *dst);
void rows_to_f64(enum dtype dtype, const void *src, size_t n, double *dst);
/* n elements from element `at` on, anywhere in a block, of those that begin at src. */
void rows_slice_real(enum dtype dtype, const void *src, uint64_t at, size_t n, real *dst);
void rows_slice_f64(enum dtype dtype, const void *src, uint64_t at, size_t n, double *dst);
/* Rounded once, to nearest even, straight to the storage dtype (never f64 -> f32 -> BF16). NaN stays NaN
 * (quiet); too large becomes Inf. Blocks are made of the numbers as floats, as ggml does it. The dtype must
 * be quantisable; n fills whole blocks. */
void rows_from_f64(enum dtype dtype, const double *src, size_t n, void *dst);

/* Rounding that keeps an edit: one row [n] of exact new values `wanted`, its old values, and the key [n]
 * along which the change counts. First plain rounding; then elements nearest to a tie are rounded the other
 * way until the row's residual (rounded - wanted) . key is gone. Writes the storage bytes to dst. *realised
 * += (rounded - old) . key, *intended += (wanted - old) . key are for the caller's report. */
void rows_round_along(enum dtype dtype, const double *wanted, const double *key, size_t n, void *dst,
                      double *scratch /* [2 n] */, size_t *order /* [n] */);

#endif
