/* The loops of every table but the portable one, over vectors of LANES floats. The file that includes this
 * one has defined TARGET (the attribute of its functions), INLINE, VEC, LANES, TABLE (its name) and
 *
 *     vec_zero() vec_all(float) vec_load(p) vec_store(p, a) vec_add(a, b) vec_mul(a, b)
 *     vec_fma(a, b, c)                 a b + c
 *     vec_sum(a)                       of its LANES
 *     vec_of_bf16(p) vec_of_f16(p)     LANES stored elements
 *     vec_of_bytes(q, v)               v-th LANES of 16 signed bytes, times BYTE_UNIT, a power of two
 *
 * of which the first seven come from here where a vector is one register: MM(name) is its intrinsic.
 *
 * Loops of a known number of steps are unrolled, and what is INLINE gets constants for type, M and R, so that
 * sums stay in registers. */
#include <stdbool.h>

#include "quant_vectors.h"

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#ifdef MM
INLINE VEC vec_zero(void)
{
    return MM(setzero_ps)();
}

INLINE VEC vec_all(float value)
{
    return MM(set1_ps)(value);
}

INLINE VEC vec_load(const void *p)
{
    return MM(loadu_ps)(p);
}

INLINE void vec_store(float *p, VEC a)
{
    MM(storeu_ps)(p, a);
}

INLINE VEC vec_add(VEC a, VEC b)
{
    return MM(add_ps)(a, b);
}

INLINE VEC vec_mul(VEC a, VEC b)
{
    return MM(mul_ps)(a, b);
}

INLINE VEC vec_fma(VEC a, VEC b, VEC c)
{
    return MM(fmadd_ps)(a, b, c);
}
#endif

/* How the loops use the 16 vector registers, and why.
 *
 * dot: R stored rows by M rows of x, a sum for each pair. A step costs R conversions and M loads for R M
 * products. CHUNK stored rows go to all rows of x before the next ones come, so that they stay in the
 * first-level cache; callers keep rows short, and those of x behind one another, which are used again and
 * again.
 *
 * axpy: M rows of y by V vectors of columns, kept in registers for STEPS stored rows; the first pass over
 * such a block fetches the next. With one or two rows of x, stored rows simply stream past. */
enum { ROWS_MAX = 6, CHUNK = 12, STEPS = 32, AHEAD = 2048, LINE = 64 };

INLINE VEC load(enum kernel_type type, const uint8_t *p)
{
    return type == KERNEL_BF16 ? vec_of_bf16(p) : type == KERNEL_F16 ? vec_of_f16(p) : vec_load(p);
}

INLINE float load_one(enum kernel_type type, const uint8_t *p)
{
    float value;

    if (type == KERNEL_BF16)
        return bf16_to_float(load_u16(p));
    if (type == KERNEL_F16)
        return quant_half(p);
    memcpy(&value, p, sizeof value);
    return value;
}

INLINE size_t bytes_of(enum kernel_type type)
{
    return type == KERNEL_BF16 || type == KERNEL_F16 ? 2 : 4;
}

INLINE void fetch_ahead(const uint8_t *from, size_t bytes)
{
    _mm_prefetch((const char *)((uintptr_t)from + bytes), _MM_HINT_T0);
}

INLINE void widen(enum kernel_type type, const uint8_t *p, size_t n, float *dst)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        vec_store(dst + i, load(type, p + i * bytes_of(type)));
    for (; i < n; i++)
        dst[i] = load_one(type, p + i * bytes_of(type));
}

/* ---- products by rows ---- */

INLINE void dot_tile(enum kernel_type type, size_t R, size_t M, size_t ahead, const uint8_t *s, size_t stride,
                     size_t k, const float *x, size_t x_stride, float *y, size_t y_stride)
{
    VEC sum[12], row[4];
    size_t size = bytes_of(type), whole = k - k % LANES;

    UNROLL for (size_t j = 0; j < R * M; j++) sum[j] = vec_zero();
    for (size_t i = 0; i < whole; i += LANES) {
        if (ahead && i % (LINE / size) == 0)
            UNROLL for (size_t r = 0; r < R; r++) fetch_ahead(s + r * stride + i * size, ahead);
        UNROLL for (size_t r = 0; r < R; r++) row[r] = load(type, s + r * stride + i * size);
        UNROLL for (size_t j = 0; j < M; j++)
        {
            VEC b = vec_load(x + j * x_stride + i);
            UNROLL for (size_t r = 0; r < R; r++) sum[j * R + r] = vec_fma(row[r], b, sum[j * R + r]);
        }
    }
    UNROLL for (size_t j = 0; j < M; j++) UNROLL for (size_t r = 0; r < R; r++)
    {
        float total = vec_sum(sum[j * R + r]);
        for (size_t i = whole; i < k; i++)
            total += load_one(type, s + r * stride + i * size) * x[j * x_stride + i];
        y[j * y_stride + r] += total;
    }
}

