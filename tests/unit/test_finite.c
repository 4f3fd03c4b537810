/* NaN and infinities are counted and the first is found, wherever they are and however many threads look. */
#include "finite.h"

#include <math.h>
#include <string.h>

#include "memory.h"
#include "pool.h"
#include "suite.h"

enum { ELEMENTS = 200001 };

static struct error err;

static struct finite_count count(enum dtype dtype, const void *data, uint64_t n, unsigned n_threads)
{
    struct context context = {0};
    struct tensor tensor = {
        .name = "t", .dtype = dtype, .rank = 1, .shape = {n}, .elements = n, .data = data};
    struct finite_count out;
    ck_assert(pool_new(n_threads, &context.pool, &err));
    ck_assert(finite_count(&context, &tensor, &out, &err));
    pool_free(context.pool);
    return out;
}

START_TEST(nothing_is_found_where_nothing_is)
{
    float *values = memory_zeroed(ELEMENTS, sizeof *values);
    values[5] = 3e38f;
    values[6] = -1e-45f;
    struct finite_count c = count(DTYPE_F32, values, ELEMENTS, 2);
    ck_assert(c.nans == 0 && c.infinities == 0 && c.first == ELEMENTS);
    c = count(DTYPE_F32, values, 0, 1);
    ck_assert(c.nans == 0 && c.infinities == 0 && c.first == 0);
    free(values);
}
END_TEST

START_TEST(the_first_is_found)
{
    static const size_t places[] = {0, 1023, 1024, 65535, 65536, 131071, ELEMENTS - 1};
    float *values = memory_zeroed(ELEMENTS, sizeof *values);
    for (size_t i = sizeof places / sizeof *places; i-- > 0;) {
        values[places[i]] = i % 2 ? NAN : -INFINITY;
        for (unsigned n_threads = 1; n_threads <= 3; n_threads++) {
            struct finite_count c = count(DTYPE_F32, values, ELEMENTS, n_threads);
            ck_assert_uint_eq(c.first, places[i]);
            ck_assert_uint_eq(c.nans + c.infinities, 7 - i);
        }
    }
    struct finite_count c = count(DTYPE_F32, values, ELEMENTS, 1);
    ck_assert(c.nans == 3 && c.infinities == 4);
    free(values);
}
END_TEST

START_TEST(by_the_bits_of_the_dtype)
{
    uint16_t values[] = {0x7f80, 0x7c00, 0x7f81, 0xfc00, 0xff80, 0x7c01, 0};
    struct finite_count c = count(DTYPE_BF16, values, 7, 1);
    ck_assert(c.infinities == 2 && c.nans == 1 && c.first == 0);
    c = count(DTYPE_F16, values, 7, 1);
    ck_assert(c.infinities == 2 && c.nans == 4 && c.first == 0);
    c = count(DTYPE_U16, values, 7, 1);
    ck_assert(c.infinities == 0 && c.nans == 0 && c.first == 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("finite");
    TCase *tc = tcase_create("finite");
    tcase_add_test(tc, nothing_is_found_where_nothing_is);
    tcase_add_test(tc, the_first_is_found);
    tcase_add_test(tc, by_the_bits_of_the_dtype);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
