#include "row_kernels.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,f16c")))
#define INLINE static inline __attribute__((always_inline)) AVX2

/* What is left behind the last whole vector, and values that the vector loops leave alone. */
static const struct row_kernels *const rest = &row_kernels_portable;

/* ---- to doubles ---- */

INLINE void store_wide(double *dst, __m256 eight)
{
    _mm256_storeu_pd(dst, _mm256_cvtps_pd(_mm256_castps256_ps128(eight)));
    _mm256_storeu_pd(dst + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(eight, 1)));
}

AVX2 static void widen_f32(const void *src, size_t n, double *dst)
{
    const float *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        store_wide(dst + i, _mm256_loadu_ps(p + i));
    rest->widen[ROW_F32](p + i, n - i, dst + i);
}

AVX2 static void widen_bf16(const void *src, size_t n, double *dst)
{
    const uint8_t *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m128i bits = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i));
        store_wide(dst + i, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
    }
    rest->widen[ROW_BF16](p + 2 * i, n - i, dst + i);
}

AVX2 static void widen_f16(const void *src, size_t n, double *dst)
{
    const uint8_t *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        store_wide(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i))));
    rest->widen[ROW_F16](p + 2 * i, n - i, dst + i);
}

/* ---- from doubles ---- */

INLINE __m256 join(__m128 low, __m128 high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

AVX2 static void narrow_f32(const double *src, size_t n, void *dst)
{
    float *p = dst;
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        _mm_storeu_ps(p + i, _mm256_cvtpd_ps(_mm256_loadu_pd(src + i)));
    rest->narrow[ROW_F32](src + i, n - i, p + i);
}

/* Rounded to nearest even at the last bit that a normal BF16 keeps, in the bits of the double: the conversion
 * to f32 is then exact (or overflows, as it should). */
INLINE __m128 round_bf16(__m256d x)
{
    const __m256i below = _mm256_set1_epi64x((1LL << 44) - 1), one = _mm256_set1_epi64x(1),
                  kept = _mm256_set1_epi64x(-(1LL << 45));
    __m256i bits = _mm256_castpd_si256(x), odd = _mm256_and_si256(_mm256_srli_epi64(bits, 45), one),
            sum = _mm256_add_epi64(_mm256_add_epi64(bits, below), odd);

    return _mm256_cvtpd_ps(_mm256_castsi256_pd(_mm256_and_si256(sum, kept)));
}

/* Bits are left in the lower half of an f32 only where the BF16 is subnormal and has fewer bits than were
 * kept: that, and NaN, is done again one by one. */
AVX2 static void narrow_bf16(const double *src, size_t n, void *dst)
{
    const __m256i lower = _mm256_set1_epi32(0xffff);
    uint8_t *p = dst;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256d low = _mm256_loadu_pd(src + i), high = _mm256_loadu_pd(src + i + 4);
        __m256i bits = _mm256_castps_si256(join(round_bf16(low), round_bf16(high))), packed;
        if (!_mm256_testz_si256(bits, lower) || _mm256_movemask_pd(_mm256_cmp_pd(low, high, _CMP_UNORD_Q))) {
            rest->narrow[ROW_BF16](src + i, 8, p + 2 * i);
            continue;
        }
        bits = _mm256_srli_epi32(bits, 16);
        packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(bits, bits), 0x08);
        _mm_storeu_si128((__m128i *)(void *)(p + 2 * i), _mm256_castsi256_si128(packed));
    }
    rest->narrow[ROW_BF16](src + i, n - i, p + 2 * i);
}

/* Cut to the 24 bits of an f32, the last one set if anything was cut off ("to odd"): what F16C then rounds to
 * nearest is rounded as if at once, since an f32 has more than two bits more than an f16. */
INLINE __m128 to_odd(__m256d x)
{
    const __m256i below = _mm256_set1_epi64x((1LL << 29) - 1), last = _mm256_set1_epi64x(1LL << 29);
    __m256i bits = _mm256_castpd_si256(x), cut = _mm256_and_si256(bits, below),
            sticky = _mm256_and_si256(_mm256_add_epi64(cut, below), last);

    return _mm256_cvtpd_ps(_mm256_castsi256_pd(_mm256_or_si256(_mm256_andnot_si256(below, bits), sticky)));
}

