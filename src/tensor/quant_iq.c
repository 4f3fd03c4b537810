/* Blocks of 256 elements that are entries of a codebook (quant_grids.c) times a scale and signs; d is F16:
 *
 *     IQ2_XXS  d, 8 x {4 indices (8 bits); 4 x 7 bits of signs, 4 bits of scale}
 *     IQ2_XS   d, 32 x {9 bits of index, 7 of signs}, 8 bytes of scales (4 bits)
 *     IQ2_S    d, 32 low bytes of indices, 32 bytes of signs, 8 bytes of high bits, 8 bytes of scales (4
 * bits) IQ3_XXS  d, 64 indices (8 bits), 8 x {4 x 7 bits of signs, 4 bits of scale} IQ3_S    d, 64 low bytes
 * of indices, 8 bytes of high bits, 32 bytes of signs, 4 bytes of scales (4 bits) IQ1_S    d, 32 low bytes of
 * indices, 8 x {4 x 3 high bits, 3 bits of scale, sign of the shift} IQ1_M    32 low bytes of indices, 16
 * bytes {3 high bits, sign of the shift} x 2, 4 x {4 x 3 bits of scale, 4 bits of d} IQ4_XS   d, 16 high bits
 * of scales, 4 bytes of low bits, 128 bytes of nibbles
 *
 * 7 bits of signs have an eighth that makes their number even. Source: ggml-quants.c and the gguf package
 * 0.19 (quants.py). */
#include "quant.h"

#include "quant_grids.h"
#include "quant_load.h"

enum { SUBBLOCKS = 8, LANE = 32 };

static const float levels2[4] = {8, 25, 43}, levels1[4] = {-1, 0, 1};
static const float levels3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};

static float level3_s(unsigned code)
{
    return (float)(2 * code + 1);
}

static unsigned even_signs(unsigned seven)
{
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* Element i of an entry of eight 2-bit, or of four 4-bit codes. */
static unsigned code2(uint16_t entry, int i)
{
    return entry >> 2 * i & 3;
}

static unsigned code4(uint16_t entry, int i)
{
    return entry >> 4 * i & 7;
}

static float sign(unsigned signs, int i)
{
    return signs >> i & 1 ? -1.0f : 1.0f;
}

/* Eight elements of one of the IQ2 codebooks. */
static void put_iq2(float scale, uint16_t entry, unsigned signs, float *out)
{
    for (int i = 0; i < 8; i++)
        out[i] = scale * levels2[code2(entry, i)] * sign(signs, i);
}

void iq2_xxs_read(const uint8_t *block, float *out)
{
    float d = load_half(block);

    for (int b = 0; b < SUBBLOCKS; b++) {
        const uint8_t *q = block + 2 + 8 * b;
        uint32_t rest = load_u32(q + 4);
        float scale = d * (0.5f + (float)(rest >> 28)) * 0.25f;

        for (int g = 0; g < 4; g++, out += 8)
            put_iq2(scale, grid_iq2_xxs[q[g]], even_signs(rest >> 7 * g & 127), out);
    }
}

static float nibble_scale(float d, const uint8_t *scales, int i)
{
    return d * (0.5f + (float)(scales[i / 2] >> 4 * (i % 2) & 15)) * 0.25f;
}

void iq2_xs_read(const uint8_t *block, float *out)
{
    float d = load_half(block);

    for (int g = 0; g < 32; g++, out += 8) {
        uint16_t q = load_u16(block + 2 + 2 * g);

        put_iq2(nibble_scale(d, block + 66, g / 2), grid_iq2_xs[q & 511], even_signs(q >> 9), out);
    }
}

void iq2_s_read(const uint8_t *block, float *out)
{
    const uint8_t *qs = block + 2, *signs = block + 34, *high = block + 66, *scales = block + 74;
    float d = load_half(block);

    for (int g = 0; g < 32; g++, out += 8) {
        int index = qs[g] | (high[g / 4] >> 2 * (g % 4) & 3) << 8;

        put_iq2(nibble_scale(d, scales, g / 2), grid_iq2_s[index], signs[g], out);
    }
}

void iq3_xxs_read(const uint8_t *block, float *out)
{
    const uint8_t *qs = block + 2;
    float d = load_half(block);

    for (int b = 0; b < SUBBLOCKS; b++) {
        uint32_t rest = load_u32(block + 66 + 4 * b);
        float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;

        for (int i = 0; i < LANE; i++)
            out[i] = scale * levels3_xxs[code4(grid_iq3_xxs[qs[i / 4]], i % 4)] *
                     sign(even_signs(rest >> 7 * (i / 8) & 127), i % 8);
        qs += LANE / 4;
        out += LANE;
    }
}

void iq3_s_read(const uint8_t *block, float *out)
{
    const uint8_t *qs = block + 2, *high = block + 66, *signs = block + 74, *scales = block + 106;
    float d = load_half(block);

    for (int i = 0; i < 256; i++) {
        int group = i / 4, index = qs[group] | (high[group / 8] >> group % 8 & 1) << 8;
        float scale = d * (float)(1 + 2 * (scales[i / 64] >> 4 * (i / 32 % 2) & 15));

        out[i] = scale * level3_s(code4(grid_iq3_s[index], i % 4)) * sign(signs[i / 8], i % 8);
    }
}

static void put_iq1(float scale, int index, float shift, float *out)
{
    for (int i = 0; i < 8; i++)
        out[i] = scale * (levels1[code2(grid_iq1[index], i)] + shift);
}

void iq1_s_read(const uint8_t *block, float *out)
{
    float d = load_half(block);

    for (int g = 0; g < 32; g++, out += 8) {
        uint16_t high = load_u16(block + 34 + 2 * (g / 4));
        float scale = d * (float)(2 * (high >> 12 & 7) + 1);

        put_iq1(scale, block[2 + g] | (high >> 3 * (g % 4) & 7) << 8, high & 0x8000 ? -0.125f : 0.125f, out);
    }
}

void iq1_m_read(const uint8_t *block, float *out)
{
    const uint8_t *high = block + 32, *scales = block + 48;
    unsigned half = 0;

    for (int i = 0; i < 4; i++)
        half |= (unsigned)(load_u16(scales + 2 * i) >> 12) << 4 * i;
    float d = f16_to_float((uint16_t)half);
    for (int g = 0; g < 32; g++, out += 8) {
        int bits = high[g / 2] >> 4 * (g % 2);
        float scale = d * (float)(2 * (load_u16(scales + 2 * (g / 8)) >> 3 * (g / 2 % 4) & 7) + 1);

        put_iq1(scale, block[g] | (bits & 7) << 8, bits & 8 ? -0.125f : 0.125f, out);
    }
}

void iq4_xs_read(const uint8_t *block, float *out)
{
    uint16_t high = load_u16(block + 2);
    const uint8_t *low = block + 4, *qs = block + 8;
    float d = load_half(block);

    for (int b = 0; b < SUBBLOCKS; b++, qs += LANE / 2, out += LANE) {
        int scale = (low[b / 2] >> 4 * (b % 2) & 15) | (high >> 2 * b & 3) << 4;
        float step = d * (float)(scale - 32);

        for (int j = 0; j < LANE / 2; j++) {
            out[j] = step * (float)quant_iq4_values[qs[j] & 15];
            out[j + LANE / 2] = step * (float)quant_iq4_values[qs[j] >> 4];
        }
    }
}
