/* Figures of tensors against those computed in one go; NaN and infinities are counted and left out. */
#include "statistics.h"

#include <math.h>

#include "memory.h"
#include "pool.h"
#include "random.h"
#include "suite.h"

static struct error err;

static struct tensor_statistics measure(enum dtype dtype, const void *data, uint64_t n, unsigned n_threads)
{
    struct context context = {0};
    struct tensor tensor = {
        .name = "t", .dtype = dtype, .rank = 1, .shape = {n}, .elements = n, .data = data};
    struct tensor_statistics out;
    ck_assert(tensor_statistics_apply(&tensor));
    ck_assert(pool_new(n_threads, &context.pool, &err));
    ck_assert(tensor_statistics(&context, &tensor, &out, &err));
    pool_free(context.pool);
    return out;
}

START_TEST(small_tensors)
{
    const float values[6] = {-1, 0, 3, -0.0f, 2, 2};
    struct tensor_statistics s = measure(DTYPE_F32, values, 6, 1);
    ck_assert(s.min == -1 && s.max == 3 && s.mean == 1 && s.finite == 6 && s.zeros == 2);
    ck_assert(s.norm == sqrt(18) && s.std == sqrt(2) && s.nans == 0 && s.infinities == 0);
    s = measure(DTYPE_F32, values, 0, 1);
    ck_assert(isnan(s.min) && isnan(s.mean) && isnan(s.std) && s.norm == 0 && s.finite == 0);
    const int8_t whole[3] = {-128, 127, 4};
    s = measure(DTYPE_I8, whole, 3, 1);
    ck_assert(s.min == -128 && s.max == 127 && s.mean == 1);
    struct tensor unread = {.dtype = DTYPE_F8_E5M2};
    ck_assert(!tensor_statistics_apply(&unread));
}
END_TEST

START_TEST(what_is_not_finite_is_counted_apart)
{
    const uint16_t values[6] = {0x7f80, 0xff80, 0x7fc0, 0xffff, 0x3f80, 0x4040}; /* inf, nan, 1, 3 */
    struct tensor_statistics s = measure(DTYPE_BF16, values, 6, 1);
    ck_assert(s.finite == 2 && s.nans == 2 && s.infinities == 2 && s.zeros == 0);
    ck_assert(s.min == 1 && s.max == 3 && s.mean == 2 && s.std == 1);
    s = measure(DTYPE_BF16, values, 4, 1);
    ck_assert(s.finite == 0 && isnan(s.max) && s.norm == 0);
}
END_TEST

/* Several batches; a mean that is large beside the deviation. */
START_TEST(the_same_figures_for_any_number_of_threads)
{
    enum { N = 65 * (1 << 16) + 77 };
    double *values = memory_array(N, sizeof *values), sum = 0, square = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = 1e6 + random_uniform((struct random_key){1, 2}, i);
        sum += values[i] - 1e6;
    }
    double mean = sum / N;
    for (size_t i = 0; i < N; i++)
        square += pow(values[i] - 1e6 - mean, 2);
    struct tensor_statistics one = measure(DTYPE_F64, values, N, 1), three = measure(DTYPE_F64, values, N, 3);
    ck_assert_mem_eq(&one, &three, sizeof one);
    ck_assert_double_eq_tol(one.mean - 1e6, mean, 1e-8);
    ck_assert_double_eq_tol(one.std, sqrt(square / N), 1e-9);
    ck_assert_uint_eq(one.finite, N);
    free(values);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("statistics");
    TCase *tc = tcase_create("statistics");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, small_tensors);
    tcase_add_test(tc, what_is_not_finite_is_counted_apart);
    tcase_add_test(tc, the_same_figures_for_any_number_of_threads);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
