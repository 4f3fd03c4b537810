/* Inner loops of small products over stored rows, one table per instruction set, chosen at run time. A table
 * holds C that any compiler takes (kernels.c) or AVX2 with FMA and F16C (kernels_avx2.c); a test compares
 * them. */
#ifndef LANCET_KERNELS_H
#define LANCET_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dtype.h"
#include "real.h"

/* The types that have inner loops: three dtypes, and numbers that were converted already. */
enum kernel_type { KERNEL_F32, KERNEL_BF16, KERNEL_F16, KERNEL_REAL, KERNEL_TYPES };

struct kernels {
    const char *name;
    /* n elements to numbers. */
    void (*widen[KERNEL_TYPES])(const void *src, size_t n, real *dst);
    /* y [m, n_rows] += x [m, k] S^T for n_rows stored rows [k] that lie `stride` bytes apart. The other
     * strides count numbers. */
    void (*dot[KERNEL_TYPES])(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x,
                              size_t x_stride, size_t m, real *y, size_t y_stride);
    /* y [m, n] += x [m, k] S for k stored rows [n]. */
    void (*axpy[KERNEL_TYPES])(const uint8_t *s, size_t stride, size_t k, size_t n, const real *x,
                               size_t x_stride, size_t m, real *y, size_t y_stride);
};

extern const struct kernels kernels_portable;
/* NULL where this build or this processor has none. */
const struct kernels *kernels_avx2(void);
/* The fastest table that this processor runs. */
const struct kernels *kernels_best(void);
/* KERNEL_TYPES when the dtype has no inner loops: rows.h converts it, then KERNEL_REAL serves. */
enum kernel_type kernel_type_of(enum dtype dtype);

static inline float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float bf16_to_float(uint16_t bits)
{
    return float_of_bits((uint32_t)bits << 16);
}

/* A subnormal is read as if it had the leading one, which a float subtraction takes off again. A signalling
 * NaN becomes quiet, as F16C does it. */
static inline float f16_to_float(uint16_t bits)
{
    const uint32_t bias = UINT32_C(112) << 23; /* between the exponents of the two formats */
    uint32_t magnitude = (uint32_t)(bits & 0x7fff) << 13, exponent = magnitude >> 23;
    float value;

    if (exponent == 31)
        value = float_of_bits((magnitude + 2 * bias) | (magnitude & 0x7fffff ? UINT32_C(1) << 22 : 0));
    else if (exponent == 0)
        value = float_of_bits(magnitude + bias + (UINT32_C(1) << 23)) - float_of_bits(UINT32_C(113) << 23);
    else
        value = float_of_bits(magnitude + bias);
    return bits & 0x8000 ? -value : value;
}

#endif
