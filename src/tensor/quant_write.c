/* Blocks of 32 numbers rounded as ggml's reference quantisers do without an importance matrix:
 *
 *     Q8_0         d = max |x| / 127, q = x / d, half away from zero
 *     Q4_0, Q5_0   d = v / -8, v / -16 with v the x of largest |x| (the first of them); q = x / d
 * + 8.5, 16.5, cut Q4_1, Q5_1   m = min x, d = (max x - m) / 15, / 31; q = (x - m) / d + 0.5, cut
 *
 * where "/ d" is a product with the float 1 / d (0 for d = 0) and the stored d is rounded to F16 afterwards.
 * Source: ggml-quants.c (quantize_row_*_ref); quant_simple.c has the layouts. */
#include "quant.h"

#include <math.h>
#include <string.h>

#include "row_kernels.h"

enum { BLOCK = 32, HALF = 16 };

static void store_half(float value, uint8_t *out)
{
    uint16_t bits = row_narrow((double)value, 10);

    memcpy(out, &bits, sizeof bits);
}

static float inverse(float d)
{
    return d == 0 ? 0 : 1 / d;
}

/* Cut to an integer of 0 to most; what is no number becomes 0. */
static unsigned cut(float value, unsigned most)
{
    return value >= (float)most ? most : value > 0 ? (unsigned)value : 0;
}

/* q in 4 bits, and their fifth bits where there is room for them. */
static void pack(const unsigned *q, uint8_t *fifth, uint8_t *qs)
{
    uint32_t bits = 0;

    for (int j = 0; j < HALF; j++)
        qs[j] = (uint8_t)((q[j] & 15) | (q[j + HALF] & 15) << 4);
    for (int j = 0; fifth && j < BLOCK; j++)
        bits |= (uint32_t)(q[j] >> 4) << j;
    if (fifth)
        memcpy(fifth, &bits, sizeof bits);
}

/* Around zero: `levels` of 16 or 32. */
static void write_symmetric(const float *in, int levels, uint8_t *d_out, uint8_t *fifth, uint8_t *qs)
{
    float largest = in[0], d, by;
    unsigned q[BLOCK];

    for (int j = 1; j < BLOCK; j++)
        if (fabsf(in[j]) > fabsf(largest))
            largest = in[j];
    d = largest / (float)(-levels / 2);
    by = inverse(d);
    for (int j = 0; j < BLOCK; j++)
        q[j] = cut(in[j] * by + ((float)(levels / 2) + 0.5f), (unsigned)levels - 1);
    store_half(d, d_out);
    pack(q, fifth, qs);
}

/* From the least to the largest. */
static void write_range(const float *in, int levels, uint8_t *d_out, uint8_t *fifth, uint8_t *qs)
{
    float least = in[0], largest = in[0], d, by;
    unsigned q[BLOCK];

    for (int j = 1; j < BLOCK; j++) {
        least = in[j] < least ? in[j] : least;
        largest = in[j] > largest ? in[j] : largest;
    }
    d = (largest - least) / (float)(levels - 1);
    by = inverse(d);
    for (int j = 0; j < BLOCK; j++)
        q[j] = cut((in[j] - least) * by + 0.5f, (unsigned)levels - 1);
    store_half(d, d_out);
    store_half(least, d_out + 2);
    pack(q, fifth, qs);
}

void q4_0_write(const float *in, uint8_t *block)
{
    write_symmetric(in, 16, block, NULL, block + 2);
}

void q5_0_write(const float *in, uint8_t *block)
{
    write_symmetric(in, 32, block, block + 2, block + 6);
}

void q4_1_write(const float *in, uint8_t *block)
{
    write_range(in, 16, block, NULL, block + 4);
}

void q5_1_write(const float *in, uint8_t *block)
{
    write_range(in, 32, block, block + 4, block + 8);
}

void q8_0_write(const float *in, uint8_t *block)
{
    float largest = 0, d, by;

    for (int j = 0; j < BLOCK; j++)
        largest = fabsf(in[j]) > largest ? fabsf(in[j]) : largest;
    d = largest / 127;
    by = inverse(d);
    store_half(d, block);
    for (int j = 0; j < BLOCK; j++) {
        float q = roundf(in[j] * by);

        block[2 + j] = (uint8_t)(int8_t)(q >= 127 ? 127 : q > -127 ? (int)q : -127);
    }
}
