/* In every type here a number is a + s q with q the stored integer of the element, where a and s follow from
 * the scales of its block alone. They are found by reading the block with all q 0, and all q 1. A step of q
 * by one moves the number by s, so that the residual along the key moves by s k, and adds (e + s)^2 - e^2 to
 * the squared error e^2. */
#include "quant_adjust.h"

#include <math.h>
#include <string.h>

#include "flips.h"
#include "quant.h"
#include "rows.h"

/* ---- stored integers ---- */

/* `width` bits of a byte from `shift` on. */
static unsigned bits_of(uint8_t byte, unsigned shift, unsigned width)
{
    return byte >> shift & ((1u << width) - 1);
}

static void set_bits(uint8_t *byte, unsigned shift, unsigned width, unsigned value)
{
    unsigned mask = ((1u << width) - 1) << shift;

    *byte = (uint8_t)((*byte & ~mask) | (value << shift & mask));
}

/* Where the bits of an element lie: `low` of them in one byte, the others in a second one. */
struct place {
    size_t byte, high_byte;
    unsigned shift, low, high_shift, high;
};

/* Nibbles of 32 from byte `qs` on, fifth bits from `qh` on (0: none). */
static struct place place_32(unsigned i, size_t qs, size_t qh)
{
    return (struct place){.byte = qs + i % 16,
                          .shift = i / 16 * 4,
                          .low = 4,
                          .high_byte = qh + i / 8,
                          .high_shift = i % 8,
                          .high = qh ? 1 : 0};
}

static struct place place_q4_0(unsigned i)
{
    return place_32(i, 2, 0);
}

static struct place place_q4_1(unsigned i)
{
    return place_32(i, 4, 0);
}

static struct place place_q5_0(unsigned i)
{
    return place_32(i, 6, 2);
}

static struct place place_q5_1(unsigned i)
{
    return place_32(i, 8, 4);
}

static struct place place_q8_0(unsigned i)
{
    return (struct place){.byte = 2 + i, .low = 8};
}

/* Pairs of bits of 256 from byte `qs` on. */
static struct place place_pairs(unsigned i, size_t qs)
{
    return (struct place){.byte = qs + i / 128 * 32 + i % 32, .shift = i % 128 / 32 * 2, .low = 2};
}

static struct place place_q2_k(unsigned i)
{
    return place_pairs(i, 16);
}

static struct place place_q3_k(unsigned i)
{
    struct place place = place_pairs(i, 32);

    place.high_byte = i % 32;
    place.high_shift = i / 32;
    place.high = 1;
    return place;
}

static struct place place_q4_k(unsigned i)
{
    return (struct place){.byte = 16 + i / 64 * 32 + i % 32, .shift = i / 32 % 2 * 4, .low = 4};
}

static struct place place_q5_k(unsigned i)
{
    return (struct place){.byte = 48 + i / 64 * 32 + i % 32,
                          .shift = i / 32 % 2 * 4,
                          .low = 4,
                          .high_byte = 16 + i % 32,
                          .high_shift = i / 32,
                          .high = 1};
}

static struct place place_q6_k(unsigned i)
{
    return (struct place){.byte = i / 128 * 64 + i % 64,
                          .shift = i % 128 / 64 * 4,
                          .low = 4,
                          .high_byte = 128 + i / 128 * 32 + i % 32,
                          .high_shift = i % 128 / 32 * 2,
                          .high = 2};
}

static const struct adjustable {
    struct place (*place)(unsigned i);
    unsigned least, most; /* of the stored bits; Q8_0 counts from its sign bit on, without -128 */
    unsigned flip;        /* bits that are stored inverted, so that q rises with the bits */
} types[DTYPE_COUNT] = {
    [DTYPE_Q4_0] = {place_q4_0, 0, 15, 0},    [DTYPE_Q4_1] = {place_q4_1, 0, 15, 0},
    [DTYPE_Q5_0] = {place_q5_0, 0, 31, 0},    [DTYPE_Q5_1] = {place_q5_1, 0, 31, 0},
    [DTYPE_Q8_0] = {place_q8_0, 1, 255, 128}, [DTYPE_Q2_K] = {place_q2_k, 0, 3, 0},
    [DTYPE_Q3_K] = {place_q3_k, 0, 7, 0},     [DTYPE_Q4_K] = {place_q4_k, 0, 15, 0},
    [DTYPE_Q5_K] = {place_q5_k, 0, 31, 0},    [DTYPE_Q6_K] = {place_q6_k, 0, 63, 0},
};

bool quant_adjustable(enum dtype dtype)
{
    return (unsigned)dtype < DTYPE_COUNT && types[dtype].place;
}

static unsigned get_q(const struct adjustable *type, const uint8_t *block, unsigned i)
{
    struct place p = type->place(i);
    unsigned q = bits_of(block[p.byte], p.shift, p.low);

    if (p.high)
        q |= bits_of(block[p.high_byte], p.high_shift, p.high) << p.low;
    return q ^ type->flip;
}

static void set_q(const struct adjustable *type, uint8_t *block, unsigned i, unsigned q)
{
    struct place p = type->place(i);

    q ^= type->flip;
    set_bits(&block[p.byte], p.shift, p.low, q);
    if (p.high)
        set_bits(&block[p.high_byte], p.high_shift, p.high, q >> p.low);
}

