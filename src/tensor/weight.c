#include "weight.h"

#include <assert.h>
#include <cblas.h>
#include <stdlib.h>

#include "blas.h"
#include "kernels.h"
#include "memory.h"

/* Every product here is y [m, n] += x [m, k] B [k, n], where B is read from stored rows S in one of two ways:
 *
 *   by rows      S is [n, k], B = S^T: each stored row gives one column of y   (x W^T of a weight stored
 * [out, in]) by columns   S is [k, n], B = S: stored rows are added up into y           (dy W of it; x W^T of
 * a Conv1D)
 *
 * Work is cut into blocks of columns of y, and each block into panels of S that are converted to numbers in
 * the worker's scratch. The borders depend on shapes alone. For few rows of x (up to SMALL_ROWS) the panels
 * feed our own kernels, else sgemm. A product by columns with few columns is cut along k instead, into parts
 * with sums of their own, which are added up in order. */

enum {
    SMALL_ROWS = 64,    /* at most so many rows of x go to our own kernels */
    GEMM_COLUMNS = 256, /* a converted panel for sgemm: 768 KiB, about what a second-level cache holds */
    GEMM_DEPTH = 768,
    GEMM_COLUMNS_MIN = 96, /* sgemm packs x again for each block of columns and S for each block of rows: */
    GEMM_ROWS_MIN = 512,   /* at least so many of them, that it does little else than multiply */
    GEMM_BLOCKS = 4,       /* of columns, unless they would be narrower */
    DOT_ROWS = 12,         /* rows and depth of a converted panel for our own products by rows: 24 KiB */
    DOT_DEPTH = 512,
    CACHE_LINE = 64,
    SMALL_PANEL = 16384, /* numbers in a converted panel for those by columns */
    STRIP_COLUMNS = 512, /* most columns of a task of a small product by columns that is not cut into parts */
    PARTS_MAX = 16,      /* parts along k */
    PART_DEPTH = 512,
    TASK_BYTES = 256 << 10, /* stored bytes worth a task of its own */
    TASKS_WANTED = 8        /* so that threads of any usual number share evenly */
};

struct product {
    struct pool *pool;
    const struct kernels *kernels;
    const uint8_t *s; /* first stored element */
    enum dtype dtype;
    enum kernel_type kernel; /* KERNEL_TYPES: converted first */
    size_t stride;           /* elements from row to row */
    size_t run, step;        /* of the weight's rows, see there */
    const double *delta;     /* dense change at the same place, or NULL */
    bool by_rows;
    size_t m, n, k;
    const real *x, *bias;
    real *y;
    bool accumulate;
    void (*task)(void *user, size_t task, unsigned worker);
    size_t n_tasks, columns, depth; /* columns of y in a task; depth along k in a part */
    size_t rows;                    /* of y in a task for sgemm */
    size_t n_parts;
    real *parts; /* [n_parts, m, n] when n_parts > 1 */
};

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t round_up(size_t a, size_t to)
{
    return ceil_div(a, to) * to;
}

static void gemm(enum CBLAS_TRANSPOSE transpose, size_t m, size_t n, size_t k, const real *x, size_t x_stride,
                 const real *b, size_t b_stride, real *y, size_t y_stride)
{
#ifdef LANCET_REAL_DOUBLE
    cblas_dgemm(
#else
    cblas_sgemm(
#endif
        CblasRowMajor, CblasNoTrans, transpose, (blasint)m, (blasint)n, (blasint)k, 1, x, (blasint)x_stride,
        b, (blasint)b_stride, 1, y, (blasint)y_stride);
}

/* Where n stored elements end; the columns of tasks and panels keep to whole blocks. */
static size_t span(const struct product *p, size_t n)
{
    return dtype_extent(p->dtype, n);
}

/* Where a row of a weight is stored, counted from its first. */
static size_t stored_row(size_t run, size_t step, size_t row)
{
    return run ? row / run * step + row % run : row;
}

/* How many rows from this one on are stored behind one another, at most `most`. */
static size_t rows_together(const struct product *p, size_t row, size_t most)
{
    return p->run ? min_size(most, p->run - row % p->run) : most;
}

static void fetch(const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += CACHE_LINE)
        __builtin_prefetch(from + i);
}

