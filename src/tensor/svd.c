/* With D the matrix, its longer side cut into lines [side], side the shorter one (so that what is held is
 * small), and k vectors Q [k, side], orthonormal, at first random:
 *
 *     twice:  Y = D Q^T,  Z = Y^T D,  Q = orthonormal rows of Z         (subspace iteration)
 *     Y = D Q^T,  G = Y^T Y = E diag(s^2) E^T,  V = E^T Q               (singular values, right vectors)
 *     Y = D V^T:  |line|^2 - y_1^2 - ... - y_i^2                        (norms of what i components leave)
 *
 * Each arrow reads D once. Lines are taken STRIPS * STRIP at a time. A strip is a task that reads its lines
 * and multiplies them by Q; then tiles of Z are tasks that add up the strips in their order. */
#include "svd.h"

#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "blas.h"
#include "memory.h"
#include "random.h"

enum { STRIP = 64, STRIPS = 8, TILE = 128, ROUNDS = 2, QR_BLOCK = 64 };

struct svd_work {
    const struct context *context;
    const struct svd_matrix *matrix;
    bool wide; /* lines are columns: a strip is [side, lines], else [lines, side] */
    size_t side, k;
    uint64_t n_lines;

    double *vectors;  /* [k, side] Q or V */
    double *sums;     /* [k, side] Z */
    double *strips;   /* [STRIPS][STRIP * side] */
    double *products; /* [STRIPS * STRIP, k] Y of this block */
    double *gram;     /* [k, k] */
    double *lapack;   /* workspace, and scalars of the reflectors */
    double *squares;  /* [side] sums over the lines of D^2 */
    double *maxima;   /* [STRIPS][k + 1] largest square of what is left of a line */
    double *totals;   /* [STRIPS][k + 1] their sums */

    uint64_t first; /* line of this block */
    size_t in_block;
    bool residual; /* the last pass */
};

static size_t lines_of_strip(const struct svd_work *w, size_t strip)
{
    size_t begin = strip * STRIP;
    return w->in_block - begin < STRIP ? w->in_block - begin : STRIP;
}

/* ---- tasks ---- */

/* What is left of each line of a strip after 0 .. k components. */
static void measure_lines(struct svd_work *w, const double *strip, const double *y, size_t lines,
                          double *maxima, double *totals)
{
    for (size_t l = 0; l < lines; l++) {
        double sums[4] = {0};
        for (size_t i = 0; i < w->side; i++) {
            double d = w->wide ? strip[i * lines + l] : strip[l * w->side + i];
            sums[i % 4] += d * d;
        }
        double left = (sums[0] + sums[2]) + (sums[1] + sums[3]);
        for (size_t i = 0;; i++) {
            totals[i] += left > 0 ? left : 0;
            maxima[i] = left > maxima[i] ? left : maxima[i];
            if (i == w->k)
                break;
            left -= y[l * w->k + i] * y[l * w->k + i];
        }
    }
}

static void strip_task(void *user, size_t task, unsigned worker)
{
    struct svd_work *w = user;
    size_t lines = lines_of_strip(w, task), n = w->side;
    uint64_t line = w->first + task * STRIP;
    double *strip = w->strips + task * STRIP * n, *y = w->products + task * STRIP * w->k;

    (void)worker;
    if (w->wide)
        w->matrix->block(w->matrix->user, 0, n, line, lines, strip);
    else
        w->matrix->block(w->matrix->user, line, lines, 0, n, strip);
    blas_single_thread();
    cblas_dgemm(CblasRowMajor, w->wide ? CblasTrans : CblasNoTrans, CblasTrans, (blasint)lines, (blasint)w->k,
                (blasint)n, 1, strip, (blasint)(w->wide ? lines : n), w->vectors, (blasint)n, 0, y,
                (blasint)w->k);
    if (w->residual)
        measure_lines(w, strip, y, lines, w->maxima + task * (w->k + 1), w->totals + task * (w->k + 1));
}

/* Columns [begin, end) of Z += Y^T D. */
static void tile_task(void *user, size_t task, unsigned worker)
{
    struct svd_work *w = user;
    size_t begin = task * TILE, n = w->side - begin < TILE ? w->side - begin : TILE;

    (void)worker;
    blas_single_thread();
    for (size_t s = 0; s * STRIP < w->in_block; s++) {
        size_t lines = lines_of_strip(w, s);
        const double *strip = w->strips + s * STRIP * w->side, *y = w->products + s * STRIP * w->k;

        cblas_dgemm(CblasRowMajor, CblasTrans, w->wide ? CblasTrans : CblasNoTrans, (blasint)w->k, (blasint)n,
                    (blasint)lines, 1, y, (blasint)w->k, strip + (w->wide ? begin * lines : begin),
                    (blasint)(w->wide ? lines : w->side), 1, w->sums + begin, (blasint)w->side);
    }
}

