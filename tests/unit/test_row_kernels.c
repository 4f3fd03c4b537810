#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"
#include "random.h"
#include "row_kernels.h"

/* Both tables must give the same bits, whatever the length and the alignment. */

enum { N_DOUBLES = 1 << 19, LONGEST = 1000 };

static const struct row_kernels *const portable = &row_kernels_portable;
static const size_t lengths[] = {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 999, LONGEST};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static double values[N_DOUBLES];
static size_t n_values;

static void add(double value)
{
    if (n_values < N_DOUBLES)
        values[n_values++] = value;
}

static double of_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void add_around(double value)
{
    add(value);
    add(nextafter(value, INFINITY));
    add(nextafter(value, -INFINITY));
}

/* Every value of a 16-bit float, and the tie above it, each with its neighbours among doubles. */
static void add_halves(bool bf16)
{
    for (uint32_t i = 0; i < 65536; i += 3) {
        uint16_t bits = (uint16_t)i, next = (uint16_t)(i + 1);
        double a = (double)(bf16 ? bf16_to_float(bits) : f16_to_float(bits));
        double b = (double)(bf16 ? bf16_to_float(next) : f16_to_float(next));
        add_around(a);
        add_around(isfinite(a) && isfinite(b) ? a / 2 + b / 2 : b);
    }
}

static void fill(void)
{
    static const double special[] = {0.0,
                                     -0.0,
                                     INFINITY,
                                     -INFINITY,
                                     NAN,
                                     -NAN,
                                     0x1p-1074,
                                     -0x1p-1074,
                                     0x1.fffffffffffffp1023,
                                     0x1p-126,
                                     0x1p-133,
                                     0x1p-134,
                                     0x1p-149,
                                     0x1p-150,
                                     0x1.fffffep127,
                                     0x1.ffffffp127,
                                     0x1.fep127,
                                     0x1.ffp127,
                                     0x1p128,
                                     65504.0,
                                     65520.0,
                                     0x1p-24,
                                     0x1p-25,
                                     0x1p-14};

    n_values = 0;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        add_around(special[i]);
        add_around(-special[i]);
    }
    for (uint64_t payload = 1; payload < UINT64_C(1) << 52; payload <<= 1) {
        add(of_bits(UINT64_C(0x7ff) << 52 | payload));
        add(of_bits(UINT64_C(0xfff) << 52 | payload));
    }
    add_halves(true);
    add_halves(false);
    for (uint64_t i = 0; n_values < N_DOUBLES; i++) {
        uint64_t bits = random_u64((struct random_key){7, 1}, i);
        add(of_bits(bits));
        add(ldexp(1 + (double)(bits >> 12) * 0x1p-52, (int)(bits % 300) - 160)); /* near the narrow types */
    }
}

START_TEST(narrow_is_the_same)
{
    static uint8_t out[2][4 * N_DOUBLES + 1];
    const size_t sizes[ROW_TYPES] = {[ROW_F32] = 4, [ROW_BF16] = 2, [ROW_F16] = 2};
    size_t size = sizes[_i];

    fill();
    portable->narrow[_i](values, N_DOUBLES, out[0]);
    row_kernels_best()->narrow[_i](values, N_DOUBLES, out[1] + 1); /* not aligned */
    for (size_t i = 0; i < N_DOUBLES; i++)
        ck_each(memcmp(out[0] + i * size, out[1] + 1 + i * size, size) == 0 ||
                    (_i == ROW_F32 && isnan(values[i])),
                "%a becomes %02x%02x and %02x%02x", values[i], out[0][i * size + 1], out[0][i * size],
                out[1][1 + i * size + 1], out[1][1 + i * size]);
    for (size_t l = 0; l < N_LENGTHS; l++) {
        memset(out[1], 0xa5, sizeof out[1]);
        row_kernels_best()->narrow[_i](values, lengths[l], out[1]);
        ck_each(memcmp(out[0], out[1], lengths[l] * size) == 0 || _i == ROW_F32, "%zu values", lengths[l]);
        ck_each(out[1][lengths[l] * size] == 0xa5, "%zu values write further", lengths[l]);
    }
}
END_TEST