/* n_rows x width stored elements from (row, column) as numbers; *stride is the distance of the rows then.
 * Elements that are numbers already are used where they lie. The rows are stored together. With `next`, as
 * many rows behind these are fetched meanwhile: short parts of rows are nothing that a processor foresees. */
static const real *panel(const struct product *p, size_t row, size_t n_rows, size_t column, size_t width,
                         bool next, real *scratch, size_t *stride)
{
    size_t stored = stored_row(p->run, p->step, row);
    const uint8_t *first = p->s + span(p, stored * p->stride + column);

    if (p->dtype == (sizeof(real) == 4 ? DTYPE_F32 : DTYPE_F64) && !p->delta &&
        (uintptr_t)first % sizeof(real) == 0) {
        *stride = p->stride;
        return (const real *)(const void *)first;
    }
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *from = first + r * span(p, p->stride);

        if (next)
            fetch((const uint8_t *)((uintptr_t)from + n_rows * span(p, p->stride)), span(p, width));
        if (p->kernel != KERNEL_TYPES)
            p->kernels->widen[p->kernel](from, width, scratch + r * width);
        else
            rows_to_real(p->dtype, from, width, scratch + r * width);
        if (p->delta)
            for (size_t c = 0; c < width; c++)
                scratch[r * width + c] += (real)p->delta[(stored + r) * p->stride + column + c];
    }
    *stride = width;
    return scratch;
}

/* Columns [column, column + width) of y before anything is added. */
static void begin_columns(const struct product *p, size_t column, size_t width)
{
    for (size_t row = 0; row < p->m && !p->accumulate; row++) {
        real *y = p->y + row * p->n + column;

        if (p->bias)
            memcpy(y, p->bias + column, width * sizeof *y);
        else
            memset(y, 0, width * sizeof *y);
    }
}

/* y += x [m, depth] S^T, S the stored rows from `row` on, from column `at` on. */
static void gemm_by_rows(const struct product *p, size_t row, size_t n_rows, size_t at, size_t depth,
                         real *scratch)
{
    size_t stride;

    for (size_t end = row + n_rows, n; row < end; row += n) {
        const real *b;

        n = rows_together(p, row, end - row);
        b = panel(p, row, n, at, depth, false, scratch, &stride);
        gemm(CblasTrans, p->m, n, depth, p->x + at, p->k, b, stride, p->y + row, p->n);
    }
}

/* y += x [m, depth] S, S the stored rows from `at` on, from `column` on. */
static void gemm_by_columns(const struct product *p, size_t column, size_t width, size_t at, size_t depth,
                            real *scratch)
{
    size_t stride;

    for (size_t end = at + depth, n; at < end; at += n) {
        const real *b;

        n = rows_together(p, at, end - at);
        b = panel(p, at, n, column, width, false, scratch, &stride);
        gemm(CblasNoTrans, p->m, width, n, p->x + at, p->k, b, stride, p->y + column, p->n);
    }
}

/* Task = block of rows * blocks of columns + block. */
static void gemm_task(void *user, size_t task, unsigned worker)
{
    struct product p = *(const struct product *)user;
    size_t n_blocks = ceil_div(p.n, p.columns), first = task / n_blocks * p.rows,
           column = task % n_blocks * p.columns, width = min_size(p.columns, p.n - column);
    real *scratch = pool_scratch(p.pool, worker);

    p.x += first * p.k;
    p.y += first * p.n;
    p.m = min_size(p.rows, p.m - first);
    blas_single_thread();
    begin_columns(&p, column, width);
    for (size_t at = 0; at < p.k; at += p.depth)
        (p.by_rows ? gemm_by_rows : gemm_by_columns)(&p, column, width, at, min_size(p.depth, p.k - at),
                                                     scratch);
}

/* Whether the kernels can read stored elements; else they get converted panels. Blocks are converted once for
 * all rows of x when there are several. */
