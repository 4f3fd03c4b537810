#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernels.h"
#include "memory.h"
#include "random.h"
#include "rows.h"

/* The value of a 16-bit float by its definition. */
static double by_definition(unsigned bits, unsigned fraction)
{
    unsigned exponents = 15 - fraction, e = bits >> fraction & ((1u << exponents) - 1);
    double f = bits & ((1u << fraction) - 1), sign = bits & 0x8000 ? -1 : 1;
    int bias = (1 << (exponents - 1)) - 1;

    if (e == (1u << exponents) - 1)
        return f != 0 ? NAN : sign * INFINITY;
    if (e == 0)
        return sign * ldexp(f, 1 - bias - (int)fraction);
    return sign * ldexp(1 + ldexp(f, -(int)fraction), (int)e - bias);
}

static const struct {
    enum dtype dtype;
    unsigned fraction;
} halves[] = {{DTYPE_F16, 10}, {DTYPE_BF16, 7}};

START_TEST(every_pattern_is_read)
{
    static real values[65536 + 1];
    static uint8_t bytes[2 * 65536 + 1]; /* one byte off: unaligned */
    enum dtype dtype = halves[_i].dtype;

    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t bits = (uint16_t)i;
        memcpy(bytes + 1 + 2 * i, &bits, 2);
    }
    rows_to_real(dtype, bytes + 1, 65536, values);
    for (uint32_t i = 0; i < 65536; i++) {
        double want = by_definition(i, halves[_i].fraction), got;
        rows_to_f64(dtype, bytes + 1 + 2 * i, 1, &got);
        if (isnan(want)) {
            ck_each(isnan(got) && isnan(values[i]), "pattern %04x", i);
        } else {
            ck_each(got == want && (double)values[i] == want, "pattern %04x: %g, %g", i, got, want);
            ck_each(!signbit(got) == !signbit(want) && !signbit(values[i]) == !signbit(want), "pattern %04x",
                    i);
        }
    }
}
END_TEST

START_TEST(every_pattern_comes_back)
{
    enum dtype dtype = halves[_i].dtype;
    unsigned quiet = 1u << (halves[_i].fraction - 1);

    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t bits = (uint16_t)i, back = 0;
        double value;
        rows_to_f64(dtype, &bits, 1, &value);
        rows_from_f64(dtype, &value, 1, &back);
        if (isnan(value))
            ck_each(back == (bits | quiet), "pattern %04x came back as %04x", i, back);
        else
            ck_each(back == bits, "pattern %04x came back as %04x", i, back);
    }
}
END_TEST

/* Between each pair of neighbours: the middle goes to the even one, a hair to either side to the nearer. A
 * hair is less than half a float's unit, so that rounding by way of f32 would fail. */
START_TEST(rounding_is_to_nearest_even_and_once)
{
    enum dtype dtype = halves[_i].dtype;
    unsigned infinity = (0x7fffu >> halves[_i].fraction) << halves[_i].fraction;

    for (uint32_t i = 0; i < infinity; i++) {
        double low = by_definition(i, halves[_i].fraction), high = by_definition(i + 1, halves[_i].fraction),
               middle;
        uint16_t even = (uint16_t)(i & 1 ? i + 1 : i), got[6];

        if (i + 1 == infinity)
            high = low + (low - by_definition(i - 1, halves[_i].fraction));
        middle = (low + high) / 2;
        double values[6] = {middle,  nextafter(middle, 0),  nextafter(middle, INFINITY),
                            -middle, -nextafter(middle, 0), -nextafter(middle, INFINITY)};
        rows_from_f64(dtype, values, 6, got);
        ck_each(got[0] == even && got[1] == i && got[2] == i + 1, "after %04x: %04x %04x %04x", i, got[0],
                got[1], got[2]);
        ck_each(got[3] == (even | 0x8000) && got[4] == (i | 0x8000) && got[5] == ((i + 1) | 0x8000),
                "after -%04x", i);
    }
}
END_TEST

START_TEST(extremes_are_written)
{
    double values[] = {1e300, -1e300, INFINITY, -INFINITY, 5e-324, -5e-324, 0.0, -0.0, 1e-200};
    uint16_t got[9], bf16[] = {0x7f80, 0xff80, 0x7f80, 0xff80, 0, 0x8000, 0, 0x8000, 0};
    uint16_t f16[] = {0x7c00, 0xfc00, 0x7c00, 0xfc00, 0, 0x8000, 0, 0x8000, 0};
    float f32[9];
    double nan = NAN;

    rows_from_f64(DTYPE_BF16, values, 9, got);
    ck_assert_mem_eq(got, bf16, sizeof bf16);
    rows_from_f64(DTYPE_F16, values, 9, got);
    ck_assert_mem_eq(got, f16, sizeof f16);
    rows_from_f64(DTYPE_F32, values, 9, f32);
    ck_assert(isinf(f32[0]) && f32[4] == 0 && signbit(f32[5]));
    rows_from_f64(DTYPE_F32, &nan, 1, f32);
    ck_assert(isnan(f32[0]));
}
END_TEST