START_TEST(widen_is_the_same)
{
    static uint8_t bytes[4 * 65536 + 1];
    static double out[2][65536 + 1];

    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t bits = _i == ROW_F32 ? (uint32_t)random_u64((struct random_key){7, 2}, i) : i;
        if (_i == ROW_F32 && (bits >> 23 & 255) == 255) /* a signalling NaN may become quiet or not */
            bits |= 1 << 22;
        memcpy(bytes + 1 + (_i == ROW_F32 ? 4 : 2) * i, &bits, _i == ROW_F32 ? 4 : 2);
    }
    portable->widen[_i](bytes + 1, 65536, out[0]);
    row_kernels_best()->widen[_i](bytes + 1, 65536, out[1]);
    for (uint32_t i = 0; i < 65536; i++)
        ck_each(memcmp(&out[0][i], &out[1][i], 8) == 0 || (isnan(out[0][i]) && isnan(out[1][i])),
                "pattern %x: %a and %a", i, out[0][i], out[1][i]);
    for (size_t l = 0; l < N_LENGTHS; l++) {
        out[1][lengths[l]] = .5;
        row_kernels_best()->widen[_i](bytes + 1, lengths[l], out[1]);
        ck_each(out[1][lengths[l]] == .5, "%zu values write further", lengths[l]);
    }
}
END_TEST

static double x[LONGEST + 1], y[LONGEST + 1], out[2][LONGEST + 3];

static void same(const char *what, size_t n)
{
    ck_each(memcmp(out[0], out[1], sizeof out[0]) == 0, "%s of %zu differs", what, n);
}

static void reset(void)
{
    for (size_t i = 0; i < LONGEST + 3; i++)
        out[0][i] = out[1][i] = random_normal((struct random_key){7, 5}, i);
}

START_TEST(combinations_are_the_same)
{
    const struct row_kernels *tables[2] = {portable, row_kernels_best()};

    for (size_t i = 0; i <= LONGEST; i++) {
        x[i] = random_normal((struct random_key){7, 3}, i) * (i % 7 ? 1 : 1e-9);
        y[i] = random_normal((struct random_key){7, 4}, i);
    }
    for (size_t l = 0; l < N_LENGTHS; l++) {
        size_t n = lengths[l];
        reset();
        for (int t = 0; t < 2; t++)
            tables[t]->scale(0.3, x + 1, n, out[t] + 1);
        same("scale", n);
        for (int t = 0; t < 2; t++)
            tables[t]->combine(0.7, y, -0.2, x + 1, n, out[t] + 2);
        same("combine", n);
        for (int t = 0; t < 2; t++)
            tables[t]->add_scaled(0.7, y, n, out[t] + 1);
        same("add_scaled", n);
        for (int t = 0; t < 2; t++)
            tables[t]->add_difference(1.1, x, y + 1, n, out[t]);
        same("add_difference", n);
        for (int t = 0; t < 2; t++)
            tables[t]->divide(3, n, out[t]);
        same("divide", n);
        for (int t = 0; t < 2; t++) {
            out[t][0] = tables[t]->squares(x + 1, n);
            tables[t]->add_distance(x, y, n, out[t] + 1);
            tables[t]->add_products(x, y + 1, n, out[t] + 3);
        }
        same("a sum", n);
    }
}
END_TEST

START_TEST(sums_are_right)
{
    double sums[3] = {0}, squares = 0, distance[2] = {0}, want[4] = {0};

    for (size_t i = 0; i < LONGEST; i++) {
        x[i] = random_normal((struct random_key){7, 3}, i);
        y[i] = random_normal((struct random_key){7, 4}, i);
        want[0] += x[i] * x[i];
        want[1] += y[i] * y[i];
        want[2] += x[i] * y[i];
        want[3] += (x[i] - y[i]) * (x[i] - y[i]);
    }
    squares = row_kernels_best()->squares(x, LONGEST);
    row_kernels_best()->add_distance(x, y, LONGEST, distance);
    row_kernels_best()->add_products(x, y, LONGEST, sums);
    ck_assert_double_eq_tol(squares, want[0], 1e-12 * want[0]);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(sums[i], want[i], 1e-12 * want[0]);
    ck_assert_double_eq_tol(distance[0], want[1], 1e-12 * want[1]);
    ck_assert_double_eq_tol(distance[1], want[3], 1e-12 * want[3]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_kernels");
    TCase *tc = tcase_create("row_kernels");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, narrow_is_the_same, 0, ROW_TYPES);
    tcase_add_loop_test(tc, widen_is_the_same, 0, ROW_TYPES);
    tcase_add_test(tc, combinations_are_the_same);
    tcase_add_test(tc, sums_are_right);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
