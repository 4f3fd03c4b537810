#include "suite.h"

#include <math.h>
#include <string.h>

#include "linalg.h"
#include "memory.h"
#include "random.h"

static void setup_context(struct context *context, unsigned n_threads)
{
    struct error err = {0};

    *context = (struct context){0};
    ck_assert_msg(pool_new(n_threads, &context->pool, &err), "%s", err.text);
}

static real *random_rows(size_t n)
{
    real *rows = memory_array(n, sizeof *rows);

    for (size_t i = 0; i < n; i++)
        rows[i] = (real)random_normal((struct random_key){9, 1}, i);
    return rows;
}

static const struct {
    size_t m, n;
} shapes[] = {{1, 1}, {3, 5}, {700, 40}, {40, 450}, {520, 193}};

START_TEST(outer_products_add_up)
{
    size_t m = shapes[_i].m, n = shapes[_i].n;
    struct context one, many;
    struct error err = {0};
    real *rows = random_rows(m * n);
    double *c = memory_zeroed(n * n, sizeof *c), *other = memory_zeroed(n * n, sizeof *other);

    setup_context(&one, 1);
    setup_context(&many, 3);
    for (int again = 0; again < 2; again++) {
        ck_assert(linalg_add_outer(&one, c, rows, m, n, &err));
        ck_assert(linalg_add_outer(&many, other, rows, m, n, &err));
    }
    ck_assert_mem_eq(c, other, n * n * sizeof *c);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j += 1 + i % 7) {
            double want = 0;
            for (size_t r = 0; r < m; r++)
                want += 2 * (double)rows[r * n + i] * (double)rows[r * n + j];
            ck_each(fabs(c[i * n + j] - want) <= 1e-12 * (double)(m + 1), "%zu, %zu", i, j);
            ck_each(c[i * n + j] == c[j * n + i], "%zu, %zu", i, j);
        }
    ck_assert(linalg_add_outer(&one, c, rows, 0, n, &err));
    ck_assert_mem_eq(c, other, n * n * sizeof *c);
    free(rows);
    free(c);
    free(other);
    pool_free(one.pool);
    pool_free(many.pool);
}
END_TEST

START_TEST(factor_and_solve)
{
    enum { SIDE = 60, COLUMNS = 3 };
    static double a[SIDE * SIDE], factor[SIDE * SIDE], b[COLUMNS * SIDE], x[COLUMNS * SIDE];
    struct context context;
    struct error err = {0};
    double ridge = _i ? 1e-3 : 0, trace = 0;
    real *rows = random_rows(200 * SIDE);

    setup_context(&context, 1);
    memset(a, 0, sizeof a);
    ck_assert(linalg_add_outer(&context, a, rows, 200, SIDE, &err));
    memcpy(factor, a, sizeof a);
    for (size_t i = 0; i < SIDE; i++)
        trace += a[i * SIDE + i];
    for (size_t i = 0; i < COLUMNS * SIDE; i++)
        b[i] = random_normal((struct random_key){9, 2}, i);
    memcpy(x, b, sizeof x);
    ck_assert_msg(linalg_factor(factor, SIDE, ridge, &err), "%s", err.text);
    ck_assert(linalg_solve(factor, SIDE, x, COLUMNS, &err));
    for (size_t c = 0; c < COLUMNS; c++)
        for (size_t i = 0; i < SIDE; i++) {
            double sum = ridge * trace / SIDE * x[c * SIDE + i];
            for (size_t j = 0; j < SIDE; j++)
                sum += a[i * SIDE + j] * x[c * SIDE + j];
            ck_assert_double_eq_tol(sum, b[c * SIDE + i], 1e-11);
        }
    free(rows);
    pool_free(context.pool);
}
END_TEST

START_TEST(what_cannot_be_factored_is_an_error)
{
    struct error err = {0};
    double indefinite[4] = {1, 2, 2, 1}, nan[4] = {1, 0, NAN, 1}, zero[4] = {0}, inf[1] = {INFINITY};

    ck_assert(!linalg_factor(indefinite, 2, 0, &err));
    ck_assert_int_eq(err.kind, ERROR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.text, "pivot 1"));
    ck_assert(!linalg_factor(nan, 2, 0, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "row 1, column 0"));
    ck_assert(!linalg_factor(zero, 2, 1e-3, &err));
    ck_assert(!linalg_factor(inf, 1, 0, &err));
    ck_assert(linalg_factor(zero, 0, 0, &err));
}
END_TEST

START_TEST(dots_and_norms)
{
    double a[7] = {1, 2, 3, 4, 5, 6, 7}, b[7] = {1, -1, 1, -1, 1, -1, 1};

    for (size_t n = 0; n <= 7; n++) {
        double dot = 0, square = 0;
        for (size_t i = 0; i < n; i++)
            dot += a[i] * b[i], square += a[i] * a[i];
        ck_assert_double_eq(linalg_dot(a, b, n), dot);
        ck_assert_double_eq(linalg_norm(a, n), sqrt(square));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linalg");
    TCase *tc = tcase_create("linalg");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, outer_products_add_up, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_loop_test(tc, factor_and_solve, 0, 2);
    tcase_add_test(tc, what_cannot_be_factored_is_an_error);
    tcase_add_test(tc, dots_and_norms);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
