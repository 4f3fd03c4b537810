/* Blocks of 32 elements; d and m are F16, q a stored integer, x the number:
 *
 *     Q4_0     d, 16 bytes of nibbles                x = d (q - 8)
 *     Q4_1     d, m, 16 bytes of nibbles             x = d q + m
 *     Q5_0     d, 32 high bits, 16 bytes of nibbles  x = d (q - 16)
 *     Q5_1     d, m, 32 high bits, nibbles           x = d q + m
 *     Q8_0     d, 32 i8                              x = q d
 *     Q8_1     d, d * sum of q, 32 i8                x = q d
 *     IQ4_NL   d, 16 bytes of nibbles                x = d T[q]
 *     MXFP4    exponent e, 16 bytes of nibbles       x = 2^(e - 128) K[q]
 *
 * The low nibble of byte j is element j, the high one element j + 16; K is twice E2M1. Larger ones:
 *
 *     NVFP4    4 scales of UE4M3, 32 bytes: 4 groups of 16 elements, nibbles as above in halves of 8
 *     Q1_0     d, 128 bits from the lowest up        x = d or -d
 *     Q2_0     d, 64 pairs of bits                   x = (q - 1) d
 *
 * Source: ggml-quants.c and the gguf package 0.19 (quants.py); Q8_1, Q1_0 and Q2_0: ggml alone. */
#include "quant.h"

#include <math.h>

#include "quant_load.h"

enum { HALF = 16 };

const int8_t quant_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
static const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void q4_0_read(const uint8_t *block, float *out)
{
    float d = load_half(block);
    const uint8_t *qs = block + 2;

    for (int j = 0; j < HALF; j++) {
        out[j] = d * (float)((qs[j] & 15) - 8);
        out[j + HALF] = d * (float)((qs[j] >> 4) - 8);
    }
}

void q4_1_read(const uint8_t *block, float *out)
{
    float d = load_half(block), m = load_half(block + 2);
    const uint8_t *qs = block + 4;

    for (int j = 0; j < HALF; j++) {
        out[j] = d * (float)(qs[j] & 15) + m;
        out[j + HALF] = d * (float)(qs[j] >> 4) + m;
    }
}

/* 5 bits: a nibble, and on top bit j, or j + 16, of the high bits. */
static void five_bits(const uint8_t *high, const uint8_t *qs, int *out)
{
    uint32_t bits = load_u32(high);

    for (int j = 0; j < HALF; j++) {
        out[j] = (qs[j] & 15) | (int)(bits >> j & 1) << 4;
        out[j + HALF] = (qs[j] >> 4) | (int)(bits >> (j + HALF) & 1) << 4;
    }
}

void q5_0_read(const uint8_t *block, float *out)
{
    float d = load_half(block);
    int q[2 * HALF];

    five_bits(block + 2, block + 6, q);
    for (int j = 0; j < 2 * HALF; j++)
        out[j] = d * (float)(q[j] - 16);
}

void q5_1_read(const uint8_t *block, float *out)
{
    float d = load_half(block), m = load_half(block + 2);
    int q[2 * HALF];

    five_bits(block + 4, block + 8, q);
    for (int j = 0; j < 2 * HALF; j++)
        out[j] = d * (float)q[j] + m;
}

static void bytes_times(float d, const uint8_t *qs, int n, float *out)
{
    for (int j = 0; j < n; j++)
        out[j] = (float)(int8_t)qs[j] * d;
}

void q8_0_read(const uint8_t *block, float *out)
{
    bytes_times(load_half(block), block + 2, 2 * HALF, out);
}

void q8_1_read(const uint8_t *block, float *out)
{
    bytes_times(load_half(block), block + 4, 2 * HALF, out);
}

/* n bytes: values of the low nibbles, then of the high ones. */
static void nibble_values(float d, const int8_t *values, const uint8_t *qs, int n, float *out)
{
    for (int j = 0; j < n; j++) {
        out[j] = d * (float)values[qs[j] & 15];
        out[j + n] = d * (float)values[qs[j] >> 4];
    }
}

void iq4_nl_read(const uint8_t *block, float *out)
{
    nibble_values(load_half(block), quant_iq4_values, block + 2, HALF, out);
}

/* 2^(e - 128), subnormal for e < 2. */
static float half_of_e8m0(uint8_t e)
{
    return float_of_bits(e < 2 ? UINT32_C(0x00200000) << e : (uint32_t)(e - 1) << 23);
}

void mxfp4_read(const uint8_t *block, float *out)
{
    nibble_values(half_of_e8m0(block[0]), fp4_values, block + 1, HALF, out);
}

/* Half of an unsigned E4M3, whose NaN counts as 0. */
static float half_of_ue4m3(uint8_t bits)
{
    int exponent = bits >> 3 & 15;
    float fraction = (float)(bits & 7);

    if (bits == 0x7f)
        return 0;
    return exponent ? ldexpf(1 + fraction / 8, exponent - 8) : ldexpf(fraction, -10);
}

void nvfp4_read(const uint8_t *block, float *out)
{
    for (int group = 0; group < 4; group++)
        nibble_values(half_of_ue4m3(block[group]), fp4_values, block + 4 + 8 * group, 8, out + 16 * group);
}

void q1_0_read(const uint8_t *block, float *out)
{
    float d = load_half(block);

    for (int j = 0; j < 128; j++)
        out[j] = block[2 + j / 8] >> j % 8 & 1 ? d : -d;
}

void q2_0_read(const uint8_t *block, float *out)
{
    float d = load_half(block);

    for (int j = 0; j < 64; j++)
        out[j] = (float)((block[2 + j / 4] >> 2 * (j % 4) & 3) - 1) * d;
}
