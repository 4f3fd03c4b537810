#include "kernels.h"

#if defined(__x86_64__) && !defined(LANCET_REAL_DOUBLE)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define VEC __m512
#define MM(NAME) _mm512_##NAME
#define TABLE "avx512"
#define BYTE_UNIT 1.0f

enum { LANES = 16 };

INLINE float vec_sum(VEC a)
{
    __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), upper);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE VEC vec_of_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

INLINE VEC vec_of_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

INLINE VEC vec_of_bytes(__m256i q, size_t v)
{
    (void)v;
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(q)));
}

#include "kernels_tmpl.c"

/* Whether the system keeps the 512 bits of registers is part of what is asked of AVX-512. */
const struct kernels *kernels_avx512(void)
{
    return kernels_avx2() && __builtin_cpu_supports("avx512f") ? &table : NULL;
}

#else

const struct kernels *kernels_avx512(void)
{
    return NULL;
}

#endif
