#include "linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "blas.h"
#include "memory.h"

/* Rows are converted to f64 at most OUTER_ROWS at a time; tiles of OUTER_TILE columns are the tasks. */
enum { OUTER_ROWS = 512, OUTER_TILE = 192 };

struct outer {
    double *c; /* [n, n] */
    const real *rows;
    double *wide; /* [m, n] the rows in f64 */
    size_t m, n, n_tiles;
};

static void widen_task(void *user, size_t row, unsigned worker)
{
    struct outer *o = user;

    (void)worker;
    for (size_t i = 0; i < o->n; i++)
        o->wide[row * o->n + i] = (double)o->rows[row * o->n + i];
}

/* Task numbers run over the lower triangle of tiles; each also fills its mirror image. */
static void outer_task(void *user, size_t task, unsigned worker)
{
    struct outer *o = user;
    size_t tile_row = 0, first, column, height, width, n = o->n;

    (void)worker;
    while ((tile_row + 1) * (tile_row + 2) / 2 <= task)
        tile_row++;
    first = tile_row * OUTER_TILE;
    column = (task - tile_row * (tile_row + 1) / 2) * OUTER_TILE;
    height = n - first < OUTER_TILE ? n - first : OUTER_TILE;
    width = n - column < OUTER_TILE ? n - column : OUTER_TILE;
    blas_single_thread();
    if (first == column)
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)height, (blasint)o->m, 1, o->wide + first,
                    (blasint)n, 1, o->c + first * n + first, (blasint)n);
    else
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)height, (blasint)width, (blasint)o->m,
                    1, o->wide + first, (blasint)n, o->wide + column, (blasint)n, 1,
                    o->c + first * n + column, (blasint)n);
    for (size_t i = first; i < first + height; i++)
        for (size_t j = column; j < column + width && j < i; j++)
            o->c[j * n + i] = o->c[i * n + j];
}

bool linalg_add_outer(const struct context *context, double *c, const real *rows, size_t m, size_t n,
                      struct error *err)
{
    struct outer o = {.c = c, .n = n, .n_tiles = (n + OUTER_TILE - 1) / OUTER_TILE};

    if (n > INT_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "a second moment of %zu columns is too large", n);
    if (m == 0 || n == 0)
        return true;
    o.wide = memory_aligned(m < OUTER_ROWS ? m : OUTER_ROWS, n * sizeof *o.wide);
    if (!o.wide)
        return error_memory(err, "adding up second moments");
    for (size_t first = 0; first < m; first += OUTER_ROWS) {
        o.m = m - first < OUTER_ROWS ? m - first : OUTER_ROWS;
        o.rows = rows + first * n;
        pool_run(context->pool, o.m, widen_task, &o);
        pool_run(context->pool, o.n_tiles * (o.n_tiles + 1) / 2, outer_task, &o);
    }
    free(o.wide);
    return true;
}

/* LAPACK counts columns first: its upper factor of a symmetric matrix is our lower one, in the same memory.
 */
bool linalg_factor(double *a, size_t n, double ridge, struct error *err)
{
    double trace = 0;
    lapack_int info;

    if (n > INT_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "a matrix of %zu rows is too large to factor", n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (!isfinite(a[i * n + j]))
                return error_set(err, ERROR_NUMERIC,
                                 "the matrix to be factored holds %g in row %zu, column %zu", a[i * n + j], i,
                                 j);
    for (size_t i = 0; i < n; i++)
        trace += a[i * n + i];
    for (size_t i = 0; i < n && ridge != 0; i++)
        a[i * n + i] += ridge * trace / (double)n;
    if (n == 0)
        return true;
    blas_single_thread();
    info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n);
    for (size_t i = 0; i < n && info == 0; i++)
        if (!isfinite(a[i * n + i]))
            info = (lapack_int)i + 1;
    if (info != 0)
        return error_set(
            err, ERROR_NUMERIC,
            "the matrix of %zu rows is not positive definite: pivot %d of its Cholesky factor fails", n,
            (int)info - 1);
    return true;
}

bool linalg_solve(const double *factor, size_t n, double *b, size_t n_columns, struct error *err)
{
    lapack_int info;

    if (n > INT_MAX || n_columns > INT_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "a system of %zu x %zu is too large to solve", n, n_columns);
    if (n == 0 || n_columns == 0)
        return true;
    blas_single_thread();
    info = LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, (lapack_int)n_columns, factor,
                               (lapack_int)n, b, (lapack_int)n);
    if (info != 0)
        return error_set(err, ERROR_NUMERIC, "solving a system of %zu rows failed (LAPACK says %d)", n,
                         (int)info);
    for (size_t i = 0; i < n * n_columns; i++)
        if (!isfinite(b[i]))
            return error_set(err, ERROR_NUMERIC, "the solution of a system of %zu rows is not finite", n);
    return true;
}

double linalg_dot(const double *a, const double *b, size_t n)
{
    double sum[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += a[i + j] * b[i + j];
    for (size_t j = 0; i < n; i++, j++)
        sum[j] += a[i] * b[i];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

double linalg_norm(const double *a, size_t n)
{
    return sqrt(linalg_dot(a, a, n));
}
