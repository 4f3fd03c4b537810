#include "rows.h"

#include <assert.h>
#include <string.h>

#include "flips.h"
#include "kernels.h"
#include "quant.h"
#include "row_kernels.h"

/* One reader per C type: `to_real` and `to_f64` differ only in what they store. */
#define READER(NAME, TYPE, VALUE)                                                                            \
    static void NAME##_to_real(const void *src, size_t n, real *dst)                                         \
    {                                                                                                        \
        const uint8_t *p = src;                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                     \
            TYPE e;                                                                                          \
            memcpy(&e, p + i * sizeof e, sizeof e);                                                          \
            dst[i] = (real)(VALUE);                                                                          \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    static void NAME##_to_f64(const void *src, size_t n, double *dst)                                        \
    {                                                                                                        \
        const uint8_t *p = src;                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                     \
            TYPE e;                                                                                          \
            memcpy(&e, p + i * sizeof e, sizeof e);                                                          \
            dst[i] = (double)(VALUE);                                                                        \
        }                                                                                                    \
    }

READER(bool, uint8_t, e != 0)
READER(u8, uint8_t, e)
READER(i8, int8_t, e)
READER(u16, uint16_t, e)
READER(i16, int16_t, e)
READER(u32, uint32_t, e)
READER(i32, int32_t, e)
READER(u64, uint64_t, e)
READER(i64, int64_t, e)
READER(f64, double, e)

static void f32_to_real(const void *src, size_t n, real *dst)
{
    kernels_best()->widen[KERNEL_F32](src, n, dst);
}

static void f32_to_f64(const void *src, size_t n, double *dst)
{
    row_kernels_best()->widen[ROW_F32](src, n, dst);
}

static void bf16_to_real(const void *src, size_t n, real *dst)
{
    kernels_best()->widen[KERNEL_BF16](src, n, dst);
}

static void f16_to_real(const void *src, size_t n, real *dst)
{
    kernels_best()->widen[KERNEL_F16](src, n, dst);
}

static void bf16_to_f64(const void *src, size_t n, double *dst)
{
    row_kernels_best()->widen[ROW_BF16](src, n, dst);
}

static void f16_to_f64(const void *src, size_t n, double *dst)
{
    row_kernels_best()->widen[ROW_F16](src, n, dst);
}

static void f64_to_bf16(const double *src, size_t n, void *dst)
{
    row_kernels_best()->narrow[ROW_BF16](src, n, dst);
}

static void f64_to_f16(const double *src, size_t n, void *dst)
{
    row_kernels_best()->narrow[ROW_F16](src, n, dst);
}

static void f64_to_f32(const double *src, size_t n, void *dst)
{
    row_kernels_best()->narrow[ROW_F32](src, n, dst);
}

struct row_converter {
    void (*to_real)(const void *src, size_t n, real *dst); /* NULL: not readable */
    void (*to_f64)(const void *src, size_t n, double *dst);
    void (*from_f64)(const double *src, size_t n, void *dst); /* NULL: not writable */
    quant_read *read_block;                                   /* in place of the first two */
    quant_write *write_block;                                 /* in place of the third */
};

#define BLOCKS(READ, WRITE)                                                                                  \
    {                                                                                                        \
        .read_block = (READ), .write_block = (WRITE)                                                         \
    }