#define CHECK_INTEGER(DTYPE, TYPE, ...)                                                                      \
    do {                                                                                                     \
        TYPE in[] = {__VA_ARGS__};                                                                           \
        double wide[sizeof in / sizeof *in];                                                                 \
        real numbers[sizeof in / sizeof *in];                                                                \
        rows_to_f64(DTYPE, in, sizeof in / sizeof *in, wide);                                                \
        rows_to_real(DTYPE, in, sizeof in / sizeof *in, numbers);                                            \
        for (size_t i = 0; i < sizeof in / sizeof *in; i++) {                                                \
            ck_assert_double_eq(wide[i], (double)in[i]);                                                     \
            ck_assert_double_eq((double)numbers[i], (double)(real)in[i]);                                    \
        }                                                                                                    \
    } while (0)

START_TEST(other_types_are_read)
{
    uint8_t truths[] = {0, 1, 255};
    double out[3];

    CHECK_INTEGER(DTYPE_U8, uint8_t, 0, 255);
    CHECK_INTEGER(DTYPE_I8, int8_t, -128, 127);
    CHECK_INTEGER(DTYPE_U16, uint16_t, 0, 65535);
    CHECK_INTEGER(DTYPE_I16, int16_t, -32768, 32767);
    CHECK_INTEGER(DTYPE_U32, uint32_t, 0, UINT32_MAX);
    CHECK_INTEGER(DTYPE_I32, int32_t, INT32_MIN, INT32_MAX);
    CHECK_INTEGER(DTYPE_U64, uint64_t, 0, UINT64_MAX);
    CHECK_INTEGER(DTYPE_I64, int64_t, INT64_MIN, INT64_MAX);
    CHECK_INTEGER(DTYPE_F64, double, -1.25, 1e300, 5e-324);
    CHECK_INTEGER(DTYPE_F32, float, -1.25f, 1e-45f, 3e38f);
    rows_to_f64(DTYPE_BOOL, truths, 3, out);
    ck_assert(out[0] == 0 && out[1] == 1 && out[2] == 1);
}
END_TEST

START_TEST(each_dtype_is_readable_or_not)
{
    for (int d = 0; d < DTYPE_COUNT; d++) {
        bool writable = d == DTYPE_F32 || d == DTYPE_F16 || d == DTYPE_BF16;
        ck_assert_int_eq(rows_writable((enum dtype)d), writable);
        ck_assert(!writable || rows_readable((enum dtype)d));
        ck_assert(!writable || rows_quantisable((enum dtype)d));
        ck_assert(rows_readable((enum dtype)d) || dtype_facts((enum dtype)d)->block_elements == 1);
    }
    ck_assert(rows_quantisable(DTYPE_Q4_0) && !rows_quantisable(DTYPE_Q4_K) && !rows_quantisable(DTYPE_F64));
    ck_assert(!rows_readable(DTYPE_F8_E4M3) && !rows_readable(DTYPE_C64) && !rows_readable(DTYPE_F4));
    ck_assert(rows_readable(DTYPE_F64) && rows_readable(DTYPE_BOOL) && rows_readable(DTYPE_I64));
}
END_TEST

/* A rank-one change u k^T of a 576 x 1536 weight of trained shape (normal, deviation .05). */
enum { ROWS = 576, COLUMNS = 1536 };

static const struct {
    enum dtype dtype;
    double relative_norm, plain_at_most, noise_at_most;
} edits[] = {
    {DTYPE_BF16, 2e-2, 1.01, 1.01}, {DTYPE_BF16, 4e-3, .995, 1.1}, {DTYPE_BF16, 1e-3, .9, 1.25},
    {DTYPE_BF16, 3e-4, .6, 1.85},   {DTYPE_F16, 3e-4, 1.01, 1.1},  {DTYPE_F32, 1e-7, 1.01, 1.85},
};

struct edit_figures {
    double plain, realised,
        noise; /* shares of the intended change along the key; growth of the rounding noise */
};

static struct edit_figures round_an_edit(enum dtype dtype, double relative_norm)
{
    static double old[COLUMNS], wanted[COLUMNS], key[COLUMNS], got[COLUMNS], scratch[2 * COLUMNS];
    static size_t order[COLUMNS];
    static uint8_t bytes[4 * COLUMNS];
    struct random_key weights = {7, 1}, factors = {7, 2};
    double plain_dot = 0, got_dot = 0, intended = 0, plain_noise = 0, got_noise = 0;
    double scale = relative_norm * .05; /* |u| |k| = relative_norm * |W| for unit normal u and k */

