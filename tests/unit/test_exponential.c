#include "exponential.h"

#include <stdint.h>
#include <string.h>

#include "suite.h"

enum { N = 1027 };

/* Distance in units in the last place of the exact value. */
static double units(real found, double exact)
{
    double unit = sizeof(real) == 4 ? (double)nextafterf((float)exact, INFINITY) - (double)(float)exact
                                    : nextafter(exact, INFINITY) - exact;

    return fabs((double)found - exact) / unit;
}

START_TEST(test_within_two_units)
{
    static real x[N], y[N];

    for (int block = -104; block < 88; block++) {
        for (size_t i = 0; i < N; i++)
            x[i] = (real)((double)block + (double)i / N);
        exponential(x, N, 1, 0, y);
        for (size_t i = 0; i < N; i++)
            ck_assert_msg(units(y[i], exp((double)x[i])) <= 2, "exp(%.9g) = %.9g", (double)x[i],
                          (double)y[i]);
    }
}
END_TEST

START_TEST(test_scale_and_shift_in_place)
{
    real x[5] = {0, 1, 2, 3, 4};

    exponential(x, 5, -2, (real)0.5, x);
    for (size_t i = 0; i < 5; i++)
        ck_assert(units(x[i], exp(0.5 - 2 * (double)i)) <= 2);
}
END_TEST

/* A vector's worth and one more, so that both loops of a compiler see them. */
START_TEST(test_special_values)
{
    real x[9], y[9];

    for (size_t i = 0; i < 9; i++)
        x[i] = (real)INFINITY;
    exponential(x, 9, 1, 0, y);
    ck_assert(isinf(y[0]) && y[0] > 0 && isinf(y[8]));
    exponential(x, 9, -1, 0, y);
    ck_assert(y[0] == 0 && y[8] == 0);
    x[0] = x[8] = (real)NAN;
    exponential(x, 9, 1, 0, y);
    ck_assert(isnan(y[0]) && isnan(y[8]) && isinf(y[1]));
    x[0] = x[8] = 1000;
    exponential(x, 9, 1, 0, y);
    ck_assert(isinf(y[0]) && isinf(y[8]));
    exponential(x, 9, -1, 0, y);
    ck_assert(y[0] == 0 && y[8] == 0);
    x[0] = x[8] = 0;
    exponential(x, 9, 1, 0, y);
    ck_assert(y[0] == 1 && y[8] == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exponential");
    TCase *tcase = tcase_create("exponential");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_within_two_units);
    tcase_add_test(tcase, test_scale_and_shift_in_place);
    tcase_add_test(tcase, test_special_values);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
