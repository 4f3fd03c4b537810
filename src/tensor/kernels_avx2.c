#include "kernels.h"

#if defined(__x86_64__) && !defined(LANCET_REAL_DOUBLE)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define VEC __m256
#define MM(NAME) _mm256_##NAME
#define TABLE "avx2"
#define BYTE_UNIT 0x1p24f

enum { LANES = 8 };

INLINE float vec_sum(VEC a)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE VEC vec_of_bf16(const void *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}

INLINE VEC vec_of_f16(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

/* Each byte becomes the highest of four, whose sign is its own. */
INLINE VEC vec_of_bytes(__m256i q, size_t v)
{
    const __m256i first = _mm256_setr_epi32(0x00808080, 0x01808080, 0x02808080, 0x03808080, 0x04808080,
                                            0x05808080, 0x06808080, 0x07808080),
                  second = _mm256_add_epi32(first, _mm256_set1_epi32(0x08000000));

    return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(q, v ? second : first));
}

#include "kernels_tmpl.c"

/* clang 14 knows no name for F16C, and cpuid costs microseconds in a virtual machine: it is asked once. */
static bool has_f16c(void)
{
    static atomic_int answer; /* 0: not asked yet */
    unsigned eax, ebx, ecx, edx;

    if (!answer)
        answer = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C) ? 1 : -1;
    return answer > 0;
}

/* Whether the system keeps the upper halves of registers is part of what is asked of AVX2. */
const struct kernels *kernels_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() ? &table : NULL;
}

#else

const struct kernels *kernels_avx2(void)
{
    return NULL;
}

#endif