    for (size_t c = 0; c < COLUMNS; c++)
        key[c] = random_normal(factors, c);
    for (size_t r = 0; r < ROWS; r++) {
        double u = scale * random_normal(factors, COLUMNS + r), want = 0, plain = 0, got_row = 0;
        for (size_t c = 0; c < COLUMNS; c++)
            old[c] = .05 * random_normal(weights, r * COLUMNS + c);
        rows_from_f64(dtype, old, COLUMNS, bytes);
        rows_to_f64(dtype, bytes, COLUMNS, old);
        for (size_t c = 0; c < COLUMNS; c++)
            wanted[c] = old[c] + u * key[c];
        rows_from_f64(dtype, wanted, COLUMNS, bytes);
        rows_to_f64(dtype, bytes, COLUMNS, got);
        for (size_t c = 0; c < COLUMNS; c++) {
            want += (wanted[c] - old[c]) * key[c];
            plain += (got[c] - old[c]) * key[c];
            plain_noise += (got[c] - wanted[c]) * (got[c] - wanted[c]);
        }
        rows_round_along(dtype, wanted, key, COLUMNS, bytes, scratch, order);
        rows_to_f64(dtype, bytes, COLUMNS, got);
        for (size_t c = 0; c < COLUMNS; c++) {
            got_row += (got[c] - old[c]) * key[c];
            got_noise += (got[c] - wanted[c]) * (got[c] - wanted[c]);
        }
        ck_assert_msg(fabs(got_row - want) <= fabs(plain - want), "row %zu: %g of %g", r, got_row, want);
        /* Along the wanted direction: |(W' - W) k| with the sign of the intended change. */
        plain_dot += plain * want;
        got_dot += got_row * want;
        intended += want * want;
    }
    return (struct edit_figures){plain_dot / intended, got_dot / intended, sqrt(got_noise / plain_noise)};
}

START_TEST(an_edit_survives_rounding)
{
    struct edit_figures f = round_an_edit(edits[_i].dtype, edits[_i].relative_norm);

    ck_assert_msg(fabs(f.realised - 1) < 5e-4, "realised %.5f", f.realised);
    ck_assert_msg(f.plain <= edits[_i].plain_at_most, "plain rounding realised %.4f", f.plain);
    ck_assert_msg(f.noise <= edits[_i].noise_at_most, "noise grew %.4f times", f.noise);
    if (getenv("LANCET_SHOW"))
        fprintf(stderr, "%s %g: plain %.4f, realised %.6f, noise %.4f\n", dtype_facts(edits[_i].dtype)->name,
                edits[_i].relative_norm, f.plain, f.realised, f.noise);
}
END_TEST

START_TEST(rounding_along_leaves_exact_values)
{
    double wanted[8] = {0, -0.0, 1, -2.5, 0.1, INFINITY, 3e38, 1e-41}, key[8] = {1, 1, 1, 1, 0, 1, 0, 0},
           scratch[16];
    uint16_t got[8], plain[8];
    size_t order[8];

    rows_from_f64(DTYPE_BF16, wanted, 8, plain);
    rows_round_along(DTYPE_BF16, wanted, key, 8, got, scratch, order);
    ck_assert_mem_eq(got, plain, sizeof got);
    key[4] = NAN;
    rows_round_along(DTYPE_BF16, wanted, key, 8, got, scratch, order);
    ck_assert_mem_eq(got, plain, sizeof got);
}
END_TEST

/* One element rounded to zero steps to the smallest subnormal of its own sign. */
START_TEST(rounding_along_steps_across_zero)
{
    double smallest = ldexp(1, -133), wanted[3], key[3] = {1, 1, 1}, scratch[6], back[3], sum = 0;
    uint16_t got[3];
    size_t order[3];

    for (int sign = -1; sign <= 1; sign += 2) {
        for (size_t i = 0; i < 3; i++)
            wanted[i] = sign * smallest * .4;
        rows_round_along(DTYPE_BF16, wanted, key, 3, got, scratch, order);
        rows_to_f64(DTYPE_BF16, got, 3, back);
        sum = back[0] + back[1] + back[2];
        ck_assert_double_eq(sum, sign * smallest);
        ck_assert_uint_eq(got[0], sign < 0 ? 0x8001 : 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("rows");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_pattern_is_read, 0, 2);
    tcase_add_loop_test(tc, every_pattern_comes_back, 0, 2);
    tcase_add_loop_test(tc, rounding_is_to_nearest_even_and_once, 0, 2);
    tcase_add_test(tc, extremes_are_written);
    tcase_add_test(tc, other_types_are_read);
    tcase_add_test(tc, each_dtype_is_readable_or_not);
    tcase_add_loop_test(tc, an_edit_survives_rounding, 0, (int)(sizeof edits / sizeof *edits));
    tcase_add_test(tc, rounding_along_leaves_exact_values);
    tcase_add_test(tc, rounding_along_steps_across_zero);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
