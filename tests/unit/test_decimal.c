#include "suite.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "decimal.h"

static void check(float value, unsigned digits)
{
    char found[DECIMAL_LONGEST + 1], expected[64];
    size_t n = decimal_write(value, digits, found);
    found[n] = '\0';
    snprintf(expected, sizeof expected, "%.*g", (int)digits, (double)value);
    ck_each(strcmp(found, expected) == 0, "%s, expected %s (%a, %u digits)", found, expected, (double)value,
            digits);
}

/* Any bits that make a finite float, and weights between 0 and 1. */
START_TEST(as_printf_writes_it)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 400000; i++) {
        float value;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint32_t bits = (uint32_t)(state >> 20);
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (float)(bits >> 8) / 16777216;
        if (isfinite(value))
            check(value, 1 + (unsigned)(state >> 55) % DECIMAL_DIGITS);
    }
}
END_TEST

START_TEST(borders)
{
    static const float values[] = {
        0,         -0.f,  1,          -1,         0.5f,        0.25f,       0.125f,     2.5f,
        3.5f,      9.5f,  0.0625f,    0.9999999f, 0.99999994f, 999999.5f,   999999.94f, 1e9f,
        123456.5f, 1e-4f, 9.9999e-5f, 1e-5f,      FLT_MAX,     FLT_MIN,     1e-45f,     1e38f,
        1e22f,     1e23f, 16777216,   8388607.5f, 1e-38f,      4194304.25f,
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (unsigned digits = 1; digits <= DECIMAL_DIGITS; digits++)
            check(values[i], digits);
    for (float value = 1e-40f; value < 1e38f; value *= 10)
        for (unsigned digits = 1; digits <= DECIMAL_DIGITS; digits++) {
            check(value, digits);
            check(nextafterf(value, 0), digits);
            check(nextafterf(value, INFINITY), digits);
        }
}
END_TEST

START_TEST(nine_digits_read_back)
{
    uint32_t bits = 1;
    for (int i = 0; i < 100000; i++) {
        char text[DECIMAL_LONGEST + 1];
        float value;
        bits = bits * 1664525u + 1013904223u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        text[decimal_write(value, DECIMAL_DIGITS, text)] = '\0';
        ck_each(strtof(text, NULL) == value, "%s is not %a", text, (double)value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decimal");
    TCase *tc = tcase_create("decimal");
    tcase_add_test(tc, as_printf_writes_it);
    tcase_add_test(tc, borders);
    tcase_add_test(tc, nine_digits_read_back);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
