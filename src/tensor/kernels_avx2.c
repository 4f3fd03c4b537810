#include "kernels.h"

#if defined(__x86_64__) && !defined(LANCET_REAL_DOUBLE)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
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

INLINE void fetch_ahead(const uint8_t *from, size_t bytes)
{
    _mm_prefetch((const char *)((uintptr_t)from + bytes), _MM_HINT_T0);
}

/* How the loops use the 16 vector registers, and why.
 *
 * dot: R stored rows by M rows of x, a sum for each pair. A step costs R conversions and M loads for R M
 * products, so a pass over at most ROWS_MAX rows of x reads and converts each stored row once, and memory is
 * never idle while products are made. Long rows are cut so that the rows of x stay in the first-level cache.
 *
 * axpy: M rows of y by V vectors of columns, kept in registers for STEPS stored rows; the first pass over
 * such a block fetches the next. With one or two rows of x, stored rows simply stream past. */
enum { ROWS_MAX = 8, DEPTH_MAX = 768, STEPS = 32, AHEAD = 2048 };

#define TYPE_LOOPS(NAME, BYTES)                                                                              \
    AVX2 static void widen_##NAME(const void *src, size_t n, real *dst)                                      \
    {                                                                                                        \
        const uint8_t *p = src;                                                                              \
        size_t i = 0;                                                                                        \
        for (; i + 8 <= n; i += 8)                                                                           \
            _mm256_storeu_ps(dst + i, load_##NAME(p + i * (BYTES)));                                         \
        for (; i < n; i++)                                                                                   \
            dst[i] = one_##NAME(p + i * (BYTES));                                                            \
    }                                                                                                        \
                                                                                                             \
    INLINE void dot_block_##NAME(size_t R, size_t M, size_t ahead, const uint8_t *s, size_t stride,          \
                                 size_t k, const real *x, size_t x_stride, real *y, size_t y_stride)         \
    {                                                                                                        \
        __m256 sum[ROWS_MAX * 2], row[4];                                                                    \
        size_t whole = k - k % 8;                                                                            \
        UNROLL for (size_t j = 0; j < R * M; j++) sum[j] = _mm256_setzero_ps();                              \
        for (size_t i = 0; i < whole; i += 8) {                                                              \
            if (ahead && i % (64 / (BYTES)) == 0)                                                            \
                UNROLL for (size_t r = 0; r < R; r++) fetch_ahead(s + r * stride + i * (BYTES), ahead);      \
            UNROLL for (size_t r = 0; r < R; r++) row[r] = load_##NAME(s + r * stride + i * (BYTES));        \
            UNROLL for (size_t j = 0; j < M; j++)                                                            \
            {                                                                                                \
                __m256 b = _mm256_loadu_ps(x + j * x_stride + i);                                            \
                UNROLL for (size_t r = 0; r < R; r++) sum[j * R + r] =                                       \
                    _mm256_fmadd_ps(row[r], b, sum[j * R + r]);                                              \
            }                                                                                                \
        }                                                                                                    \
        UNROLL for (size_t j = 0; j < M; j++) UNROLL for (size_t r = 0; r < R; r++)                          \
        {                                                                                                    \
            float total = sum8(sum[j * R + r]);                                                              \
            for (size_t i = whole; i < k; i++)                                                               \
                total += one_##NAME(s + r * stride + i * (BYTES)) * x[j * x_stride + i];                     \
            y[j * y_stride + r] += total;                                                                    \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    /* One row of x: stored rows in the order of memory, four sums each. */                                  \
    AVX2 static void dot_1_##NAME(bool fetch, const uint8_t *s, size_t stride, size_t n_rows, size_t k,      \
                                  const real *x, size_t x_stride, real *y, size_t y_stride)                  \
    {                                                                                                        \
        (void)fetch;                                                                                         \
        (void)x_stride;                                                                                      \
        (void)y_stride;                                                                                      \
        for (size_t r = 0; r < n_rows; r++, s += stride) {                                                   \
            __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),                  \
                             _mm256_setzero_ps()};                                                           \
            size_t i = 0;                                                                                    \
            float total;                                                                                     \
            for (; i + 32 <= k; i += 32) {                                                                   \
                for (size_t at = 0; at < 32 * (BYTES); at += 64)                                             \
                    fetch_ahead(s + i * (BYTES) + at, AHEAD);                                                \
                UNROLL for (size_t j = 0; j < 4; j++) sum[j] = _mm256_fmadd_ps(                              \
                    load_##NAME(s + (i + 8 * j) * (BYTES)), _mm256_loadu_ps(x + i + 8 * j), sum[j]);         \
            }                                                                                                \
            for (; i + 8 <= k; i += 8)                                                                       \
                sum[0] = _mm256_fmadd_ps(load_##NAME(s + i * (BYTES)), _mm256_loadu_ps(x + i), sum[0]);      \
            total = sum8(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));       \
            for (; i < k; i++)                                                                               \
                total += one_##NAME(s + i * (BYTES)) * x[i];                                                 \
            y[r] += total;                                                                                   \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    DOT_PASS(NAME, BYTES, 2, 4)                                                                              \
    DOT_PASS(NAME, BYTES, 3, 3)                                                                              \
    DOT_PASS(NAME, BYTES, 4, 3)                                                                              \
    DOT_PASS(NAME, BYTES, 5, 2)                                                                              \
    DOT_PASS(NAME, BYTES, 6, 2)                                                                              \
    DOT_PASS(NAME, BYTES, 7, 1)                                                                              \
    DOT_PASS(NAME, BYTES, 8, 1)                                                                              \
                                                                                                             \
    static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const real *x,          \
                           size_t x_stride, size_t m, real *y, size_t y_stride)                              \
    {                                                                                                        \
        static void (*const passes[ROWS_MAX])(bool, const uint8_t *, size_t, size_t, size_t, const real *,   \
                                              size_t, real *, size_t) = {                                    \
            dot_1_##NAME, dot_2_##NAME, dot_3_##NAME, dot_4_##NAME,                                          \
            dot_5_##NAME, dot_6_##NAME, dot_7_##NAME, dot_8_##NAME};                                         \
        size_t n_pieces = m <= 2 ? 1 : (k + DEPTH_MAX - 1) / DEPTH_MAX,                                      \
               piece = n_pieces ? (k / n_pieces + 7) & ~7 : 0;                                               \
        for (size_t row = 0, n; row < m; row += n) {                                                         \
            size_t n_passes = (m - row + ROWS_MAX - 1) / ROWS_MAX;                                           \
            n = (m - row + n_passes - 1) / n_passes;                                                         \
            for (size_t at = 0; at < k; at += piece)                                                         \
                passes[n - 1](row == 0, s + at * (BYTES), stride, n_rows, k - at < piece ? k - at : piece,   \
                              x + row * x_stride + at, x_stride, y + row * y_stride, y_stride);              \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    /* One or two rows of x against stored rows in the order of memory. */                                   \
    INLINE void stream_##NAME(size_t M, const uint8_t *s, size_t stride, size_t k, size_t n, const real *x,  \
                              size_t x_stride, real *y, size_t y_stride)                                     \
    {                                                                                                        \
        for (size_t i = 0; i < k; i++, s += stride) {                                                        \
            __m256 a[2];                                                                                     \
            size_t c = 0;                                                                                    \
            UNROLL for (size_t j = 0; j < M; j++) a[j] = _mm256_set1_ps(x[j * x_stride + i]);                \
            for (; c + 8 <= n; c += 8) {                                                                     \
                __m256 row = load_##NAME(s + c * (BYTES));                                                   \
                if (c % (64 / (BYTES)) == 0)                                                                 \
                    fetch_ahead(s + c * (BYTES), 4 * stride);                                                \
                UNROLL for (size_t j = 0; j < M; j++)                                                        \
                {                                                                                            \
                    real *to = y + j * y_stride + c;                                                         \
                    _mm256_storeu_ps(to, _mm256_fmadd_ps(a[j], row, _mm256_loadu_ps(to)));                   \
                }                                                                                            \
            }                                                                                                \
            for (; c < n; c++)                                                                               \
                for (size_t j = 0; j < M; j++)                                                               \
                    y[j * y_stride + c] += x[j * x_stride + i] * one_##NAME(s + c * (BYTES));                \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    INLINE void axpy_block_##NAME(size_t M, size_t V, bool fetch, const uint8_t *s, size_t stride, size_t k, \
                                  const real *x, size_t x_stride, real *y, size_t y_stride)                  \
    {                                                                                                        \
        __m256 sum[4 * 3], row[3];                                                                           \
        UNROLL for (size_t j = 0; j < M; j++) UNROLL for (size_t v = 0; v < V; v++) sum[j * V + v] =         \
            _mm256_loadu_ps(y + j * y_stride + 8 * v);                                                       \
        for (size_t i = 0; i < k; i++, s += stride) {                                                        \
            if (fetch)                                                                                       \
                fetch_ahead(s, STEPS *stride);                                                               \
            UNROLL for (size_t v = 0; v < V; v++) row[v] = load_##NAME(s + 8 * v * (BYTES));                 \
            UNROLL for (size_t j = 0; j < M; j++)                                                            \
            {                                                                                                \
                __m256 a = _mm256_broadcast_ss(x + j * x_stride + i);                                        \
                UNROLL for (size_t v = 0; v < V; v++) sum[j * V + v] =                                       \
                    _mm256_fmadd_ps(a, row[v], sum[j * V + v]);                                              \
            }                                                                                                \
        }                                                                                                    \
        UNROLL for (size_t j = 0; j < M; j++) UNROLL for (size_t v = 0; v < V; v++)                          \
            _mm256_storeu_ps(y + j * y_stride + 8 * v, sum[j * V + v]);                                      \
    }                                                                                                        \
                                                                                                             \
    AXPY_PASS(NAME, BYTES, 1)                                                                                \
    AXPY_PASS(NAME, BYTES, 2)                                                                                \
    AXPY_PASS(NAME, BYTES, 3)                                                                                \
    AXPY_PASS(NAME, BYTES, 4)                                                                                \
                                                                                                             \
    AVX2 static void axpy_##NAME(const uint8_t *s, size_t stride, size_t k, size_t n, const real *x,         \
                                 size_t x_stride, size_t m, real *y, size_t y_stride)                        \
    {                                                                                                        \
        static void (*const passes[4])(bool, const uint8_t *, size_t, size_t, size_t, const real *, size_t,  \
                                       real *, size_t) = {axpy_1_##NAME, axpy_2_##NAME, axpy_3_##NAME,       \
                                                          axpy_4_##NAME};                                    \
        if (m == 1)                                                                                          \
            stream_##NAME(1, s, stride, k, n, x, x_stride, y, y_stride);                                     \
        if (m == 2)                                                                                          \
            stream_##NAME(2, s, stride, k, n, x, x_stride, y, y_stride);                                     \
        for (size_t at = 0; at < k && m > 2; at += STEPS) {                                                  \
            size_t steps = k - at < STEPS ? k - at : STEPS;                                                  \
            for (size_t row = 0, n_rows; row < m; row += n_rows) {                                           \
                size_t n_passes = (m - row + 3) / 4;                                                         \
                n_rows = (m - row + n_passes - 1) / n_passes;                                                \
                passes[n_rows - 1](row == 0, s + at * stride, stride, steps, n, x + row * x_stride + at,     \
                                   x_stride, y + row * y_stride, y_stride);                                  \
            }                                                                                                \
        }                                                                                                    \
    }

/* All stored rows of a task against M rows of x, R at a time. The first pass fetches what it will need AHEAD
 * bytes later. */
#define DOT_PASS(NAME, BYTES, M, R)                                                                          \
    AVX2 static void dot_##M##_##NAME(bool fetch, const uint8_t *s, size_t stride, size_t n_rows, size_t k,  \
                                      const real *x, size_t x_stride, real *y, size_t y_stride)              \
    {                                                                                                        \
        size_t r = 0, ahead = fetch ? (AHEAD / ((R)*k * (BYTES) + 1) + 1) * (R)*stride : 0;                  \
        for (; r + (R) <= n_rows; r += (R))                                                                  \
            dot_block_##NAME(R, M, ahead, s + r * stride, stride, k, x, x_stride, y + r, y_stride);          \
        for (; r < n_rows; r++)                                                                              \
            dot_block_##NAME(1, M, 0, s + r * stride, stride, k, x, x_stride, y + r, y_stride);              \
    }

/* All columns of a task for M rows of y. */
#define AXPY_PASS(NAME, BYTES, M)                                                                            \
    AVX2 static void axpy_##M##_##NAME(bool fetch, const uint8_t *s, size_t stride, size_t k, size_t n,      \
                                       const real *x, size_t x_stride, real *y, size_t y_stride)             \
    {                                                                                                        \
        size_t c = 0;                                                                                        \
        if (fetch)                                                                                           \
            for (; c + 24 <= n; c += 24)                                                                     \
                axpy_block_##NAME(M, 3, true, s + c * (BYTES), stride, k, x, x_stride, y + c, y_stride);     \
        for (; c + 24 <= n; c += 24)                                                                         \
            axpy_block_##NAME(M, 3, false, s + c * (BYTES), stride, k, x, x_stride, y + c, y_stride);        \
        if (c + 16 <= n) {                                                                                   \
            axpy_block_##NAME(M, 2, true, s + c * (BYTES), stride, k, x, x_stride, y + c, y_stride);         \
            c += 16;                                                                                         \
        }                                                                                                    \
        if (c + 8 <= n) {                                                                                    \
            axpy_block_##NAME(M, 1, true, s + c * (BYTES), stride, k, x, x_stride, y + c, y_stride);         \
            c += 8;                                                                                          \
        }                                                                                                    \
        for (; c < n; c++)                                                                                   \
            for (size_t j = 0; j < M; j++) {                                                                 \
                float sum = y[j * y_stride + c];                                                             \
                for (size_t i = 0; i < k; i++)                                                               \
                    sum += x[j * x_stride + i] * one_##NAME(s + i * stride + c * (BYTES));                   \
                y[j * y_stride + c] = sum;                                                                   \
            }                                                                                                \
    }

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

TYPE_LOOPS(f32, 4)
TYPE_LOOPS(bf16, 2)
TYPE_LOOPS(f16, 2)

static const struct kernels avx2 = {
    .name = "avx2",
    .widen = {widen_f32, widen_bf16, widen_f16, widen_f32},
    .dot = {dot_f32, dot_bf16, dot_f16, dot_f32},
    .axpy = {axpy_f32, axpy_bf16, axpy_f16, axpy_f32},
};

/* clang 14 knows no name for F16C, and cpuid costs microseconds in a virtual machine: it is asked once. */
static bool has_f16c(void)
{
    static atomic_int answer; /* 0: not asked yet */
    unsigned eax, ebx, ecx, edx;

    if (!answer)
        answer = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C) ? 1 : -1;
    return answer > 0;
}

const struct kernels *kernels_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() ? &avx2 : NULL;
}

#else

const struct kernels *kernels_avx2(void)
{
    return NULL;
}

#endif