static bool reads_stored(const struct product *p)
{
    return !p->delta && (p->kernel < KERNEL_FLOATS || (p->kernel < KERNEL_TYPES && p->by_rows && p->m == 1));
}

/* Even parts of at most DOT_DEPTH, in whole blocks. */
static size_t dot_depth(const struct product *p)
{
    size_t n_parts = ceil_div(p->k, DOT_DEPTH), block = dtype_facts(p->dtype)->block_elements;

    return n_parts ? round_up(ceil_div(p->k, n_parts), block < 16 ? 16 : block) : 0;
}

/* y += x S^T for stored rows [first, end) from column `at` on; x lies there already. */
static void dot_columns(const struct product *p, size_t first, size_t end, size_t at, size_t depth,
                        const real *x, size_t x_stride, real *scratch)
{
    size_t rows_most = reads_stored(p) ? end - first : DOT_ROWS, stride, n;

    for (size_t row = first; row < end; row += n) {
        n = rows_together(p, row, min_size(rows_most, end - row));
        if (reads_stored(p)) {
            p->kernels->dot[p->kernel](p->s + span(p, stored_row(p->run, p->step, row) * p->stride + at),
                                       span(p, p->stride), n, depth, x, x_stride, p->m, p->y + row, p->n);
        } else {
            const real *s = panel(p, row, n, at, depth, true, scratch, &stride);
            p->kernels->dot[KERNEL_REAL]((const uint8_t *)s, stride * sizeof *s, n, depth, x, x_stride, p->m,
                                         p->y + row, p->n);
        }
    }
}

/* One or two rows of x are used where they lie. More are cut into parts of DOT_DEPTH, and a part is copied to
 * where its rows are neighbours: caches have no room for many rows a power of two apart. */
static void dot_task(void *user, size_t task, unsigned worker)
{
    const struct product *p = user;
    size_t first = task * p->columns, end = first + min_size(p->columns, p->n - first);
    size_t depth_most = p->m <= 2 && reads_stored(p) ? p->k : dot_depth(p);
    real *copy = pool_scratch(p->pool, worker), *scratch = copy + (size_t)SMALL_ROWS * DOT_DEPTH;

    begin_columns(p, first, end - first);
    for (size_t at = 0, depth; at < p->k; at += depth) {
        const real *x = p->x + at;
        bool copied = p->m > 2;

        depth = min_size(depth_most, p->k - at);
        for (size_t row = 0; copied && row < p->m; row++)
            memcpy(copy + row * depth, x + row * p->k, depth * sizeof *copy);
        dot_columns(p, first, end, at, depth, copied ? copy : x, copied ? depth : p->k, scratch);
    }
}

/* Task = part * blocks of columns + block. */
static void axpy_task(void *user, size_t task, unsigned worker)
{
    const struct product *p = user;
    size_t n_blocks = ceil_div(p->n, p->columns), part = task / n_blocks,
           column = task % n_blocks * p->columns;
    size_t width = min_size(p->columns, p->n - column), at = part * p->depth,
           end = min_size(at + p->depth, p->k);
    size_t width_most = min_size(width, SMALL_PANEL), depth_most = SMALL_PANEL / width_most, stride, n;
    real *scratch = pool_scratch(p->pool, worker), *y = p->y + column;

    if (p->n_parts > 1) {
        y = p->parts + part * p->m * p->n + column;
        for (size_t row = 0; row < p->m; row++)
            memset(y + row * p->n, 0, width * sizeof *y);
    } else {
        begin_columns(p, column, width);
    }
    for (; reads_stored(p) && at < end; at += n) {
        n = rows_together(p, at, end - at);
        p->kernels->axpy[p->kernel](p->s + span(p, stored_row(p->run, p->step, at) * p->stride + column),
                                    span(p, p->stride), n, width, p->x + at, p->k, p->m, y, p->n);
    }
    for (; at < end; at += n) {
        n = rows_together(p, at, min_size(depth_most, end - at));
        for (size_t c = 0; c < width; c += width_most) {
            size_t strip = min_size(width_most, width - c);
            const real *s = panel(p, at, n, column + c, strip, true, scratch, &stride);

            p->kernels->axpy[KERNEL_REAL]((const uint8_t *)s, stride * sizeof *s, n, strip, p->x + at, p->k,
                                          p->m, y + c, p->n);
        }
    }
}

