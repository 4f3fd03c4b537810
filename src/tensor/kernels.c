#include "kernels.h"

#include "quant.h"

/* Sums run over LANES interleaved partial sums, so that a compiler may use vectors without reordering
 * anything. */
enum { LANES = 8 };

static inline real load_f32(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return (real)value;
}

static inline real load_bf16(const uint8_t *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return (real)bf16_to_float(bits);
}

static inline real load_f16(const uint8_t *p)
{
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return (real)f16_to_float(bits);
}

static inline real lanes_sum(const real *lane)
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static inline real load_real(const uint8_t *p)
{
    real value;
    memcpy(&value, p, sizeof value);
    return value;
}

#define TYPE_LOOPS(NAME, BYTES)                                                                              \
    static void widen_##NAME(const void *src, size_t n, real *dst)                                           \
    {                                                                                                        \
        const uint8_t *p = src;                                                                              \
        for (size_t i = 0; i < n; i++)                                                                       \
            dst[i] = load_##NAME(p + i * (BYTES));                                                           \
    }                                                                                                        \
                                                                                                             \
    static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x,          \
                           size_t x_stride, size_t m, real *y, size_t y_stride)                              \
    {                                                                                                        \
        for (size_t r = 0; r < n_rows; r++, s += stride)                                                     \
            for (size_t row = 0; row < m; row++) {                                                           \
                const real *b = x + row * x_stride;                                                          \
                real lane[LANES] = {0};                                                                      \
                size_t i = 0;                                                                                \
                for (; i + LANES <= k; i += LANES)                                                           \
                    for (size_t j = 0; j < LANES; j++)                                                       \
                        lane[j] += load_##NAME(s + (i + j) * (BYTES)) * b[i + j];                            \
                for (size_t j = 0; i < k; i++, j++)                                                          \
                    lane[j] += load_##NAME(s + i * (BYTES)) * b[i];                                          \
                y[row * y_stride + r] += lanes_sum(lane);                                                    \
            }                                                                                                \
    }                                                                                                        \
                                                                                                             \
    static void axpy_##NAME(const uint8_t *s, size_t stride, size_t k, size_t n, const real *x,              \
                            size_t x_stride, size_t m, real *y, size_t y_stride)                             \
    {                                                                                                        \
        for (size_t i = 0; i < k; i++, s += stride)                                                          \
            for (size_t row = 0; row < m; row++)                                                             \
                for (size_t j = 0; j < n; j++)                                                               \
                    y[row * y_stride + j] += x[row * x_stride + i] * load_##NAME(s + j * (BYTES));           \
    }

TYPE_LOOPS(f32, 4)
TYPE_LOOPS(bf16, 2)
TYPE_LOOPS(f16, 2)
TYPE_LOOPS(real, sizeof(real))

/* Blocks, one at a time by the reference's own reader. */
static inline void widen_blocks(quant_read *read, size_t elements, size_t bytes, const void *src, size_t n,
                                real *dst)
{
    const uint8_t *p = src;
    float block[QUANT_LARGEST_BLOCK];

    for (size_t i = 0; i < n; i += elements, p += bytes) {
        read(p, block);
        for (size_t j = 0; j < elements; j++)
            dst[i + j] = (real)block[j];
    }
}

static inline void dot_blocks(quant_read *read, size_t elements, size_t bytes, const uint8_t *s,
                              size_t stride, size_t n_rows, size_t k, const real *x, size_t x_stride,
                              size_t m, real *y, size_t y_stride)
{
    real block[QUANT_LARGEST_BLOCK];

    for (size_t r = 0; r < n_rows; r++, s += stride)
        for (size_t i = 0; i < k; i += elements) {
            widen_blocks(read, elements, bytes, s + i / elements * bytes, elements, block);
            dot_real((const uint8_t *)block, 0, 1, elements, x + i, x_stride, m, y + r, y_stride);
        }
}

#define BLOCK_LOOPS(NAME, DTYPE, ELEMENTS, BYTES, SCALE, LEAST)                                              \
    static void widen_##NAME(const void *src, size_t n, real *dst)                                           \
    {                                                                                                        \
        widen_blocks(NAME##_read, ELEMENTS, BYTES, src, n, dst);                                             \
    }                                                                                                        \
                                                                                                             \
    static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x,          \
                           size_t x_stride, size_t m, real *y, size_t y_stride)                              \
    {                                                                                                        \
        dot_blocks(NAME##_read, ELEMENTS, BYTES, s, stride, n_rows, k, x, x_stride, m, y, y_stride);         \
    }

KERNEL_BLOCKS(BLOCK_LOOPS)

#define WIDEN_BLOCK(NAME, DTYPE, ...) [KERNEL_##DTYPE] = widen_##NAME,
#define DOT_BLOCK(NAME, DTYPE, ...) [KERNEL_##DTYPE] = dot_##NAME,

const struct kernels kernels_portable = {
    .name = "portable",
    .widen = {widen_f32, widen_bf16, widen_f16, widen_real, KERNEL_BLOCKS(WIDEN_BLOCK)},
    .dot = {dot_f32, dot_bf16, dot_f16, dot_real, KERNEL_BLOCKS(DOT_BLOCK)},
    .axpy = {axpy_f32, axpy_bf16, axpy_f16, axpy_real},
};

const struct kernels *kernels_best(void)
{
    const struct kernels *avx512 = kernels_avx512(), *avx2 = kernels_avx2();

    return avx512 ? avx512 : avx2 ? avx2 : &kernels_portable;
}

#define CASE_OF_BLOCK(NAME, DTYPE, ...)                                                                      \
    case DTYPE_##DTYPE:                                                                                      \
        return KERNEL_##DTYPE;

enum kernel_type kernel_type_of(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return KERNEL_F32;
    case DTYPE_BF16:
        return KERNEL_BF16;
    case DTYPE_F16:
        return KERNEL_F16;
        KERNEL_BLOCKS(CASE_OF_BLOCK)
    default:
        return KERNEL_TYPES;
    }
}
