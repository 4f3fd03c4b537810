#include "suite.h"

#include <math.h>

#include "random.h"

/* Known answers of Random123 (kat_vectors, philox4x32 10): words 0 and 1 of the block. */
START_TEST(known_answers)
{
    ck_assert_uint_eq(random_u64((struct random_key){0, 0}, 0), UINT64_C(0xe169c58d6627e8d5));
    ck_assert_uint_eq(random_u64((struct random_key){UINT64_MAX, UINT64_MAX}, UINT64_MAX),
                      UINT64_C(0x41c83b0e408f276d));
    ck_assert_uint_eq(
        random_u64((struct random_key){UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e)},
                   UINT64_C(0x85a308d3243f6a88)),
        UINT64_C(0x94fdccebd16cfe09));
}
END_TEST

START_TEST(uniform_and_normal_have_their_moments)
{
    enum { DRAWS = 200000 };
    struct random_key key = {42, random_stream("test")};
    double sum = 0, squares = 0, fourth = 0, uniform = 0;

    for (uint64_t i = 0; i < DRAWS; i++) {
        double u = random_uniform(key, i), z = random_normal(key, i);
        ck_each(u >= 0 && u < 1 && isfinite(z), "draw %llu", (unsigned long long)i);
        uniform += u;
        sum += z;
        squares += z * z;
        fourth += z * z * z * z;
    }
    /* Five standard errors each. */
    ck_assert_double_eq_tol(uniform / DRAWS, .5, 5 * sqrt(1. / 12 / DRAWS));
    ck_assert_double_eq_tol(sum / DRAWS, 0, 5 / sqrt(DRAWS));
    ck_assert_double_eq_tol(squares / DRAWS, 1, 5 * sqrt(2. / DRAWS));
    ck_assert_double_eq_tol(fourth / DRAWS, 3, 5 * sqrt(96. / DRAWS));
}
END_TEST

START_TEST(streams_come_from_names)
{
    ck_assert_uint_eq(random_stream(""), UINT64_C(0xcbf29ce484222325));
    ck_assert_uint_eq(random_stream("a"), UINT64_C(0xaf63dc4c8601ec8c)); /* FNV-1a's own test vectors */
    ck_assert_uint_eq(random_stream("foobar"), UINT64_C(0x85944171f73967e8));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *tc = tcase_create("random");

    tcase_add_test(tc, known_answers);
    tcase_add_test(tc, uniform_and_normal_have_their_moments);
    tcase_add_test(tc, streams_come_from_names);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
