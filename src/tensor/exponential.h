/* exp of many numbers at once: in float, a loop that compilers turn into vectors, the same bits on every
 * machine. */
#ifndef LANCET_EXPONENTIAL_H
#define LANCET_EXPONENTIAL_H

#include <stddef.h>

#include "real.h"

/* y = exp(scale * x + shift); y may be x. Float: within 2 units in the last place of the exp of the rounded
 * argument, 0 and Inf beyond the range, NaN stays NaN. */
void exponential(const real *x, size_t n, real scale, real shift, real *y);

#endif