/* One row of x: stored rows in the order of memory, four sums each. */
INLINE void dot_one(enum kernel_type type, const uint8_t *s, size_t stride, size_t n_rows, size_t k,
                    const float *x, float *y)
{
    size_t size = bytes_of(type);

    for (size_t r = 0; r < n_rows; r++, s += stride) {
        VEC sum[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        size_t i = 0;
        float total;

        for (; i + 4 * LANES <= k; i += 4 * LANES) {
            for (size_t at = 0; at < 4 * LANES * size; at += LINE)
                fetch_ahead(s + i * size + at, AHEAD);
            UNROLL for (size_t j = 0; j < 4; j++) sum[j] =
                vec_fma(load(type, s + (i + LANES * j) * size), vec_load(x + i + LANES * j), sum[j]);
        }
        for (; i + LANES <= k; i += LANES)
            sum[0] = vec_fma(load(type, s + i * size), vec_load(x + i), sum[0]);
        total = vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
        for (; i < k; i++)
            total += load_one(type, s + i * size) * x[i];
        y[r] += total;
    }
}

/* Stored rows against M rows of x, R at a time. The first pass over them fetches what comes AHEAD bytes
 * later. */
INLINE void dot_rows(enum kernel_type type, size_t R, size_t M, bool fetch, const uint8_t *s, size_t stride,
                     size_t n_rows, size_t k, const float *x, size_t x_stride, float *y, size_t y_stride)
{
    size_t r = 0, ahead = fetch ? (AHEAD / (R * k * bytes_of(type) + 1) + 1) * R * stride : 0;

    for (; r + R <= n_rows; r += R)
        dot_tile(type, R, M, ahead, s + r * stride, stride, k, x, x_stride, y + r, y_stride);
    for (; r < n_rows; r++)
        dot_tile(type, 1, M, 0, s + r * stride, stride, k, x, x_stride, y + r, y_stride);
}

typedef void dot_pass(bool fetch, const uint8_t *s, size_t stride, size_t n_rows, size_t k, const float *x,
                      size_t x_stride, float *y, size_t y_stride);

/* All rows of x in even shares of at most ROWS_MAX, for each chunk of stored rows. */
INLINE void dot_shares(dot_pass *const passes[ROWS_MAX], const uint8_t *s, size_t stride, size_t n_rows,
                       size_t k, const float *x, size_t x_stride, size_t m, float *y, size_t y_stride)
{
    for (size_t r = 0, n; r < n_rows; r += n) {
        n = m > ROWS_MAX && n_rows - r > CHUNK ? CHUNK : n_rows - r;
        for (size_t row = 0, rows; row < m; row += rows) {
            size_t n_passes = (m - row + ROWS_MAX - 1) / ROWS_MAX;

            rows = (m - row + n_passes - 1) / n_passes;
            passes[rows - 1](row == 0, s + r * stride, stride, n, k, x + row * x_stride, x_stride,
                             y + row * y_stride + r, y_stride);
        }
    }
}

/* ---- products by columns ---- */

/* R stored rows, neighbours, times one or two rows of x; the next R are fetched meanwhile. */
INLINE void stream_rows(enum kernel_type type, size_t R, size_t M, const uint8_t *s, size_t stride, size_t n,
                        const float *x, size_t x_stride, float *y, size_t y_stride)
{
    size_t size = bytes_of(type), c = 0;
    VEC a[2 * 4];

    UNROLL for (size_t j = 0; j < M * R; j++) a[j] = vec_all(x[j / R * x_stride + j % R]);
    for (; c + LANES <= n; c += LANES) {
        VEC sum[2];

        UNROLL for (size_t j = 0; j < M; j++) sum[j] = vec_load(y + j * y_stride + c);
        UNROLL for (size_t r = 0; r < R; r++)
        {
            VEC row = load(type, s + r * stride + c * size);

            if (c % (LINE / size) == 0)
                fetch_ahead(s + r * stride + c * size, R * stride);
            UNROLL for (size_t j = 0; j < M; j++) sum[j] = vec_fma(a[j * R + r], row, sum[j]);
        }
        UNROLL for (size_t j = 0; j < M; j++) vec_store(y + j * y_stride + c, sum[j]);
    }
    for (; c < n; c++)
        for (size_t j = 0; j < M; j++)
            for (size_t r = 0; r < R; r++)
                y[j * y_stride + c] += x[j * x_stride + r] * load_one(type, s + r * stride + c * size);
}

/* One or two rows of x against stored rows in the order of memory. */
INLINE void stream(enum kernel_type type, size_t M, const uint8_t *s, size_t stride, size_t k, size_t n,
                   const float *x, size_t x_stride, float *y, size_t y_stride)
{
    size_t i = 0;

    for (; i + 4 <= k; i += 4)
        stream_rows(type, 4, M, s + i * stride, stride, n, x + i, x_stride, y, y_stride);
    for (; i < k; i++)
        stream_rows(type, 1, M, s + i * stride, stride, n, x + i, x_stride, y, y_stride);
}

INLINE void axpy_tile(enum kernel_type type, size_t M, size_t V, bool fetch, const uint8_t *s, size_t stride,
                      size_t k, const float *x, size_t x_stride, float *y, size_t y_stride)
{
    VEC sum[4 * 3], row[3];

    UNROLL for (size_t j = 0; j < M; j++) UNROLL for (size_t v = 0; v < V; v++) sum[j * V + v] =
        vec_load(y + j * y_stride + LANES * v);
    for (size_t i = 0; i < k; i++, s += stride) {
        if (fetch)
            fetch_ahead(s, STEPS * stride);
        UNROLL for (size_t v = 0; v < V; v++) row[v] = load(type, s + LANES * v * bytes_of(type));
        UNROLL for (size_t j = 0; j < M; j++)
        {
            VEC a = vec_all(x[j * x_stride + i]);
            UNROLL for (size_t v = 0; v < V; v++) sum[j * V + v] = vec_fma(a, row[v], sum[j * V + v]);
        }
    }
    UNROLL for (size_t j = 0; j < M; j++) UNROLL for (size_t v = 0; v < V; v++)
        vec_store(y + j * y_stride + LANES * v, sum[j * V + v]);
}

/* All columns of a task for M rows of y. */
INLINE void axpy_columns(enum kernel_type type, size_t M, bool fetch, const uint8_t *s, size_t stride,
                         size_t k, size_t n, const float *x, size_t x_stride, float *y, size_t y_stride)
{
    size_t size = bytes_of(type), c = 0;

    if (fetch)
        for (; c + 3 * LANES <= n; c += 3 * LANES)
            axpy_tile(type, M, 3, true, s + c * size, stride, k, x, x_stride, y + c, y_stride);
    for (; c + 3 * LANES <= n; c += 3 * LANES)
        axpy_tile(type, M, 3, false, s + c * size, stride, k, x, x_stride, y + c, y_stride);
    for (; c + LANES <= n; c += LANES)
        axpy_tile(type, M, 1, true, s + c * size, stride, k, x, x_stride, y + c, y_stride);
    for (; c < n; c++)
        for (size_t j = 0; j < M; j++) {
            float sum = y[j * y_stride + c];

            for (size_t i = 0; i < k; i++)
                sum += x[j * x_stride + i] * load_one(type, s + i * stride + c * size);
            y[j * y_stride + c] = sum;
        }
}

typedef void axpy_pass(bool fetch, const uint8_t *s, size_t stride, size_t k, size_t n, const float *x,
                       size_t x_stride, float *y, size_t y_stride);

INLINE void axpy_shares(axpy_pass *const passes[4], const uint8_t *s, size_t stride, size_t k, size_t n,
                        const float *x, size_t x_stride, size_t m, float *y, size_t y_stride)
{
    for (size_t at = 0; at < k; at += STEPS) {
        size_t steps = k - at < STEPS ? k - at : STEPS;

        for (size_t row = 0, rows; row < m; row += rows) {
            size_t n_passes = (m - row + 3) / 4;

            rows = (m - row + n_passes - 1) / n_passes;
            passes[rows - 1](row == 0, s + at * stride, stride, steps, n, x + row * x_stride + at, x_stride,
                             y + row * y_stride, y_stride);
        }
    }
}

/* ---- blocks ---- */

struct block_layout {
    size_t elements, bytes, scale; /* elements that share one */
    bool has_least;
};

#define SCALES_CASE(NAME, DTYPE, ...)                                                                        \
    case KERNEL_##DTYPE:                                                                                     \
        NAME##_scales(block, step, least);                                                                   \
        break;
#define GROUP_CASE(NAME, DTYPE, ...)                                                                         \
    case KERNEL_##DTYPE:                                                                                     \
        NAME##_group(block, g, q);                                                                           \
        break;

INLINE void block_scales(enum kernel_type type, const uint8_t *block, float *step, float *least)
{
    switch (type) {
        KERNEL_BLOCKS(SCALES_CASE)
    default:
        break;
    }
}

INLINE void block_group(enum kernel_type type, const uint8_t *block, size_t g, __m256i q[2])
{
    switch (type) {
        KERNEL_BLOCKS(GROUP_CASE)
    default:
        break;
    }
}

INLINE void block_steps(enum kernel_type type, struct block_layout b, const uint8_t *block, float *step,
                        float *least)
{
    block_scales(type, block, step, least);
    UNROLL for (size_t i = 0; BYTE_UNIT != 1 && i < b.elements / b.scale; i++) step[i] *= 1 / BYTE_UNIT;
}

INLINE void widen_blocks(enum kernel_type type, struct block_layout b, const uint8_t *p, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i += b.elements, p += b.bytes) {
        float step[QUANT_MOST_SCALES], least[QUANT_MOST_SCALES];

        block_steps(type, b, p, step, least);
        UNROLL for (size_t at = 0; at < b.elements; at += 32)
        {
            __m256i q[2];

            block_group(type, p, at / 32, q);
            UNROLL for (size_t v = 0; v < 32; v += LANES)
            {
                VEC d = vec_all(step[(at + v) / b.scale]), value = vec_of_bytes(q[v / 16], v % 16 / LANES);

                value =
                    b.has_least ? vec_fma(d, value, vec_all(least[(at + v) / b.scale])) : vec_mul(d, value);
                vec_store(dst + i + at + v, value);
            }
        }
    }
}