/* One row of y: what it starts from, then all parts in order. */
static void add_parts_task(void *user, size_t row, unsigned worker)
{
    const struct product *p = user;
    real *y = p->y + row * p->n;

    (void)worker;
    if (!p->accumulate)
        memset(y, 0, p->n * sizeof *y);
    for (size_t part = 0; part < p->n_parts; part++) {
        const real *add = p->parts + (part * p->m + row) * p->n;

        for (size_t c = 0; c < p->n; c++)
            y[c] += add[c];
    }
}

/* Columns of y in a task, at most `most`, so that there are enough tasks to share and each is worth its
 * start. */
static size_t task_columns(const struct product *p, size_t most, size_t unit)
{
    size_t worth = ceil_div(TASK_BYTES / 8, span(p, p->k) + 1);
    size_t shared = ceil_div(p->n, TASKS_WANTED);

    return round_up(min_size(most, shared > worth ? shared : worth), unit);
}

/* Columns of y are columns of S in a product by columns, which are taken in whole blocks. */
static size_t column_unit(const struct product *p, size_t unit)
{
    size_t block = dtype_facts(p->dtype)->block_elements;

    return p->by_rows || block < unit ? unit : block;
}

/* An even number of blocks of columns, for two threads; where they are few, rows are cut too. */
static void plan_gemm(struct product *p)
{
    size_t blocks = round_up(max_size(ceil_div(p->n, GEMM_COLUMNS), GEMM_BLOCKS), 2), row_blocks;

    p->task = gemm_task;
    p->depth = GEMM_DEPTH;
    p->columns = round_up(max_size(ceil_div(p->n, blocks), GEMM_COLUMNS_MIN), column_unit(p, 16));
    blocks = ceil_div(p->n, p->columns);
    row_blocks = max_size(min_size(ceil_div(TASKS_WANTED, blocks), p->m / GEMM_ROWS_MIN), 1);
    p->rows = ceil_div(p->m, row_blocks);
    p->n_tasks = blocks * ceil_div(p->m, p->rows);
}

/* How a product is cut into tasks. With parts allowed, false when there is no memory for their sums. */
static bool plan(struct product *p, bool parts_allowed)
{
    p->depth = p->k;
    p->n_parts = 1;
    p->n_tasks = 0;
    if (p->m == 0 || p->n == 0)
        return true;
    if (p->m > SMALL_ROWS) {
        plan_gemm(p);
        return true;
    }
    if (p->by_rows) {
        p->task = dot_task;
        p->columns = task_columns(p, ceil_div(TASK_BYTES, span(p, p->k) + 1), 4);
    } else {
        p->task = axpy_task;
        p->columns = task_columns(p, STRIP_COLUMNS, column_unit(p, 64));
        if (parts_allowed && p->k >= 2 * PART_DEPTH && p->n <= TASKS_WANTED * STRIP_COLUMNS) {
            p->n_parts = min_size(PARTS_MAX, p->k / PART_DEPTH);
            p->depth = ceil_div(p->k, p->n_parts);
            p->n_parts = ceil_div(p->k, p->depth);
            p->columns = p->n;
            p->parts = memory_aligned(p->n_parts, p->m * p->n * sizeof *p->parts);
            if (!p->parts)
                return false;
        }
    }
    p->n_tasks = p->n_parts * ceil_div(p->n, p->columns);
    return true;
}

static bool run_with_parts(struct product *p)
{
    if (!plan(p, true))
        return false;
    pool_run(p->pool, p->n_tasks, p->task, p);
    if (p->n_parts > 1)
        pool_run(p->pool, p->m, add_parts_task, p);
    free(p->parts);
    p->parts = NULL;
    return true;
}