static const struct row_converter converters[DTYPE_COUNT] = {
    [DTYPE_BOOL] = {bool_to_real, bool_to_f64, NULL},
    [DTYPE_U8] = {u8_to_real, u8_to_f64, NULL},
    [DTYPE_I8] = {i8_to_real, i8_to_f64, NULL},
    [DTYPE_U16] = {u16_to_real, u16_to_f64, NULL},
    [DTYPE_I16] = {i16_to_real, i16_to_f64, NULL},
    [DTYPE_U32] = {u32_to_real, u32_to_f64, NULL},
    [DTYPE_I32] = {i32_to_real, i32_to_f64, NULL},
    [DTYPE_U64] = {u64_to_real, u64_to_f64, NULL},
    [DTYPE_I64] = {i64_to_real, i64_to_f64, NULL},
    [DTYPE_F16] = {f16_to_real, f16_to_f64, f64_to_f16},
    [DTYPE_BF16] = {bf16_to_real, bf16_to_f64, f64_to_bf16},
    [DTYPE_F32] = {f32_to_real, f32_to_f64, f64_to_f32},
    [DTYPE_F64] = {f64_to_real, f64_to_f64, NULL},
    [DTYPE_Q4_0] = BLOCKS(q4_0_read, q4_0_write),
    [DTYPE_Q4_1] = BLOCKS(q4_1_read, q4_1_write),
    [DTYPE_Q5_0] = BLOCKS(q5_0_read, q5_0_write),
    [DTYPE_Q5_1] = BLOCKS(q5_1_read, q5_1_write),
    [DTYPE_Q8_0] = BLOCKS(q8_0_read, q8_0_write),
    [DTYPE_Q8_1] = BLOCKS(q8_1_read, NULL),
    [DTYPE_Q2_K] = BLOCKS(q2_k_read, NULL),
    [DTYPE_Q3_K] = BLOCKS(q3_k_read, NULL),
    [DTYPE_Q4_K] = BLOCKS(q4_k_read, NULL),
    [DTYPE_Q5_K] = BLOCKS(q5_k_read, NULL),
    [DTYPE_Q6_K] = BLOCKS(q6_k_read, NULL),
    [DTYPE_Q8_K] = BLOCKS(q8_k_read, NULL),
    [DTYPE_IQ1_S] = BLOCKS(iq1_s_read, NULL),
    [DTYPE_IQ1_M] = BLOCKS(iq1_m_read, NULL),
    [DTYPE_IQ2_XXS] = BLOCKS(iq2_xxs_read, NULL),
    [DTYPE_IQ2_XS] = BLOCKS(iq2_xs_read, NULL),
    [DTYPE_IQ2_S] = BLOCKS(iq2_s_read, NULL),
    [DTYPE_IQ3_XXS] = BLOCKS(iq3_xxs_read, NULL),
    [DTYPE_IQ3_S] = BLOCKS(iq3_s_read, NULL),
    [DTYPE_IQ4_NL] = BLOCKS(iq4_nl_read, NULL),
    [DTYPE_IQ4_XS] = BLOCKS(iq4_xs_read, NULL),
    [DTYPE_TQ1_0] = BLOCKS(tq1_0_read, NULL),
    [DTYPE_TQ2_0] = BLOCKS(tq2_0_read, NULL),
    [DTYPE_MXFP4] = BLOCKS(mxfp4_read, NULL),
    [DTYPE_NVFP4] = BLOCKS(nvfp4_read, NULL),
    [DTYPE_Q1_0] = BLOCKS(q1_0_read, NULL),
    [DTYPE_Q2_0] = BLOCKS(q2_0_read, NULL),
};

bool rows_readable(enum dtype dtype)
{
    return (unsigned)dtype < DTYPE_COUNT && (converters[dtype].to_f64 || converters[dtype].read_block);
}

bool rows_writable(enum dtype dtype)
{
    return (unsigned)dtype < DTYPE_COUNT && converters[dtype].from_f64;
}

bool rows_quantisable(enum dtype dtype)
{
    return rows_writable(dtype) || ((unsigned)dtype < DTYPE_COUNT && converters[dtype].write_block);
}

/* A block by the inner loop of this processor, where the type has one; they give the same bits. */
static void read_block(void (*widen)(const void *src, size_t n, real *dst), quant_read *read,
                       const uint8_t *p, size_t n, real *out)
{
    float block[QUANT_LARGEST_BLOCK];

    if (widen) {
        widen(p, n, out);
        return;
    }
    read(p, block);
    for (size_t i = 0; i < n; i++)
        out[i] = (real)block[i];
}

/* One block at a time; of the first and the last, a part may be wanted. */
#define READ_BLOCKS(TYPE)                                                                                    \
    do {                                                                                                     \
        const struct dtype_facts *facts = dtype_facts(dtype);                                                \
        enum kernel_type kernel = kernel_type_of(dtype);                                                     \
        void (*widen)(const void *, size_t, real *) =                                                        \
            kernel == KERNEL_TYPES ? NULL : kernels_best()->widen[kernel];                                   \
        size_t skip = at % facts->block_elements, done = 0;                                                  \
        real block[QUANT_LARGEST_BLOCK];                                                                     \
        p += at / facts->block_elements * (facts->block_bits / 8);                                           \
        for (; done < n; p += facts->block_bits / 8, skip = 0) {                                             \
            size_t whole = facts->block_elements - skip, wanted = n - done < whole ? n - done : whole;       \
            read_block(widen, converters[dtype].read_block, p, facts->block_elements, block);                \
            for (size_t i = 0; i < wanted; i++)                                                              \
                dst[done + i] = (TYPE)block[skip + i];                                                       \
            done += wanted;                                                                                  \
        }                                                                                                    \
    } while (0)

void rows_slice_real(enum dtype dtype, const void *src, uint64_t at, size_t n, real *dst)
{
    const uint8_t *p = src;

    assert(rows_readable(dtype));
    if (converters[dtype].read_block)
        READ_BLOCKS(real);
    else
        converters[dtype].to_real(p + at * (dtype_facts(dtype)->block_bits / 8), n, dst);
}