/* The sums of squares of the same columns. */
static void squares_task(void *user, size_t task, unsigned worker)
{
    struct svd_work *w = user;
    size_t begin = task * TILE, end = w->side - begin < TILE ? w->side : begin + TILE;

    (void)worker;
    for (size_t s = 0; s * STRIP < w->in_block; s++) {
        size_t lines = lines_of_strip(w, s);
        const double *strip = w->strips + s * STRIP * w->side;

        for (size_t l = 0; l < lines; l++)
            for (size_t i = begin; i < end; i++) {
                double d = w->wide ? strip[i * lines + l] : strip[l * w->side + i];
                w->squares[i] += d * d;
            }
    }
}

/* ---- passes ---- */

/* Reads the matrix once: Y of each block, and what `tiles` makes of it (NULL: the Gram matrix). */
static bool run_pass(struct svd_work *w, void (*tiles)(void *user, size_t task, unsigned worker),
                     struct error *err)
{
    size_t n_tiles = (w->side + TILE - 1) / TILE;

    for (w->first = 0; w->first < w->n_lines; w->first += STRIPS * STRIP) {
        uint64_t rest = w->n_lines - w->first;

        if (!context_continue(w->context, err))
            return false;
        w->in_block = rest < STRIPS * STRIP ? (size_t)rest : STRIPS * STRIP;
        pool_run(w->context->pool, (w->in_block + STRIP - 1) / STRIP, strip_task, w);
        if (tiles)
            pool_run(w->context->pool, n_tiles, tiles, w);
        else
            cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)w->k, (blasint)w->in_block, 1,
                        w->products, (blasint)w->k, 1, w->gram, (blasint)w->k);
    }
    return true;
}

/* Q = an orthonormal basis of the rows of Z. LAPACK counts columns first: the rows are its columns. */
static bool orthonormalise(struct svd_work *w, struct error *err)
{
    lapack_int n = (lapack_int)w->side, k = (lapack_int)w->k, size = k * QR_BLOCK;
    double *tau = w->lapack + w->k * QR_BLOCK;

    blas_single_thread();
    if (LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, n, k, w->sums, n, tau, w->lapack, size) != 0 ||
        LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, n, k, k, w->sums, n, tau, w->lapack, size) != 0)
        return error_set(err, ERROR_NUMERIC, "a basis of %zu vectors of %zu elements cannot be found", w->k,
                         w->side);
    memcpy(w->vectors, w->sums, w->side * w->k * sizeof *w->vectors);
    return true;
}

static bool find_subspace(struct svd_work *w, uint64_t seed, struct error *err)
{
    struct random_key key = {seed, random_stream("svd")};

    for (size_t i = 0; i < w->side * w->k; i++)
        w->sums[i] = random_normal(key, i);
    if (!orthonormalise(w, err))
        return false;
    for (int round = 0; round < ROUNDS; round++) {
        memset(w->sums, 0, w->side * w->k * sizeof *w->sums);
        if (!run_pass(w, tile_task, err) || !orthonormalise(w, err))
            return false;
    }
    return true;
}

/* Singular values, and V in place of Q. Eigenvalues come smallest first. */
static bool find_values(struct svd_work *w, double *values, struct error *err)
{
    lapack_int k = (lapack_int)w->k;

    if (!run_pass(w, NULL, err))
        return false;
    /* The lower triangle by rows is LAPACK's upper one by columns. */
    if (LAPACKE_dsyev_work(LAPACK_COL_MAJOR, 'V', 'U', k, w->gram, k, values, w->lapack,
                           (lapack_int)(w->k * QR_BLOCK)) != 0)
        return error_set(err, ERROR_NUMERIC, "the singular values of a matrix of %zu x %llu cannot be found",
                         w->side, (unsigned long long)w->n_lines);
    for (size_t i = 0; i < w->k / 2; i++) {
        double other = values[i];
        values[i] = values[w->k - 1 - i];
        values[w->k - 1 - i] = other;
    }
    for (size_t i = 0; i < w->k; i++)
        values[i] = values[i] > 0 ? sqrt(values[i]) : 0;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, k, (blasint)w->side, k, 1, w->gram, k, w->vectors,
                (blasint)w->side, 0, w->sums, (blasint)w->side);
    for (size_t i = 0; i < w->k; i++)
        memcpy(w->vectors + i * w->side, w->sums + (w->k - 1 - i) * w->side, w->side * sizeof *w->vectors);
    return true;
}