/* The stored bytes of a weight, those of its overlay before those of the file. */
static const uint8_t *weight_bytes(const struct weight *w, const struct overlay_entry *entry)
{
    return entry && entry->bytes ? entry->bytes : w->tensor->data;
}

/* Elements from one stored row to the next. */
static size_t stored_stride(const struct weight *w)
{
    return w->transposed ? (size_t)w->tensor->shape[w->tensor->rank - 1] : w->in;
}

static struct product product_of(const struct context *context, const struct weight *w,
                                 const struct overlay_entry *entry, bool forward)
{
    size_t stride = stored_stride(w), first = w->transposed ? w->first_out : w->first_out * stride;

    return (struct product){
        .pool = context->pool,
        .kernels = kernels_best(),
        .s = weight_bytes(w, entry) + dtype_extent(w->tensor->dtype, first),
        .dtype = w->tensor->dtype,
        .kernel = kernel_type_of(w->tensor->dtype),
        .stride = stride,
        .run = w->run,
        .step = w->step,
        .delta = entry && entry->delta ? entry->delta + first : NULL,
        .by_rows = forward != w->transposed,
        .n = forward ? w->out : w->in,
        .k = forward ? w->in : w->out,
    };
}

/* The factors of an overlay seen as W + scale * sum over j of a_j b_j^T, a_j along out, b_j along in. */
struct factors {
    size_t rank, a_stride, b_stride;
    const double *a, *b;
    double scale;
};

static struct factors factors_of(const struct weight *w, const struct overlay_entry *entry)
{
    size_t columns = stored_stride(w);
    size_t rows = columns ? (size_t)(w->tensor->elements / columns) : 0;

    if (!entry || !entry->rank)
        return (struct factors){0};
    return w->transposed ? (struct factors){entry->rank, columns,     rows, entry->right + w->first_out,
                                            entry->left, entry->scale}
                         : (struct factors){entry->rank,  rows,        columns, entry->left + w->first_out,
                                            entry->right, entry->scale};
}

/* y [m, n] += scale * sum over j of (x . from_j) to_j, one row of x a task. */
struct factor_product {
    const real *x;
    real *y;
    size_t n, k, rank, from_stride, to_stride;
    const double *from, *to;
    double scale;
    size_t from_run, to_run, step; /* of the side that lies along stored rows; the other's run is 0 */
};

static void factor_task(void *user, size_t row, unsigned worker)
{
    const struct factor_product *p = user;
    const real *x = p->x + row * p->k;
    real *y = p->y + row * p->n;

    (void)worker;
    for (size_t j = 0; j < p->rank; j++) {
        const double *from = p->from + j * p->from_stride, *to = p->to + j * p->to_stride;
        double dot = 0;

        for (size_t i = 0; i < p->k; i++)
            dot += from[stored_row(p->from_run, p->step, i)] * (double)x[i];
        dot *= p->scale;
        for (size_t i = 0; i < p->n; i++)
            y[i] = (real)((double)y[i] + dot * to[stored_row(p->to_run, p->step, i)]);
    }
}

/* What the factors of an overlay add to y [m, n]: to x W^T forward, to dy W backward. */
static void add_factors(const struct context *context, const struct weight *w,
                        const struct overlay_entry *entry, bool forward, const real *x, size_t m, real *y)
{
    struct factors f = factors_of(w, entry);
    struct factor_product p =
        forward ? (struct factor_product){x,   y,   w->out,  w->in, f.rank, f.b_stride, f.a_stride,
                                          f.b, f.a, f.scale, 0,     w->run, w->step}
                : (struct factor_product){x,   y,   w->in,   w->out, f.rank, f.a_stride, f.b_stride,
                                          f.a, f.b, f.scale, w->run, 0,      w->step};

    if (f.rank)
        pool_run(context->pool, m, factor_task, &p);
}

static void several_task(void *user, size_t task, unsigned worker)
{
    struct product *p = user;

    for (; task >= p->n_tasks; p++)
        task -= p->n_tasks;
    p->task(p, task, worker);
}

