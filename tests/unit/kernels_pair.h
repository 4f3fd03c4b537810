/* The loops over vectors of 16 numbers, as AVX-512 has them, with each vector a pair of AVX2's: so that a
 * processor without AVX-512 proves all of them but its instructions. */
#ifndef LANCET_KERNELS_PAIR_H
#define LANCET_KERNELS_PAIR_H

#include "kernels.h"

#if defined(__x86_64__) && !defined(LANCET_REAL_DOUBLE)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define VEC struct vec_pair
#define TABLE "pair"
#define BYTE_UNIT 1.0f

struct vec_pair {
    __m256 a, b;
};

enum { LANES = 16 };

INLINE VEC vec_zero(void)
{
    return (VEC){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE VEC vec_all(float value)
{
    return (VEC){_mm256_set1_ps(value), _mm256_set1_ps(value)};
}

INLINE VEC vec_load(const void *p)
{
    return (VEC){_mm256_loadu_ps(p), _mm256_loadu_ps((const float *)p + 8)};
}

INLINE void vec_store(float *p, VEC x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

INLINE VEC vec_add(VEC x, VEC y)
{
    return (VEC){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

INLINE VEC vec_mul(VEC x, VEC y)
{
    return (VEC){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

INLINE VEC vec_fma(VEC x, VEC y, VEC z)
{
    return (VEC){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

INLINE float vec_sum(VEC x)
{
    float lane[8], sum = 0;

    _mm256_storeu_ps(lane, _mm256_add_ps(x.a, x.b));
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

INLINE __m256 half_of_bf16(const uint16_t *p)
{
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), 16));
}

INLINE VEC vec_of_bf16(const void *p)
{
    return (VEC){half_of_bf16(p), half_of_bf16((const uint16_t *)p + 8)};
}

INLINE VEC vec_of_f16(const void *p)
{
    const __m128i *eight = p;

    return (VEC){_mm256_cvtph_ps(_mm_loadu_si128(eight)), _mm256_cvtph_ps(_mm_loadu_si128(eight + 1))};
}

INLINE VEC vec_of_bytes(__m256i q, size_t v)
{
    (void)v;
    return (VEC){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm256_castsi256_si128(q))),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(_mm256_castsi256_si128(q), 8)))};
}

#include "kernels_tmpl.c"

static const struct kernels *kernels_pair(void)
{
    return kernels_avx2() ? &table : NULL;
}

#else

static const struct kernels *kernels_pair(void)
{
    return NULL;
}

#endif
#endif
