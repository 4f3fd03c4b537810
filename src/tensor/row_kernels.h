/* Inner loops over rows of doubles, one table per instruction set, chosen at run time: plain C
 * (row_kernels.c) or AVX2 (row_kernels_avx2.c). Both give the same bits, and a test compares them: sums run
 * over LANES interleaved partial sums, and nothing is fused. */
#ifndef LANCET_ROW_KERNELS_H
#define LANCET_ROW_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum row_type { ROW_F32, ROW_BF16, ROW_F16, ROW_TYPES };

enum { ROW_LANES = 16 };

struct row_kernels {
    const char *name;
    void (*widen[ROW_TYPES])(const void *src, size_t n, double *dst);
    /* To nearest even, once; a NaN stays one, quiet, with the upper bits of its payload. */
    void (*narrow[ROW_TYPES])(const double *src, size_t n, void *dst);
    void (*scale)(double a, const double *x, size_t n, double *out); /* out = a x */
    void (*combine)(double a, const double *x, double b, const double *y, size_t n,
                    double *out);                                         /* out = a x + b y */
    void (*add_scaled)(double a, const double *x, size_t n, double *out); /* out += a x */
    void (*add_difference)(double a, const double *x, const double *y, size_t n,
                           double *out);             /* out += a (x - y) */
    void (*divide)(double a, size_t n, double *out); /* out /= a */
    double (*squares)(const double *x, size_t n);
    /* sums [2] += { sum y^2, sum (x - y)^2 } */
    void (*add_distance)(const double *x, const double *y, size_t n, double *sums);
    /* sums [3] += { sum x^2, sum y^2, sum x y } */
    void (*add_products)(const double *x, const double *y, size_t n, double *sums);
};

extern const struct row_kernels row_kernels_portable;
/* NULL where this build or this processor has none. */
const struct row_kernels *row_kernels_avx2(void);
/* The fastest table that this processor runs. */
const struct row_kernels *row_kernels_best(void);

/* Partial sums in a fixed tree. */
static inline double row_lanes_sum(double *lane)
{
    for (size_t half = ROW_LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* One double to a 16-bit float of 1 sign bit, 15 - fraction exponent bits and `fraction` fraction bits. */
uint16_t row_narrow(double value, unsigned fraction);

#endif
