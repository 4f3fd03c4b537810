/* Blocks of quantised types in registers, for the tables of x86: their scales as floats, and 32 elements as
 * signed bytes q. An element is step * q (+ least). The layouts are those of quant_simple.c, quant_k.c and
 * quant_iq.c, which say what the bits mean. */
#ifndef LANCET_QUANT_VECTORS_H
#define LANCET_QUANT_VECTORS_H

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#include "quant.h"
#include "quant_load.h"

#define QUANT_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

enum { QUANT_MOST_SCALES = 16 };

QUANT_INLINE float quant_half(const uint8_t *p)
{
    return _cvtsh_ss(load_u16(p));
}

/* The same 16 bytes in both halves of a register. */
QUANT_INLINE __m256i sixteen(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* `bits` bits of each byte, from bit `shift` on. */
QUANT_INLINE __m256i bits_of(__m256i bytes, int shift, int bits)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, shift), _mm256_set1_epi8((char)((1 << bits) - 1)));
}

/* 16 bytes: 32 nibbles, the low ones first. */
QUANT_INLINE void nibbles(const uint8_t *p, __m256i q[2])
{
    __m256i bytes = sixteen(p);

    q[0] = bits_of(bytes, 0, 4);
    q[1] = bits_of(bytes, 4, 4);
}

QUANT_INLINE void add_to_both(__m256i q[2], int n)
{
    q[0] = _mm256_add_epi8(q[0], _mm256_set1_epi8((char)n));
    q[1] = _mm256_add_epi8(q[1], _mm256_set1_epi8((char)n));
}

QUANT_INLINE void look_up(__m256i q[2], const int8_t *values)
{
    __m256i table = sixteen((const uint8_t *)values);

    q[0] = _mm256_shuffle_epi8(table, q[0]);
    q[1] = _mm256_shuffle_epi8(table, q[1]);
}

/* ---- blocks of 32 ---- */

QUANT_INLINE void q4_0_scales(const uint8_t *block, float *step, float *least)
{
    (void)least;
    step[0] = quant_half(block);
}

QUANT_INLINE void q4_0_group(const uint8_t *block, size_t g, __m256i q[2])
{
    (void)g;
    nibbles(block + 2, q);
    add_to_both(q, -8);
}

QUANT_INLINE void q4_1_scales(const uint8_t *block, float *step, float *least)
{
    step[0] = quant_half(block);
    least[0] = quant_half(block + 2);
}

QUANT_INLINE void q4_1_group(const uint8_t *block, size_t g, __m256i q[2])
{
    (void)g;
    nibbles(block + 4, q);
}

/* 32 bytes that are -1 where the bit is set. */
QUANT_INLINE void spread(const uint8_t *bits, __m256i out[2])
{
    const __m256i bit_of = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201)),
                  first = _mm256_set_epi64x(0x0101010101010101, 0, 0x0101010101010101, 0),
                  second = _mm256_add_epi8(first, _mm256_set1_epi8(2));
    __m256i four = _mm256_set1_epi32((int)load_u32(bits));

    out[0] = _mm256_and_si256(_mm256_shuffle_epi8(four, first), bit_of);
    out[1] = _mm256_and_si256(_mm256_shuffle_epi8(four, second), bit_of);
    out[0] = _mm256_cmpeq_epi8(out[0], bit_of);
    out[1] = _mm256_cmpeq_epi8(out[1], bit_of);
}

#define q5_0_scales q4_0_scales
#define q5_1_scales q4_1_scales

/* With a fifth bit of 0, q - 16 is the nibble with all upper bits set. */
QUANT_INLINE void q5_0_group(const uint8_t *block, size_t g, __m256i q[2])
{
    const __m256i upper = _mm256_set1_epi8((char)0xf0);
    __m256i set[2];

    (void)g;
    nibbles(block + 6, q);
    spread(block + 2, set);
    q[0] = _mm256_or_si256(q[0], _mm256_andnot_si256(set[0], upper));
    q[1] = _mm256_or_si256(q[1], _mm256_andnot_si256(set[1], upper));
}

QUANT_INLINE void q5_1_group(const uint8_t *block, size_t g, __m256i q[2])
{
    const __m256i fifth = _mm256_set1_epi8(16);
    __m256i set[2];

    (void)g;
    nibbles(block + 8, q);
    spread(block + 4, set);
    q[0] = _mm256_or_si256(q[0], _mm256_and_si256(set[0], fifth));
    q[1] = _mm256_or_si256(q[1], _mm256_and_si256(set[1], fifth));
}

#define q8_0_scales q4_0_scales

QUANT_INLINE void q8_0_group(const uint8_t *block, size_t g, __m256i q[2])
{
    (void)g;
    q[0] = sixteen(block + 2);
    q[1] = sixteen(block + 18);
}

#define iq4_nl_scales q4_0_scales

QUANT_INLINE void iq4_nl_group(const uint8_t *block, size_t g, __m256i q[2])
{
    (void)g;
    nibbles(block + 2, q);
    look_up(q, quant_iq4_values);
}

/* ---- blocks of 256 ---- */

/* Eight signed bytes times a scale. */
QUANT_INLINE void eight_scales(float d, __m128i bytes, float *out)
{
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_set1_ps(d), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))));
}

QUANT_INLINE void sixteen_scales(float d, __m128i bytes, float *out)
{
    eight_scales(d, bytes, out);
    eight_scales(d, _mm_srli_si128(bytes, 8), out + 8);
}

