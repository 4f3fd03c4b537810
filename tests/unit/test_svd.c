/* Singular values and residuals of matrices whose components are known, tall, wide and square. */
#include "svd.h"

#include <math.h>
#include <string.h>

#include "memory.h"
#include "random.h"
#include "suite.h"

struct dense {
    size_t columns;
    double *values;
};

static void read_dense(const void *user, uint64_t row, size_t n_rows, uint64_t column, size_t n_columns,
                       double *out)
{
    const struct dense *d = user;
    for (size_t r = 0; r < n_rows; r++)
        memcpy(out + r * n_columns, d->values + (row + r) * d->columns + column, n_columns * sizeof *out);
}

/* Orthonormal vectors [k][n] by Gram and Schmidt. */
static double *orthonormal(size_t k, size_t n, uint64_t stream)
{
    double *v = memory_array(k * n, sizeof *v);
    for (size_t i = 0; i < k * n; i++)
        v[i] = random_normal((struct random_key){7, stream}, i);
    for (size_t i = 0; i < k; i++) {
        for (int twice = 0; twice < 2; twice++)
            for (size_t j = 0; j < i; j++) {
                double dot = 0;
                for (size_t x = 0; x < n; x++)
                    dot += v[i * n + x] * v[j * n + x];
                for (size_t x = 0; x < n; x++)
                    v[i * n + x] -= dot * v[j * n + x];
            }
        double norm = 0;
        for (size_t x = 0; x < n; x++)
            norm += v[i * n + x] * v[i * n + x];
        for (size_t x = 0; x < n; x++)
            v[i * n + x] /= sqrt(norm);
    }
    return v;
}

static const struct {
    size_t rows, columns, rank, n;
} shapes[] = {{700, 50, 6, 16}, {50, 700, 6, 16},   {130, 130, 3, 13}, {5, 9, 5, 64},
              {1, 40, 1, 3},    {600, 300, 20, 30}, {4, 3, 0, 2}};

static double component(size_t i)
{
    return 1000 * pow(0.4, (double)i);
}

static struct dense make(size_t rows, size_t columns, size_t rank)
{
    struct dense d = {columns, memory_zeroed(rows * columns, sizeof *d.values)};
    double *left = orthonormal(rank, rows, 1), *right = orthonormal(rank, columns, 2);
    for (size_t i = 0; i < rank; i++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++)
                d.values[r * columns + c] += component(i) * left[i * rows + r] * right[i * columns + c];
    free(left);
    free(right);
    return d;
}

START_TEST(components_are_found)
{
    size_t rows = shapes[_i].rows, columns = shapes[_i].columns, rank = shapes[_i].rank, n = shapes[_i].n;
    struct dense d = make(rows, columns, rank);
    struct svd_matrix matrix = {rows, columns, read_dense, &d};
    struct svd svd, other;
    struct error err;
    for (unsigned n_threads = 1; n_threads <= 3; n_threads++) {
        struct context context = {0};
        ck_assert(pool_new(n_threads, &context.pool, &err));
        ck_assert_msg(svd_largest(&context, &matrix, n, 1, n_threads == 1 ? &svd : &other, &err), "%s",
                      err.text);
        pool_free(context.pool);
        if (n_threads == 1)
            continue;
        ck_assert_mem_eq(svd.values, other.values, svd.n * sizeof *svd.values);
        ck_assert_mem_eq(svd.residuals, other.residuals, (svd.n + 1) * sizeof *svd.residuals);
        svd_release(&other);
    }
    ck_assert_uint_eq(svd.n, n < rows && n < columns ? n : rows < columns ? rows : columns);
    double left = 0;
    for (size_t i = rank; i-- > 0;) {
        left += component(i) * component(i);
        ck_assert_double_eq_tol(svd.values[i], component(i), 1e-6 * component(0));
        ck_assert_double_eq_tol(svd.residuals[i].norm, sqrt(left), 1e-5 * component(0));
    }
    for (size_t i = rank; i < svd.n; i++)
        ck_assert(svd.values[i] <= 1e-6 * component(0) && svd.residuals[i].norm <= 1e-5 * component(0));
    svd_release(&svd);
    free(d.values);
}
END_TEST

/* Norms of rows and columns of what is left, against the ones computed from the whole. */
START_TEST(residuals_by_rows_and_columns)
{
    size_t rows = _i ? 40 : 90, columns = _i ? 90 : 40;
    struct dense d = make(rows, columns, 3), first = make(rows, columns, 1);
    struct svd_matrix matrix = {rows, columns, read_dense, &d};
    struct context context = {0};
    struct error err;
    struct svd svd;
    ck_assert(pool_new(1, &context.pool, &err));
    ck_assert(svd_largest(&context, &matrix, 12, 1, &svd, &err));
    for (size_t i = 0; i < 2; i++) {
        double row = 0, column = 0;
        for (size_t r = 0; r < rows; r++) {
            double sum = 0;
            for (size_t c = 0; c < columns; c++)
                sum += pow(d.values[r * columns + c] - (double)i * first.values[r * columns + c], 2);
            row = fmax(row, sqrt(sum));
        }
        for (size_t c = 0; c < columns; c++) {
            double sum = 0;
            for (size_t r = 0; r < rows; r++)
                sum += pow(d.values[r * columns + c] - (double)i * first.values[r * columns + c], 2);
            column = fmax(column, sqrt(sum));
        }
        ck_assert_double_eq_tol(svd.residuals[i].row, row, 1e-6 * row);
        ck_assert_double_eq_tol(svd.residuals[i].column, column, 1e-6 * column);
    }
    svd_release(&svd);
    pool_free(context.pool);
    free(d.values);
    free(first.values);
}
END_TEST

START_TEST(a_cancelled_search_says_so)
{
    volatile sig_atomic_t stop = 1;
    struct dense d = make(10, 10, 1);
    struct svd_matrix matrix = {10, 10, read_dense, &d};
    struct context context = {.cancel = &stop};
    struct error err;
    struct svd svd;
    ck_assert(pool_new(1, &context.pool, &err));
    ck_assert(!svd_largest(&context, &matrix, 4, 1, &svd, &err));
    ck_assert_int_eq(err.kind, ERROR_CANCELLED);
    pool_free(context.pool);
    free(d.values);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("svd");
    TCase *tc = tcase_create("svd");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, components_are_found, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_loop_test(tc, residuals_by_rows_and_columns, 0, 2);
    tcase_add_test(tc, a_cancelled_search_says_so);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
