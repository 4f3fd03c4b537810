/* The grid that stored values lie on. */
#ifndef LANCET_STEP_H
#define LANCET_STEP_H

#include "dtype.h"

/* Distance from a value to the next larger one in size that the dtype can hold (NaN, infinities and dtypes
 * that nothing is rounded to, such as integers: 0). */
double step_at(enum dtype dtype, double value);

/* Variance of a rounding to the nearest, step^2 / 12, at the larger of the steps of a and b: what a change
 * from one to the other carries as noise for having been stored. 0 where one of them has no step. */
double step_variance(enum dtype dtype_a, double a, enum dtype dtype_b, double b);

#endif
