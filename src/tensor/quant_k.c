/* Blocks of 256 elements with scales of their own for 16 or 32 elements each; d and dmin are F16:
 *
 *     Q2_K    16 scales (4 bits; 4 bits of minimum), 64 bytes of q (2 bits), d, dmin    x = d sc q - dmin mn
 *     Q3_K    32 bytes of high bits, 64 bytes of 2 bits, 12 bytes of scales (6 bits), d x = d (sc - 32) (q -
 * 4) Q4_K    d, dmin, 12 bytes of scales and minima (6 bits), 128 bytes of nibbles     x = d sc q - dmin mn
 *     Q5_K    d, dmin, 12 bytes, 32 bytes of fifth bits, 128 bytes of nibbles           x = d sc q - dmin mn
 *     Q6_K    128 bytes of nibbles, 64 bytes of 2 high bits, 16 scales (i8), d          x = d sc (q - 32)
 *     Q8_K    d (F32), 256 i8, 16 sums (i16)                                            x = d q
 *     TQ1_0   48 bytes of 5 trits, 4 bytes of 4 trits, d                                x = d (t - 1)
 *     TQ2_0   64 bytes of 2 bits, d                                                     x = d (q - 1)
 *
 * Pairs of bits: byte l of 32 holds elements l, l + 32, l + 64, l + 96 of its 128, from the lowest bits up.
 * Source: ggml-quants.c and the gguf package 0.19 (quants.py); Q8_K: ggml alone. */
#include "quant.h"

#include "quant_load.h"

enum { BLOCK = 256, LANE = 32 };

void q2_k_read(const uint8_t *block, float *out)
{
    const uint8_t *scales = block, *qs = block + 16;
    float d = load_half(block + 80), dmin = load_half(block + 82);

    for (int i = 0; i < BLOCK; i++) {
        int half = i / 128, lane = i % 128 / LANE;
        uint8_t scale = scales[i / 16];
        float q = (float)(qs[LANE * half + i % LANE] >> 2 * lane & 3);

        out[i] = d * (float)(scale & 15) * q - dmin * (float)(scale >> 4);
    }
}

/* Scale k of 16: 4 low bits in the nibbles of 8 bytes, 2 high bits in 4 bytes. */
static int q3_k_scale(const uint8_t *scales, int k)
{
    int low = k < 8 ? scales[k] & 15 : scales[k - 8] >> 4, high = scales[8 + k % 4] >> 2 * (k / 4) & 3;

    return (low | high << 4) - 32;
}

void q3_k_read(const uint8_t *block, float *out)
{
    const uint8_t *high = block, *qs = block + 32, *scales = block + 96;
    float d = load_half(block + 108);

    for (int i = 0; i < BLOCK; i++) {
        int half = i / 128, lane = i % 128 / LANE, l = i % LANE;
        int q = (qs[LANE * half + l] >> 2 * lane & 3) - (high[l] >> i / LANE & 1 ? 0 : 4);

        out[i] = d * (float)q3_k_scale(scales, i / 16) * (float)q;
    }
}

/* Scale and minimum j of 8, 6 bits each. */
static void q4_k_scale(const uint8_t *s, int j, int *scale, int *minimum)
{
    *scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    *minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
}

/* Nibbles, and fifth bits on top where there are any. */
static void q4_or_q5_k(const uint8_t *block, const uint8_t *fifth, const uint8_t *qs, float *out)
{
    float d = load_half(block), dmin = load_half(block + 2);

    for (int j = 0; j < BLOCK / LANE; j++) {
        int scale, minimum;

        q4_k_scale(block + 4, j, &scale, &minimum);
        float step = d * (float)scale, least = dmin * (float)minimum;
        for (int l = 0; l < LANE; l++) {
            int q = qs[LANE * (j / 2) + l] >> 4 * (j % 2) & 15;

            if (fifth)
                q |= (fifth[l] >> j & 1) << 4;
            out[LANE * j + l] = step * (float)q - least;
        }
    }
}

void q4_k_read(const uint8_t *block, float *out)
{
    q4_or_q5_k(block, NULL, block + 16, out);
}

void q5_k_read(const uint8_t *block, float *out)
{
    q4_or_q5_k(block, block + 16, block + 48, out);
}

void q6_k_read(const uint8_t *block, float *out)
{
    const uint8_t *low = block, *high = block + 128, *scales = block + 192;
    float d = load_half(block + 208);

    for (int i = 0; i < BLOCK; i++) {
        int half = i / 128, lane = i % 128 / LANE, l = i % LANE;
        int nibble = low[64 * half + i % 64] >> 4 * (lane / 2) & 15;
        int q = (nibble | (high[LANE * half + l] >> 2 * lane & 3) << 4) - 32;

        out[i] = d * (float)(int8_t)scales[i / 16] * (float)q;
    }
}

void q8_k_read(const uint8_t *block, float *out)
{
    float d = float_of_bits(load_u32(block));

    for (int i = 0; i < BLOCK; i++)
        out[i] = d * (float)(int8_t)block[4 + i];
}

/* Trit `place` of the `n` bytes of qs each: the byte times 3^place is a fraction of 256, whose third it lies
 * in. */
static float *trits(float d, const uint8_t *qs, int n, int places, float *out)
{
    uint8_t power = 1;

    for (int place = 0; place < places; place++, power = (uint8_t)(power * 3))
        for (int j = 0; j < n; j++)
            *out++ = d * (float)(((uint8_t)(qs[j] * power) * 3 >> 8) - 1);
    return out;
}

void tq1_0_read(const uint8_t *block, float *out)
{
    float d = load_half(block + 52);

    out = trits(d, block, 32, 5, out);
    out = trits(d, block + 32, 16, 5, out);
    trits(d, block + 48, 4, 4, out);
}

void tq2_0_read(const uint8_t *block, float *out)
{
    float d = load_half(block + 64);

    for (int i = 0; i < BLOCK; i++)
        out[i] = d * (float)((block[LANE * (i / 128) + i % LANE] >> 2 * (i % 128 / LANE) & 3) - 1);
}