void weight_matmul_several(const struct context *context, const struct weight_product *products, size_t n,
                           const real *x, size_t m)
{
    struct product plans[WEIGHT_PRODUCTS_MAX];
    const struct overlay_entry *entries[WEIGHT_PRODUCTS_MAX];
    size_t n_tasks = 0;

    assert(n <= WEIGHT_PRODUCTS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct weight *w = products[i].weight;
        struct product *p = &plans[i];

        entries[i] = overlay_find(w->overlay, w->tensor);
        *p = product_of(context, w, entries[i], true);
        p->x = x;
        p->m = m;
        p->y = products[i].y;
        p->bias = products[i].bias;
        plan(p, false);
        n_tasks += p->n_tasks;
    }
    pool_run(context->pool, n_tasks, several_task, plans);
    for (size_t i = 0; i < n; i++)
        add_factors(context, products[i].weight, entries[i], true, x, m, products[i].y);
}

void weight_matmul(const struct context *context, const struct weight *w, const real *bias, const real *x,
                   size_t m, real *y)
{
    weight_matmul_several(context, &(struct weight_product){w, bias, y}, 1, x, m);
}

bool weight_matmul_transposed(const struct context *context, const struct weight *w, const real *dy, size_t m,
                              bool accumulate, real *dx, struct error *err)
{
    const struct overlay_entry *entry = overlay_find(w->overlay, w->tensor);
    struct product p = product_of(context, w, entry, false);

    p.x = dy;
    p.m = m;
    p.y = dx;
    p.accumulate = accumulate;
    if (!run_with_parts(&p))
        return error_memory(err, "multiplying by a transposed weight");
    add_factors(context, w, entry, false, dy, m, dx);
    return true;
}

/* One stored element, with delta and factors, for the strided reads of a transposed weight. */
static void read_row(const struct weight *w, const struct overlay_entry *entry, size_t row, real *out)
{
    size_t stride = stored_stride(w), step = w->transposed ? stride : 1,
           stored = stored_row(w->run, w->step, row);
    size_t first = w->transposed ? w->first_out + row : (w->first_out + stored) * stride;
    const uint8_t *bytes = weight_bytes(w, entry);
    struct factors f = factors_of(w, entry);

    if (step == 1)
        rows_slice_real(w->tensor->dtype, bytes, first, w->in, out);
    for (size_t i = 0; step != 1 && i < w->in; i++)
        rows_slice_real(w->tensor->dtype, bytes, first + i * step, 1, out + i);
    if (entry && entry->delta)
        for (size_t i = 0; i < w->in; i++)
            out[i] = (real)((double)out[i] + entry->delta[first + i * step]);
    for (size_t j = 0; j < f.rank; j++) {
        double a = f.scale * f.a[j * f.a_stride + stored];

        for (size_t i = 0; i < w->in; i++)
            out[i] = (real)((double)out[i] + a * f.b[j * f.b_stride + i]);
    }
}

void weight_rows(const struct weight *w, size_t first, size_t n, real *out)
{
    const struct overlay_entry *entry = overlay_find(w->overlay, w->tensor);

    assert(first <= w->out && n <= w->out - first);
    for (size_t r = 0; r < n; r++)
        read_row(w, entry, first + r, out + r * w->in);
}

void weight_vector(const struct weight *w, real *out)
{
    const struct overlay_entry *entry = overlay_find(w->overlay, w->tensor);
    size_t rows, columns;

    overlay_shape(w->tensor, &rows, &columns);
    for (size_t i = 0, n; i < w->out; i += n) {
        n = w->run ? min_size(w->run, w->out - i) : w->out;
        rows_slice_real(w->tensor->dtype, weight_bytes(w, entry),
                        w->first_out + stored_row(w->run, w->step, i), n, out + i);
    }
    for (size_t i = 0; entry && i < w->out; i++) {
        size_t at = w->first_out + stored_row(w->run, w->step, i);
        double value = (double)out[i];

        if (entry->delta)
            value += entry->delta[at];
        for (size_t j = 0; j < entry->rank; j++)
            value += entry->scale * entry->left[j * rows + at / columns] *
                     entry->right[j * columns + at % columns];
        out[i] = (real)value;
    }
}