/* sum += block . x. What shares a scale is summed before it is scaled, unless each element has something
 * added. */
INLINE void dot_block(enum kernel_type type, struct block_layout b, const uint8_t *block, const float *x,
                      VEC sum[4])
{
    float step[QUANT_MOST_SCALES], least[QUANT_MOST_SCALES];

    block_steps(type, b, block, step, least);
    UNROLL for (size_t at = 0; at < b.elements; at += 32)
    {
        VEC part = vec_zero();
        __m256i q[2];

        block_group(type, block, at / 32, q);
        UNROLL for (size_t v = 0; v < 32; v += LANES)
        {
            VEC d = vec_all(step[(at + v) / b.scale]), value = vec_of_bytes(q[v / 16], v % 16 / LANES);
            VEC with = vec_load(x + at + v);
            size_t s = (at + v) / LANES % 4;

            if (b.has_least) {
                value = vec_fma(d, value, vec_all(least[(at + v) / b.scale]));
                sum[s] = vec_fma(value, with, sum[s]);
                continue;
            }
            part = v % b.scale ? vec_fma(value, with, part) : vec_mul(value, with);
            if ((v + LANES) % b.scale == 0)
                sum[s] = vec_fma(d, part, sum[s]);
        }
    }
}

INLINE void dot_blocks(enum kernel_type type, struct block_layout b, const uint8_t *s, size_t stride,
                       size_t n_rows, size_t k, const float *x, float *y)
{
    for (size_t r = 0; r < n_rows; r++, s += stride) {
        VEC sum[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        const uint8_t *p = s;

        for (size_t i = 0; i < k; i += b.elements, p += b.bytes) {
            for (size_t at = 0; at < b.bytes; at += LINE)
                fetch_ahead(p + at, AHEAD);
            dot_block(type, b, p, x + i, sum);
        }
        y[r] += vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
    }
}

/* ---- the table ---- */

#define DOT_PASS(NAME, TYPE, M, R)                                                                           \
    TARGET static void dot_##M##_##NAME(bool fetch, const uint8_t *s, size_t stride, size_t n_rows,          \
                                        size_t k, const float *x, size_t x_stride, float *y,                 \
                                        size_t y_stride)                                                     \
    {                                                                                                        \
        dot_rows(TYPE, R, M, fetch, s, stride, n_rows, k, x, x_stride, y, y_stride);                         \
    }

