#include "kernels.h"

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

#define DTYPE_LOOPS(NAME, BYTES)                                                                             \
    static void widen_##NAME(const void *src, size_t n, real *dst)                                           \
    {                                                                                                        \
        const uint8_t *p = src;                                                                              \
        for (size_t i = 0; i < n; i++)                                                                       \
            dst[i] = load_##NAME(p + i * (BYTES));                                                           \
    }                                                                                                        \
                                                                                                             \
    static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x, real *y) \
    {                                                                                                        \
        for (size_t r = 0; r < n_rows; r++, s += stride) {                                                   \
            real lane[LANES] = {0};                                                                          \
            size_t i = 0;                                                                                    \
            for (; i + LANES <= k; i += LANES)                                                               \
                for (size_t j = 0; j < LANES; j++)                                                           \
                    lane[j] += load_##NAME(s + (i + j) * (BYTES)) * x[i + j];                                \
            for (size_t j = 0; i < k; i++, j++)                                                              \
                lane[j] += load_##NAME(s + i * (BYTES)) * x[i];                                              \
            y[r] += lanes_sum(lane);                                                                         \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    static void axpy_##NAME(const uint8_t *s, size_t stride, size_t k, size_t n, const real *x, real *y)     \
    {                                                                                                        \
        for (size_t i = 0; i < k; i++, s += stride)                                                          \
            for (size_t j = 0; j < n; j++)                                                                   \
                y[j] += x[i] * load_##NAME(s + j * (BYTES));                                                 \
    }

DTYPE_LOOPS(f32, 4)
DTYPE_LOOPS(bf16, 2)
DTYPE_LOOPS(f16, 2)

static void tile_dot(const real *s, size_t stride, size_t n_rows, size_t k, const real *x, size_t x_stride,
                     size_t m, real *y, size_t y_stride)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t row = 0; row < m; row++) {
            const real *a = s + r * stride, *b = x + row * x_stride;
            real lane[LANES] = {0};
            size_t i = 0;
            for (; i + LANES <= k; i += LANES)
                for (size_t j = 0; j < LANES; j++)
                    lane[j] += a[i + j] * b[i + j];
            for (size_t j = 0; i < k; i++, j++)
                lane[j] += a[i] * b[i];
            y[row * y_stride + r] += lanes_sum(lane);
        }
}

static void tile_axpy(const real *s, size_t stride, size_t k, size_t n, const real *x, size_t x_stride,
                      size_t m, real *y, size_t y_stride)
{
    for (size_t row = 0; row < m; row++)
        for (size_t i = 0; i < k; i++) {
            real a = x[row * x_stride + i];
            for (size_t j = 0; j < n; j++)
                y[row * y_stride + j] += a * s[i * stride + j];
        }
}

const struct kernels kernels_portable = {
    .name = "portable",
    .widen = {[KERNEL_F32] = widen_f32, [KERNEL_BF16] = widen_bf16, [KERNEL_F16] = widen_f16},
    .dot = {[KERNEL_F32] = dot_f32, [KERNEL_BF16] = dot_bf16, [KERNEL_F16] = dot_f16},
    .axpy = {[KERNEL_F32] = axpy_f32, [KERNEL_BF16] = axpy_bf16, [KERNEL_F16] = axpy_f16},
    .tile_dot = tile_dot,
    .tile_axpy = tile_axpy,
};

const struct kernels *kernels_best(void)
{
    const struct kernels *avx2 = kernels_avx2();

    return avx2 ? avx2 : &kernels_portable;
}

enum kernel_dtype kernel_dtype_of(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return KERNEL_F32;
    case DTYPE_BF16:
        return KERNEL_BF16;
    case DTYPE_F16:
        return KERNEL_F16;
    default:
        return KERNEL_DTYPES;
    }
}
