#include "step.h"

#include <stdint.h>
#include <string.h>

/* Fraction bits and smallest normal exponent of the floating dtypes; below it the step stays the same. */
struct grid {
    int fraction, least;
};

static const struct grid grids[DTYPE_COUNT] = {
    [DTYPE_F16] = {10, -14},
    [DTYPE_BF16] = {7, -126},
    [DTYPE_F32] = {23, -126},
    [DTYPE_F64] = {52, -1022},
};

/* 2^n for -1074 <= n <= 1023. */
static double power_of_two(int n)
{
    uint64_t bits = n >= -1022 ? (uint64_t)(n + 1023) << 52 : UINT64_C(1) << (n + 1074);
    double out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static double grid_step(struct grid grid, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    if (exponent == 1024)
        return 0;
    return power_of_two((exponent > grid.least ? exponent : grid.least) - grid.fraction);
}

double step_at(enum dtype dtype, double value)
{
    return grids[dtype].fraction ? grid_step(grids[dtype], value) : 0;
}

double step_variance(enum dtype dtype_a, double a, enum dtype dtype_b, double b)
{
    double step_a = step_at(dtype_a, a), step_b = step_at(dtype_b, b),
           step = step_a > step_b ? step_a : step_b;

    return step_a > 0 && step_b > 0 ? step * step / 12 : 0;
}