/* 6 bits each of 8 scales and 8 minima in 12 bytes. */
QUANT_INLINE void q4_k_scales(const uint8_t *block, float *step, float *least)
{
    const uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x03030303;
    uint32_t a = load_u32(block + 4), b = load_u32(block + 8), c = load_u32(block + 12);

    eight_scales(quant_half(block),
                 _mm_setr_epi32((int)(a & six), (int)((c & four) | (a >> 6 & two) << 4), 0, 0), step);
    eight_scales(-quant_half(block + 2),
                 _mm_setr_epi32((int)(b & six), (int)((c >> 4 & four) | (b >> 6 & two) << 4), 0, 0), least);
}

/* Two groups share 32 bytes, the low nibbles being the first. */
QUANT_INLINE void q4_k_group(const uint8_t *block, size_t g, __m256i q[2])
{
    const uint8_t *p = block + 16 + 32 * (g / 2);

    q[0] = bits_of(sixteen(p), 4 * (int)(g % 2), 4);
    q[1] = bits_of(sixteen(p + 16), 4 * (int)(g % 2), 4);
}

#define q5_k_scales q4_k_scales

QUANT_INLINE __m256i bit_times(__m256i bytes, size_t bit, int value)
{
    const __m256i mask = _mm256_set1_epi8((char)(1 << bit));

    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(bytes, mask), mask),
                            _mm256_set1_epi8((char)value));
}

QUANT_INLINE void q5_k_group(const uint8_t *block, size_t g, __m256i q[2])
{
    q4_k_group(block + 32, g, q);
    q[0] = _mm256_or_si256(q[0], bit_times(sixteen(block + 16), g, 16));
    q[1] = _mm256_or_si256(q[1], bit_times(sixteen(block + 32), g, 16));
}

/* Group g of the pairs of bits that 32 bytes hold for each half of a block. */
QUANT_INLINE void pairs(const uint8_t *p, size_t g, __m256i q[2])
{
    q[0] = bits_of(sixteen(p + 32 * (g / 4)), 2 * (int)(g % 4), 2);
    q[1] = bits_of(sixteen(p + 32 * (g / 4) + 16), 2 * (int)(g % 4), 2);
}

QUANT_INLINE void q2_k_scales(const uint8_t *block, float *step, float *least)
{
    sixteen_scales(quant_half(block + 80), _mm256_castsi256_si128(bits_of(sixteen(block), 0, 4)), step);
    sixteen_scales(-quant_half(block + 82), _mm256_castsi256_si128(bits_of(sixteen(block), 4, 4)), least);
}

QUANT_INLINE void q2_k_group(const uint8_t *block, size_t g, __m256i q[2])
{
    pairs(block + 16, g, q);
}

/* 4 low bits of scales in the nibbles of 8 bytes, 2 high bits in 4 bytes. */
QUANT_INLINE void q3_k_scales(const uint8_t *block, float *step, float *least)
{
    const uint32_t four = 0x0f0f0f0f, two = 0x03030303;
    uint32_t a = load_u32(block + 96), b = load_u32(block + 100), high = load_u32(block + 104);
    __m128i six = _mm_setr_epi32(
        (int)((a & four) | (high & two) << 4), (int)((b & four) | (high >> 2 & two) << 4),
        (int)((a >> 4 & four) | (high >> 4 & two) << 4), (int)((b >> 4 & four) | (high >> 6 & two) << 4));

    (void)least;
    sixteen_scales(quant_half(block + 108), _mm_sub_epi8(six, _mm_set1_epi8(32)), step);
}

QUANT_INLINE void q3_k_group(const uint8_t *block, size_t g, __m256i q[2])
{
    pairs(block + 32, g, q);
    q[0] = _mm256_or_si256(q[0], bit_times(sixteen(block), g, 4));
    q[1] = _mm256_or_si256(q[1], bit_times(sixteen(block + 16), g, 4));
    add_to_both(q, -4);
}

QUANT_INLINE void q6_k_scales(const uint8_t *block, float *step, float *least)
{
    (void)least;
    sixteen_scales(quant_half(block + 208), _mm256_castsi256_si128(sixteen(block + 192)), step);
}

/* Low nibbles of the first 64 elements of a half, then the high ones; two bits more on top. */
QUANT_INLINE void q6_k_group(const uint8_t *block, size_t g, __m256i q[2])
{
    const uint8_t *low = block + 64 * (g / 4) + 32 * (g % 2);
    int shift = 4 * (int)(g % 4 / 2);

    pairs(block + 128, g, q);
    q[0] = _mm256_or_si256(_mm256_slli_epi16(q[0], 4), bits_of(sixteen(low), shift, 4));
    q[1] = _mm256_or_si256(_mm256_slli_epi16(q[1], 4), bits_of(sixteen(low + 16), shift, 4));
    add_to_both(q, -32);
}

QUANT_INLINE void iq4_xs_scales(const uint8_t *block, float *step, float *least)
{
    uint16_t high = load_u16(block + 2);
    float d = quant_half(block);

    (void)least;
    for (size_t b = 0; b < 8; b++)
        step[b] = d * (float)(((block[4 + b / 2] >> 4 * (b % 2) & 15) | (high >> 2 * b & 3) << 4) - 32);
}

QUANT_INLINE void iq4_xs_group(const uint8_t *block, size_t g, __m256i q[2])
{
    nibbles(block + 8 + 16 * g, q);
    look_up(q, quant_iq4_values);
}

#endif
#endif
