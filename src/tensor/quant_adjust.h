/* Blocks that are there already, brought to other numbers: an edit of quantised weights. */
#ifndef LANCET_QUANT_ADJUST_H
#define LANCET_QUANT_ADJUST_H

#include <stdbool.h>
#include <stddef.h>

#include "dtype.h"

/* Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and Q2_K to Q6_K. */
bool quant_adjustable(enum dtype dtype);

/* One row of n numbers, as it is stored in `old`, with new numbers `wanted`: into dst. Scales stay, integers
 * move, but where a type's own quantiser comes nearer with new scales; a block whose numbers stay keeps its
 * bytes. With a key [n] (else NULL) integers then move by one more step, those that cost least first, until
 * the row's residual (dst - wanted) . key is gone. n fills whole blocks. */
void quant_adjust(enum dtype dtype, const void *old, const double *wanted, const double *key, size_t n,
                  void *dst, double *scratch /* [4 n] */, size_t *order /* [n] */);

#endif