AVX2 static void narrow_f16(const double *src, size_t n, void *dst)
{
    uint8_t *p = dst;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 odd = join(to_odd(_mm256_loadu_pd(src + i)), to_odd(_mm256_loadu_pd(src + i + 4)));
        _mm_storeu_si128((__m128i *)(void *)(p + 2 * i),
                         _mm256_cvtps_ph(odd, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    rest->narrow[ROW_F16](src + i, n - i, p + 2 * i);
}

/* ---- combining ---- */

AVX2 static void scale(double a, const double *x, size_t n, double *out)
{
    const __m256d factor = _mm256_set1_pd(a);
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        _mm256_storeu_pd(out + i, _mm256_mul_pd(factor, _mm256_loadu_pd(x + i)));
    rest->scale(a, x + i, n - i, out + i);
}

AVX2 static void combine(double a, const double *x, double b, const double *y, size_t n, double *out)
{
    const __m256d of_x = _mm256_set1_pd(a), of_y = _mm256_set1_pd(b);
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        _mm256_storeu_pd(out + i, _mm256_add_pd(_mm256_mul_pd(of_x, _mm256_loadu_pd(x + i)),
                                                _mm256_mul_pd(of_y, _mm256_loadu_pd(y + i))));
    rest->combine(a, x + i, b, y + i, n - i, out + i);
}

AVX2 static void add_scaled(double a, const double *x, size_t n, double *out)
{
    const __m256d factor = _mm256_set1_pd(a);
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        _mm256_storeu_pd(
            out + i, _mm256_add_pd(_mm256_loadu_pd(out + i), _mm256_mul_pd(factor, _mm256_loadu_pd(x + i))));
    rest->add_scaled(a, x + i, n - i, out + i);
}

AVX2 static void add_difference(double a, const double *x, const double *y, size_t n, double *out)
{
    const __m256d factor = _mm256_set1_pd(a);
    size_t i = 0;

    for (; i + 4 <= n; i += 4) {
        __m256d d = _mm256_sub_pd(_mm256_loadu_pd(x + i), _mm256_loadu_pd(y + i));
        _mm256_storeu_pd(out + i, _mm256_add_pd(_mm256_loadu_pd(out + i), _mm256_mul_pd(factor, d)));
    }
    rest->add_difference(a, x + i, y + i, n - i, out + i);
}

AVX2 static void divide(double a, size_t n, double *out)
{
    const __m256d divisor = _mm256_set1_pd(a);
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        _mm256_storeu_pd(out + i, _mm256_div_pd(_mm256_loadu_pd(out + i), divisor));
    rest->divide(a, n - i, out + i);
}

/* ---- sums ----
 *
 * VECTORS registers of four lanes; the last elements of a row go to the first lanes. */
enum { VECTORS = ROW_LANES / 4 };

INLINE double lanes_sum(const __m256d *sum, const double *last, size_t n)
{
    double lane[ROW_LANES];

    for (size_t v = 0; v < VECTORS; v++)
        _mm256_storeu_pd(lane + 4 * v, sum[v]);
    for (size_t i = 0; i < n; i++)
        lane[i] += last[i];
    return row_lanes_sum(lane);
}

#define EACH_VECTOR _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++)

AVX2 static double squares(const double *x, size_t n)
{
    __m256d sum[VECTORS] = {0};
    double last[ROW_LANES];
    size_t i = 0;

    for (; i + ROW_LANES <= n; i += ROW_LANES)
        EACH_VECTOR
        {
            __m256d a = _mm256_loadu_pd(x + i + 4 * v);
            sum[v] = _mm256_add_pd(sum[v], _mm256_mul_pd(a, a));
        }
    for (size_t j = 0; j < n - i; j++)
        last[j] = x[i + j] * x[i + j];
    return lanes_sum(sum, last, n - i);
}

AVX2 static void add_distance(const double *x, const double *y, size_t n, double *sums)
{
    __m256d square[VECTORS] = {0}, distance[VECTORS] = {0};
    double last[2][ROW_LANES];
    size_t i = 0;

    for (; i + ROW_LANES <= n; i += ROW_LANES)
        EACH_VECTOR
        {
            __m256d b = _mm256_loadu_pd(y + i + 4 * v), d = _mm256_sub_pd(_mm256_loadu_pd(x + i + 4 * v), b);
            square[v] = _mm256_add_pd(square[v], _mm256_mul_pd(b, b));
            distance[v] = _mm256_add_pd(distance[v], _mm256_mul_pd(d, d));
        }
    for (size_t j = 0; j < n - i; j++) {
        double d = x[i + j] - y[i + j];
        last[0][j] = y[i + j] * y[i + j];
        last[1][j] = d * d;
    }
    sums[0] += lanes_sum(square, last[0], n - i);
    sums[1] += lanes_sum(distance, last[1], n - i);
}

AVX2 static void add_products(const double *x, const double *y, size_t n, double *sums)
{
    __m256d xx[VECTORS] = {0}, yy[VECTORS] = {0}, xy[VECTORS] = {0};
    double last[3][ROW_LANES];
    size_t i = 0;

    for (; i + ROW_LANES <= n; i += ROW_LANES)
        EACH_VECTOR
        {
            __m256d a = _mm256_loadu_pd(x + i + 4 * v), b = _mm256_loadu_pd(y + i + 4 * v);
            xx[v] = _mm256_add_pd(xx[v], _mm256_mul_pd(a, a));
            yy[v] = _mm256_add_pd(yy[v], _mm256_mul_pd(b, b));
            xy[v] = _mm256_add_pd(xy[v], _mm256_mul_pd(a, b));
        }
    for (size_t j = 0; j < n - i; j++) {
        last[0][j] = x[i + j] * x[i + j];
        last[1][j] = y[i + j] * y[i + j];
        last[2][j] = x[i + j] * y[i + j];
    }
    sums[0] += lanes_sum(xx, last[0], n - i);
    sums[1] += lanes_sum(yy, last[1], n - i);
    sums[2] += lanes_sum(xy, last[2], n - i);
}

static const struct row_kernels avx2 = {
    .name = "avx2",
    .widen = {widen_f32, widen_bf16, widen_f16},
    .narrow = {narrow_f32, narrow_bf16, narrow_f16},
    .scale = scale,
    .combine = combine,
    .add_scaled = add_scaled,
    .add_difference = add_difference,
    .divide = divide,
    .squares = squares,
    .add_distance = add_distance,
    .add_products = add_products,
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

const struct row_kernels *row_kernels_avx2(void)
{
    return __builtin_cpu_supports("avx2") && has_f16c() ? &avx2 : NULL;
}

#else

const struct row_kernels *row_kernels_avx2(void)
{
    return NULL;
}

#endif
