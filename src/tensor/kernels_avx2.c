#include "kernels.h"

#if defined(__x86_64__) && !defined(LANCET_REAL_DOUBLE)

#include <immintrin.h>
#include <stdbool.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) AVX2

/* Eight elements from p as f32. */
INLINE __m256 load_f32(const uint8_t *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}

INLINE __m256 load_bf16(const uint8_t *p)
{
    __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)p);

    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

INLINE __m256 load_f16(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* One element. */
INLINE float one_f32(const uint8_t *p)
{
    float value;

    memcpy(&value, p, sizeof value);
    return value;
}

INLINE float one_bf16(const uint8_t *p)
{
    uint16_t bits;

    memcpy(&bits, p, sizeof bits);
    return bf16_to_float(bits);
}

INLINE float one_f16(const uint8_t *p)
{
    uint16_t bits;

    memcpy(&bits, p, sizeof bits);
    return _cvtsh_ss(bits);
}

INLINE float sum8(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* Four sums at once: element i is the sum of v[i]. */
INLINE __m128 sum8x4(const __m256 *v)
{
    __m256 ab = _mm256_hadd_ps(v[0], v[1]), cd = _mm256_hadd_ps(v[2], v[3]), all = _mm256_hadd_ps(ab, cd);

    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

/* Stored rows stream from memory once: dot keeps four sums, so that additions do not wait for one another;
 * axpy takes four rows for one load and store of y. */

#define DTYPE_LOOPS(NAME, BYTES)                                                                             \
    AVX2 static void widen_##NAME(const void *src, size_t n, real *dst)                                      \
    {                                                                                                        \
        const uint8_t *p = src;                                                                              \
        size_t i = 0;                                                                                        \
        for (; i + 16 <= n; i += 16) {                                                                       \
            _mm256_storeu_ps(dst + i, load_##NAME(p + i * (BYTES)));                                         \
            _mm256_storeu_ps(dst + i + 8, load_##NAME(p + (i + 8) * (BYTES)));                               \
        }                                                                                                    \
        for (; i < n; i++)                                                                                   \
            dst[i] = one_##NAME(p + i * (BYTES));                                                            \
    }                                                                                                        \
                                                                                                             \
    INLINE float dot_row_##NAME(const uint8_t *s, size_t k, const real *x)                                   \
    {                                                                                                        \
        __m256 a[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};  \
        size_t i = 0;                                                                                        \
        float tail = 0;                                                                                      \
        for (; i + 32 <= k; i += 32)                                                                         \
            for (size_t j = 0; j < 4; j++)                                                                   \
                a[j] = _mm256_fmadd_ps(load_##NAME(s + (i + 8 * j) * (BYTES)),                               \
                                       _mm256_loadu_ps(x + i + 8 * j), a[j]);                                \
        for (; i + 8 <= k; i += 8)                                                                           \
            a[0] = _mm256_fmadd_ps(load_##NAME(s + i * (BYTES)), _mm256_loadu_ps(x + i), a[0]);              \
        for (; i < k; i++)                                                                                   \
            tail += one_##NAME(s + i * (BYTES)) * x[i];                                                      \
        return sum8(_mm256_add_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(a[2], a[3]))) + tail;             \
    }                                                                                                        \
                                                                                                             \
    AVX2 static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x,     \
                                real *y)                                                                     \
    {                                                                                                        \
        for (size_t r = 0; r < n_rows; r++)                                                                  \
            y[r] += dot_row_##NAME(s + r * stride, k, x);                                                    \
    }                                                                                                        \
                                                                                                             \
    AVX2 static void axpy_##NAME(const uint8_t *s, size_t stride, size_t k, size_t n, const real *x,         \
                                 real *y)                                                                    \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        for (; i + 4 <= k; i += 4, s += 4 * stride) {                                                        \
            const uint8_t *s1 = s + stride, *s2 = s1 + stride, *s3 = s2 + stride;                            \
            __m256 x0 = _mm256_set1_ps(x[i]), x1 = _mm256_set1_ps(x[i + 1]);                                 \
            __m256 x2 = _mm256_set1_ps(x[i + 2]), x3 = _mm256_set1_ps(x[i + 3]);                             \
            size_t j = 0;                                                                                    \
            for (; j + 8 <= n; j += 8) {                                                                     \
                __m256 sum = _mm256_loadu_ps(y + j);                                                         \
                sum = _mm256_fmadd_ps(x0, load_##NAME(s + j * (BYTES)), sum);                                \
                sum = _mm256_fmadd_ps(x1, load_##NAME(s1 + j * (BYTES)), sum);                               \
                sum = _mm256_fmadd_ps(x2, load_##NAME(s2 + j * (BYTES)), sum);                               \
                sum = _mm256_fmadd_ps(x3, load_##NAME(s3 + j * (BYTES)), sum);                               \
                _mm256_storeu_ps(y + j, sum);                                                                \
            }                                                                                                \
            for (; j < n; j++)                                                                               \
                y[j] += x[i] * one_##NAME(s + j * (BYTES)) + x[i + 1] * one_##NAME(s1 + j * (BYTES)) +       \
                        x[i + 2] * one_##NAME(s2 + j * (BYTES)) + x[i + 3] * one_##NAME(s3 + j * (BYTES));   \
        }                                                                                                    \
        for (; i < k; i++, s += stride)                                                                      \
            for (size_t j = 0; j < n; j++)                                                                   \
                y[j] += x[i] * one_##NAME(s + j * (BYTES));                                                  \
    }

DTYPE_LOOPS(f32, 4)
DTYPE_LOOPS(bf16, 2)
DTYPE_LOOPS(f16, 2)

/* R stored rows by M rows of x in registers. */
INLINE void dot_block(size_t R, size_t M, const real *s, size_t stride, size_t k, const real *x,
                      size_t x_stride, real *y, size_t y_stride)
{
    __m256 sum[3 * 4];
    float tail[3 * 4] = {0};
    size_t i = 0;

#pragma GCC unroll 12
    for (size_t j = 0; j < R * M; j++)
        sum[j] = _mm256_setzero_ps();
    for (; i + 8 <= k; i += 8) {
        __m256 row[3];
#pragma GCC unroll 3
        for (size_t r = 0; r < R; r++)
            row[r] = _mm256_loadu_ps(s + r * stride + i);
#pragma GCC unroll 4
        for (size_t j = 0; j < M; j++) {
            __m256 b = _mm256_loadu_ps(x + j * x_stride + i);
#pragma GCC unroll 3
            for (size_t r = 0; r < R; r++)
                sum[j * R + r] = _mm256_fmadd_ps(row[r], b, sum[j * R + r]);
        }
    }
    for (; i < k; i++)
        for (size_t j = 0; j < M; j++)
            for (size_t r = 0; r < R; r++)
                tail[j * R + r] += s[r * stride + i] * x[j * x_stride + i];
#pragma GCC unroll 4
    for (size_t j = 0; j < M; j++)
#pragma GCC unroll 3
        for (size_t r = 0; r < R; r++)
            y[j * y_stride + r] += sum8(sum[j * R + r]) + tail[j * R + r];
}

#define DOT_BLOCK(R, M)                                                                                      \
    AVX2 static void dot_block_##R##x##M(const real *s, size_t stride, size_t k, const real *x,              \
                                         size_t x_stride, real *y, size_t y_stride)                          \
    {                                                                                                        \
        dot_block(R, M, s, stride, k, x, x_stride, y, y_stride);                                             \
    }
DOT_BLOCK(1, 1)
DOT_BLOCK(1, 2)
DOT_BLOCK(1, 3)
DOT_BLOCK(1, 4)
DOT_BLOCK(2, 1)
DOT_BLOCK(2, 2)
DOT_BLOCK(2, 3)
DOT_BLOCK(2, 4)
DOT_BLOCK(3, 1)
DOT_BLOCK(3, 2)
DOT_BLOCK(3, 3)
DOT_BLOCK(3, 4)

static void tile_dot(const real *s, size_t stride, size_t n_rows, size_t k, const real *x, size_t x_stride,
                     size_t m, real *y, size_t y_stride)
{
    static void (*const blocks[3][4])(const real *, size_t, size_t, const real *, size_t, real *, size_t) = {
        {dot_block_1x1, dot_block_1x2, dot_block_1x3, dot_block_1x4},
        {dot_block_2x1, dot_block_2x2, dot_block_2x3, dot_block_2x4},
        {dot_block_3x1, dot_block_3x2, dot_block_3x3, dot_block_3x4},
    };

    for (size_t row = 0, n; row < m; row += n) {
        n = m - row < 4 ? m - row : m - row == 5 ? 3 : 4; /* 5 = 3 + 2 keeps the units busier than 4 + 1 */
        for (size_t r = 0, n_s; r < n_rows; r += n_s) {
            n_s = n_rows - r < 3 ? n_rows - r : 3;
            blocks[n_s - 1][n - 1](s + r * stride, stride, k, x + row * x_stride, x_stride,
                                   y + row * y_stride + r, y_stride);
        }
    }
}

/* M rows of y by V vectors of 8 columns in registers. */
INLINE void axpy_block(size_t M, size_t V, const real *s, size_t stride, size_t k, const real *x,
                       size_t x_stride, real *y, size_t y_stride)
{
    __m256 sum[4 * 3];

#pragma GCC unroll 4
    for (size_t j = 0; j < M; j++)
#pragma GCC unroll 3
        for (size_t v = 0; v < V; v++)
            sum[j * V + v] = _mm256_loadu_ps(y + j * y_stride + 8 * v);
    for (size_t i = 0; i < k; i++) {
        __m256 row[3];
#pragma GCC unroll 3
        for (size_t v = 0; v < V; v++)
            row[v] = _mm256_loadu_ps(s + i * stride + 8 * v);
#pragma GCC unroll 4
        for (size_t j = 0; j < M; j++) {
            __m256 a = _mm256_broadcast_ss(x + j * x_stride + i);
#pragma GCC unroll 3
            for (size_t v = 0; v < V; v++)
                sum[j * V + v] = _mm256_fmadd_ps(a, row[v], sum[j * V + v]);
        }
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < M; j++)
#pragma GCC unroll 3
        for (size_t v = 0; v < V; v++)
            _mm256_storeu_ps(y + j * y_stride + 8 * v, sum[j * V + v]);
}

#define AXPY_ROWS(M)                                                                                         \
    AVX2 static void axpy_rows_##M(const real *s, size_t stride, size_t k, size_t n, const real *x,          \
                                   size_t x_stride, real *y, size_t y_stride)                                \
    {                                                                                                        \
        size_t c = 0;                                                                                        \
        for (; c + 24 <= n; c += 24)                                                                         \
            axpy_block(M, 3, s + c, stride, k, x, x_stride, y + c, y_stride);                                \
        for (; c + 8 <= n; c += 8)                                                                           \
            axpy_block(M, 1, s + c, stride, k, x, x_stride, y + c, y_stride);                                \
        for (; c < n; c++)                                                                                   \
            for (size_t j = 0; j < M; j++) {                                                                 \
                float sum = y[j * y_stride + c];                                                             \
                for (size_t i = 0; i < k; i++)                                                               \
                    sum += x[j * x_stride + i] * s[i * stride + c];                                          \
                y[j * y_stride + c] = sum;                                                                   \
            }                                                                                                \
    }
AXPY_ROWS(1)
AXPY_ROWS(2)
AXPY_ROWS(3)
AXPY_ROWS(4)

static void tile_axpy(const real *s, size_t stride, size_t k, size_t n, const real *x, size_t x_stride,
                      size_t m, real *y, size_t y_stride)
{
    static void (*const rows[4])(const real *, size_t, size_t, size_t, const real *, size_t, real *,
                                 size_t) = {axpy_rows_1, axpy_rows_2, axpy_rows_3, axpy_rows_4};

    for (size_t row = 0, n_rows; row < m; row += n_rows) {
        n_rows = m - row < 4 ? m - row : m - row == 5 ? 3 : 4;
        rows[n_rows - 1](s, stride, k, n, x + row * x_stride, x_stride, y + row * y_stride, y_stride);
    }
}

static const struct kernels avx2 = {
    .name = "avx2",
    .widen = {[KERNEL_F32] = widen_f32, [KERNEL_BF16] = widen_bf16, [KERNEL_F16] = widen_f16},
    .dot = {[KERNEL_F32] = dot_f32, [KERNEL_BF16] = dot_bf16, [KERNEL_F16] = dot_f16},
    .axpy = {[KERNEL_F32] = axpy_f32, [KERNEL_BF16] = axpy_bf16, [KERNEL_F16] = axpy_f16},
    .tile_dot = tile_dot,
    .tile_axpy = tile_axpy,
};

const struct kernels *kernels_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")
               ? &avx2
               : NULL;
}

#else

const struct kernels *kernels_avx2(void)
{
    return NULL;
}

#endif
