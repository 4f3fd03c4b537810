/* Inner loops of small products over stored rows, one table per instruction set, chosen at run time: C that
 * any compiler takes (kernels.c), AVX2 with FMA and F16C (kernels_avx2.c), AVX-512 (kernels_avx512.c). The
 * last two are the same loops (kernels_tmpl.c) over vectors of 8 and of 16 numbers. A test compares all that
 * the processor runs, and the loops over 16 numbers made of AVX2. */
#ifndef LANCET_KERNELS_H
#define LANCET_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dtype.h"
#include "real.h"

/* Types with blocks that have inner loops: name, dtype, elements and bytes of a block, elements that share a
 * scale, whether an element is step * q + least and not just step * q. */
#define KERNEL_BLOCKS(ROW)                                                                                   \
    ROW(q4_0, Q4_0, 32, 18, 32, 0)                                                                           \
    ROW(q4_1, Q4_1, 32, 20, 32, 1)                                                                           \
    ROW(q5_0, Q5_0, 32, 22, 32, 0)                                                                           \
    ROW(q5_1, Q5_1, 32, 24, 32, 1)                                                                           \
    ROW(q8_0, Q8_0, 32, 34, 32, 0)                                                                           \
    ROW(q2_k, Q2_K, 256, 84, 16, 1)                                                                          \
    ROW(q3_k, Q3_K, 256, 110, 16, 0)                                                                         \
    ROW(q4_k, Q4_K, 256, 144, 32, 1)                                                                         \
    ROW(q5_k, Q5_K, 256, 176, 32, 1)                                                                         \
    ROW(q6_k, Q6_K, 256, 210, 16, 0)                                                                         \
    ROW(iq4_nl, IQ4_NL, 32, 18, 32, 0)                                                                       \
    ROW(iq4_xs, IQ4_XS, 256, 136, 32, 0)

#define KERNEL_OF_BLOCK(NAME, DTYPE, ...) KERNEL_##DTYPE,

/* The types that have inner loops: three dtypes, numbers that were converted already, and blocks. */
enum kernel_type {
    KERNEL_F32,
    KERNEL_BF16,
    KERNEL_F16,
    KERNEL_REAL,
    KERNEL_FLOATS,
    KERNEL_BEFORE_BLOCKS = KERNEL_FLOATS - 1,
    KERNEL_BLOCKS(KERNEL_OF_BLOCK) KERNEL_TYPES
};

struct kernels {
    const char *name;
    /* n elements, whole blocks, to numbers. All tables give the same bits. */
    void (*widen[KERNEL_TYPES])(const void *src, size_t n, real *dst);
    /* y [m, n_rows] += x [m, k] S^T for n_rows stored rows [k] that lie `stride` bytes apart. The other
     * strides count numbers. For more than a row of x, blocks are better widened first: each is read m times.
     */
    void (*dot[KERNEL_TYPES])(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x,
                              size_t x_stride, size_t m, real *y, size_t y_stride);
    /* y [m, n] += x [m, k] S for k stored rows [n]. */
    void (*axpy[KERNEL_FLOATS])(const uint8_t *s, size_t stride, size_t k, size_t n, const real *x,
                                size_t x_stride, size_t m, real *y, size_t y_stride);
};

extern const struct kernels kernels_portable;
/* NULL where this build, this processor or its system has none. */
const struct kernels *kernels_avx2(void);
const struct kernels *kernels_avx512(void);
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