#define AXPY_PASS(NAME, TYPE, M)                                                                             \
    TARGET static void axpy_##M##_##NAME(bool fetch, const uint8_t *s, size_t stride, size_t k, size_t n,    \
                                         const float *x, size_t x_stride, float *y, size_t y_stride)         \
    {                                                                                                        \
        axpy_columns(TYPE, M, fetch, s, stride, k, n, x, x_stride, y, y_stride);                             \
    }

#define FLOAT_LOOPS(NAME, TYPE)                                                                              \
    TARGET static void widen_##NAME(const void *src, size_t n, float *dst)                                   \
    {                                                                                                        \
        widen(TYPE, src, n, dst);                                                                            \
    }                                                                                                        \
                                                                                                             \
    TARGET static void dot_1_##NAME(bool fetch, const uint8_t *s, size_t stride, size_t n_rows, size_t k,    \
                                    const float *x, size_t x_stride, float *y, size_t y_stride)              \
    {                                                                                                        \
        (void)fetch, (void)x_stride, (void)y_stride;                                                         \
        dot_one(TYPE, s, stride, n_rows, k, x, y);                                                           \
    }                                                                                                        \
                                                                                                             \
    DOT_PASS(NAME, TYPE, 2, 4)                                                                               \
    DOT_PASS(NAME, TYPE, 3, 3)                                                                               \
    DOT_PASS(NAME, TYPE, 4, 3)                                                                               \
    DOT_PASS(NAME, TYPE, 5, 2)                                                                               \
    DOT_PASS(NAME, TYPE, 6, 2)                                                                               \
                                                                                                             \
    TARGET static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const float *x,  \
                                  size_t x_stride, size_t m, float *y, size_t y_stride)                      \
    {                                                                                                        \
        static dot_pass *const passes[ROWS_MAX] = {dot_1_##NAME, dot_2_##NAME, dot_3_##NAME,                 \
                                                   dot_4_##NAME, dot_5_##NAME, dot_6_##NAME};                \
        dot_shares(passes, s, stride, n_rows, k, x, x_stride, m, y, y_stride);                               \
    }                                                                                                        \
                                                                                                             \
    AXPY_PASS(NAME, TYPE, 1)                                                                                 \
    AXPY_PASS(NAME, TYPE, 2)                                                                                 \
    AXPY_PASS(NAME, TYPE, 3)                                                                                 \
    AXPY_PASS(NAME, TYPE, 4)                                                                                 \
                                                                                                             \
    TARGET static void axpy_##NAME(const uint8_t *s, size_t stride, size_t k, size_t n, const float *x,      \
                                   size_t x_stride, size_t m, float *y, size_t y_stride)                     \
    {                                                                                                        \
        static axpy_pass *const passes[4] = {axpy_1_##NAME, axpy_2_##NAME, axpy_3_##NAME, axpy_4_##NAME};    \
        if (m == 1)                                                                                          \
            stream(TYPE, 1, s, stride, k, n, x, x_stride, y, y_stride);                                      \
        else if (m == 2)                                                                                     \
            stream(TYPE, 2, s, stride, k, n, x, x_stride, y, y_stride);                                      \
        else                                                                                                 \
            axpy_shares(passes, s, stride, k, n, x, x_stride, m, y, y_stride);                               \
    }

#define BLOCK_LOOPS(NAME, DTYPE, ...)                                                                        \
    TARGET static void widen_##NAME(const void *src, size_t n, float *dst)                                   \
    {                                                                                                        \
        widen_blocks(KERNEL_##DTYPE, (struct block_layout){__VA_ARGS__}, src, n, dst);                       \
    }                                                                                                        \
                                                                                                             \
    TARGET static void dot_##NAME(const uint8_t *s, size_t stride, size_t n_rows, size_t k, const float *x,  \
                                  size_t x_stride, size_t m, float *y, size_t y_stride)                      \
    {                                                                                                        \
        for (size_t row = 0; row < m; row++)                                                                 \
            dot_blocks(KERNEL_##DTYPE, (struct block_layout){__VA_ARGS__}, s, stride, n_rows, k,             \
                       x + row * x_stride, y + row * y_stride);                                              \
    }

FLOAT_LOOPS(f32, KERNEL_F32)
FLOAT_LOOPS(bf16, KERNEL_BF16)
FLOAT_LOOPS(f16, KERNEL_F16)
KERNEL_BLOCKS(BLOCK_LOOPS)

#define WIDEN_BLOCK(NAME, DTYPE, ...) [KERNEL_##DTYPE] = widen_##NAME,
#define DOT_BLOCK(NAME, DTYPE, ...) [KERNEL_##DTYPE] = dot_##NAME,

static const struct kernels table = {
    .name = TABLE,
    .widen = {widen_f32, widen_bf16, widen_f16, widen_f32, KERNEL_BLOCKS(WIDEN_BLOCK)},
    .dot = {dot_f32, dot_bf16, dot_f16, dot_f32, KERNEL_BLOCKS(DOT_BLOCK)},
    .axpy = {axpy_f32, axpy_bf16, axpy_f16, axpy_f32},
};