void rows_slice_f64(enum dtype dtype, const void *src, uint64_t at, size_t n, double *dst)
{
    const uint8_t *p = src;

    assert(rows_readable(dtype));
    if (converters[dtype].read_block)
        READ_BLOCKS(double);
    else
        converters[dtype].to_f64(p + at * (dtype_facts(dtype)->block_bits / 8), n, dst);
}

void rows_to_real(enum dtype dtype, const void *src, size_t n, real *dst)
{
    rows_slice_real(dtype, src, 0, n, dst);
}

void rows_to_f64(enum dtype dtype, const void *src, size_t n, double *dst)
{
    rows_slice_f64(dtype, src, 0, n, dst);
}

void rows_from_f64(enum dtype dtype, const double *src, size_t n, void *dst)
{
    const struct dtype_facts *facts = dtype_facts(dtype);
    float block[QUANT_LARGEST_BLOCK];
    uint8_t *p = dst;

    assert(rows_quantisable(dtype) && n % facts->block_elements == 0);
    if (converters[dtype].from_f64) {
        converters[dtype].from_f64(src, n, dst);
        return;
    }
    for (size_t at = 0; at < n; at += facts->block_elements, p += facts->block_bits / 8) {
        for (size_t i = 0; i < facts->block_elements; i++)
            block[i] = (float)src[at + i];
        converters[dtype].write_block(block, p);
    }
}

/* ---- rounding along a key ----
 *
 * With q = round(w), the residual is r = sum (q_i - w_i) k_i. Element i can be rounded the other way, to the
 * neighbour q_i +- u_i on the far side of w_i, which moves r by d_i = +- u_i k_i and adds (u_i - 2 |q_i -
 * w_i|) u_i to the squared rounding error. Elements with d_i against r are taken in order of error added per
 * residual removed, (u_i - 2 |q_i - w_i|) / |k_i|, each only while it does not overshoot. */

/* The neighbour of the stored element in the direction of `up`; encodings are sign and magnitude. */
static void step_element(uint8_t *element, unsigned bytes, bool up)
{
    const uint32_t sign = UINT32_C(1) << (8 * bytes - 1);
    uint32_t bits = 0;

    memcpy(&bits, element, bytes);
    if ((bits & ~sign) == 0)
        bits = up ? 1 : sign | 1;
    else if (up == !(bits & sign))
        bits++;
    else
        bits--;
    memcpy(element, &bits, bytes);
}

/* Fills cost and move (d_i) and lists the elements that can work against the residual. */
static size_t list_flips(enum dtype dtype, const double *wanted, const double *key, size_t n,
                         const uint8_t *rounded, unsigned bytes, double residual, double *cost, double *move,
                         size_t *order)
{
    size_t n_flips = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t other[4];
        double q, alternative, unit;

        rows_to_f64(dtype, rounded + i * bytes, 1, &q);
        if (q == wanted[i] || !isfinite(q) || key[i] == 0)
            continue;
        memcpy(other, rounded + i * bytes, bytes);
        step_element(other, bytes, q < wanted[i]);
        rows_to_f64(dtype, other, 1, &alternative);
        unit = fabs(alternative - q);
        move[i] = (alternative - q) * key[i];
        cost[i] = (unit - 2 * fabs(q - wanted[i])) / fabs(key[i]);
        if (isfinite(move[i]) && (move[i] < 0) == (residual > 0))
            order[n_flips++] = i;
    }
    return n_flips;
}

void rows_round_along(enum dtype dtype, const double *wanted, const double *key, size_t n, void *dst,
                      double *scratch, size_t *order)
{
    uint8_t *rounded = dst;
    unsigned bytes = dtype_facts(dtype)->block_bits / 8;
    double *cost = scratch, *move = scratch + n, residual = 0, enough;
    struct flip_heap heap = {.cost = cost, .order = order};

    rows_from_f64(dtype, wanted, n, dst);
    rows_to_f64(dtype, dst, n, scratch);
    for (size_t i = 0; i < n; i++)
        residual += (scratch[i] - wanted[i]) * key[i];
    if (residual == 0 || !isfinite(residual))
        return;
    enough = 1e-4 * fabs(residual);
    heap.n = list_flips(dtype, wanted, key, n, rounded, bytes, residual, cost, move, order);
    flips_make(&heap);
    while (heap.n && fabs(residual) > enough) {
        size_t i = flips_pop(&heap);
        double q;

        if (fabs(move[i]) > fabs(residual))
            continue;
        rows_to_f64(dtype, rounded + i * bytes, 1, &q);
        step_element(rounded + i * bytes, bytes, q < wanted[i]);
        residual += move[i];
    }
}