/* ---- blocks ---- */

enum { LARGEST_BYTES = 292 };

/* Numbers of the block with every q at its least (base), and what a step of q adds (step). */
static void find_lines(enum dtype dtype, const uint8_t *block, double *base, double *step)
{
    const struct adjustable *type = &types[dtype];
    unsigned n = dtype_facts(dtype)->block_elements;
    uint8_t copy[LARGEST_BYTES];
    double next[QUANT_LARGEST_BLOCK];

    memcpy(copy, block, dtype_facts(dtype)->block_bits / 8);
    for (unsigned i = 0; i < n; i++)
        set_q(type, copy, i, type->least);
    rows_to_f64(dtype, copy, n, base);
    for (unsigned i = 0; i < n; i++)
        set_q(type, copy, i, type->least + 1);
    rows_to_f64(dtype, copy, n, next);
    for (unsigned i = 0; i < n; i++)
        step[i] = next[i] - base[i];
}

static double squared_error(enum dtype dtype, const uint8_t *block, const double *wanted)
{
    unsigned n = dtype_facts(dtype)->block_elements;
    double got[QUANT_LARGEST_BLOCK], sum = 0;

    rows_to_f64(dtype, block, n, got);
    for (unsigned i = 0; i < n; i++)
        sum += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    return sum;
}

/* The block's integers nearest to the wanted numbers, at its scales; at scales of their own when that comes
 * nearer. */
static void adjust_block(enum dtype dtype, const double *wanted, uint8_t *block)
{
    const struct adjustable *type = &types[dtype];
    unsigned n = dtype_facts(dtype)->block_elements;
    double base[QUANT_LARGEST_BLOCK], step[QUANT_LARGEST_BLOCK], now[QUANT_LARGEST_BLOCK];
    uint8_t fresh[LARGEST_BYTES];

    rows_to_f64(dtype, block, n, now);
    find_lines(dtype, block, base, step);
    for (unsigned i = 0; i < n; i++) {
        double q = step[i] != 0 ? round((wanted[i] - base[i]) / step[i]) : 0;

        if (wanted[i] != now[i] && step[i] != 0 && isfinite(q))
            set_q(type, block, i,
                  q <= 0                                    ? type->least
                  : q >= (double)(type->most - type->least) ? type->most
                                                            : type->least + (unsigned)q);
    }
    if (!rows_quantisable(dtype))
        return;
    rows_from_f64(dtype, wanted, n, fresh);
    if (squared_error(dtype, fresh, wanted) < squared_error(dtype, block, wanted))
        memcpy(block, fresh, dtype_facts(dtype)->block_bits / 8);
}

/* ---- along the key ---- */

struct row {
    const struct adjustable *type;
    uint8_t *bytes;
    size_t block_elements, block_bytes;
};

static bool move_q(const struct row *row, size_t i, int by)
{
    uint8_t *block = row->bytes + i / row->block_elements * row->block_bytes;
    unsigned at = (unsigned)(i % row->block_elements), q = get_q(row->type, block, at);

    if (by > 0 ? q >= row->type->most : q <= row->type->least)
        return false;
    set_q(row->type, block, at, by > 0 ? q + 1 : q - 1);
    return true;
}

static void compensate(const struct row *row, enum dtype dtype, const double *wanted, const double *key,
                       size_t n, double *scratch, size_t *order)
{
    double *got = scratch, *step = scratch + n, *cost = scratch + 2 * n, *move = scratch + 3 * n,
           residual = 0;
    struct flip_heap heap = {.cost = cost, .order = order};
    double enough;

    for (size_t at = 0; at < n; at += row->block_elements)
        find_lines(dtype, row->bytes + at / row->block_elements * row->block_bytes, move + at, step + at);
    rows_to_f64(dtype, row->bytes, n, got);
    for (size_t i = 0; i < n; i++)
        residual += (got[i] - wanted[i]) * key[i];
    if (residual == 0 || !isfinite(residual))
        return;
    enough = 1e-4 * fabs(residual);
    for (size_t i = 0; i < n; i++) {
        double e = got[i] - wanted[i];

        move[i] = (step[i] * key[i] < 0) == (residual < 0) ? -step[i] : step[i]; /* against the residual */
        cost[i] = (2 * e * move[i] + move[i] * move[i]) / fabs(step[i] * key[i]);
        if (step[i] * key[i] != 0 && isfinite(cost[i]))
            order[heap.n++] = i;
    }
    flips_make(&heap);
    while (heap.n && fabs(residual) > enough) {
        size_t i = flips_pop(&heap);
        double by = move[i] * key[i];

        if (fabs(by) <= fabs(residual) && move_q(row, i, move[i] == step[i] ? 1 : -1))
            residual += by;
    }
}

void quant_adjust(enum dtype dtype, const void *old, const double *wanted, const double *key, size_t n,
                  void *dst, double *scratch, size_t *order)
{
    struct row row = {&types[dtype], dst, dtype_facts(dtype)->block_elements,
                      dtype_facts(dtype)->block_bits / 8};

    memcpy(dst, old, dtype_extent(dtype, n));
    for (size_t at = 0; at < n; at += row.block_elements)
        adjust_block(dtype, wanted + at, row.bytes + at / row.block_elements * row.block_bytes);
    if (key)
        compensate(&row, dtype, wanted, key, n, scratch, order);
}