static bool find_residuals(struct svd_work *w, const double *values, struct svd_residual *out,
                           struct error *err)
{
    size_t n = w->k + 1;

    memset(w->maxima, 0, STRIPS * n * sizeof *w->maxima);
    memset(w->totals, 0, STRIPS * n * sizeof *w->totals);
    memset(w->squares, 0, w->side * sizeof *w->squares);
    w->residual = true;
    if (!run_pass(w, squares_task, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        double largest = 0, total = 0, across = 0;

        for (size_t s = 0; s < STRIPS; s++) {
            largest = w->maxima[s * n + i] > largest ? w->maxima[s * n + i] : largest;
            total += w->totals[s * n + i];
        }
        for (size_t j = 0; j < w->side; j++) {
            across = w->squares[j] > across ? w->squares[j] : across;
            if (i < w->k)
                w->squares[j] -=
                    values[i] * values[i] * w->vectors[i * w->side + j] * w->vectors[i * w->side + j];
        }
        out[i] = (struct svd_residual){.norm = sqrt(total),
                                       .row = sqrt(w->wide ? across : largest),
                                       .column = sqrt(w->wide ? largest : across)};
    }
    return true;
}

static void release(struct svd_work *w)
{
    free(w->vectors);
    free(w->sums);
    free(w->strips);
    free(w->products);
    free(w->gram);
    free(w->lapack);
    free(w->squares);
    free(w->maxima);
    free(w->totals);
}

static bool prepare(struct svd_work *w, struct error *err)
{
    size_t k = w->k, n = w->side;

    w->vectors = memory_aligned(k, n * sizeof(double));
    w->sums = memory_aligned(k, n * sizeof(double));
    w->strips = memory_aligned(STRIPS * STRIP, n * sizeof(double));
    w->products = memory_aligned(STRIPS * STRIP, k * sizeof(double));
    w->gram = memory_zeroed(k, k * sizeof(double));
    w->lapack = memory_array(k * (QR_BLOCK + 1), sizeof(double));
    w->squares = memory_array(n, sizeof(double));
    w->maxima = memory_array(STRIPS * (k + 1), sizeof(double));
    w->totals = memory_array(STRIPS * (k + 1), sizeof(double));
    return (w->vectors && w->sums && w->strips && w->products && w->gram && w->lapack && w->squares &&
            w->maxima && w->totals) ||
           error_memory(err, "finding singular values");
}

bool svd_largest(const struct context *context, const struct svd_matrix *matrix, size_t n, uint64_t seed,
                 struct svd *out, struct error *err)
{
    bool wide = matrix->columns > matrix->rows;
    uint64_t side = wide ? matrix->rows : matrix->columns;
    struct svd_work w = {.context = context,
                         .matrix = matrix,
                         .wide = wide,
                         .side = (size_t)side,
                         .n_lines = wide ? matrix->columns : matrix->rows};
    struct svd svd = {0};
    bool ok = false;

    if (side > INT_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "a matrix with a shorter side of %llu is too large",
                         (unsigned long long)side);
    w.k = svd.n = n < w.side ? n : w.side;
    if (w.k) {
        svd.values = memory_array(w.k, sizeof *svd.values);
        svd.residuals = memory_array(w.k + 1, sizeof *svd.residuals);
        ok = (svd.values && svd.residuals) || error_memory(err, "finding singular values");
        ok = ok && prepare(&w, err) && find_subspace(&w, seed, err) && find_values(&w, svd.values, err) &&
             find_residuals(&w, svd.values, svd.residuals, err);
    } else {
        svd.residuals = memory_zeroed(1, sizeof *svd.residuals);
        ok = svd.residuals || error_memory(err, "finding singular values");
    }
    release(&w);
    if (ok)
        *out = svd;
    else
        svd_release(&svd);
    return ok;
}

void svd_release(struct svd *svd)
{
    free(svd->values);
    free(svd->residuals);
    *svd = (struct svd){0};
}
