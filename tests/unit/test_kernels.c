#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "blas.h"
#include "kernels.h"
#include "kernels_pair.h"
#include "memory.h"
#include "random.h"
#include "rows.h"

/* Every table that this processor runs, and the loops over 16 numbers made of AVX2, against those in plain C,
 * on sizes around every block border, with guards behind what they write. All sum in f32, in different
 * orders: 300 terms of mean size .64 differ by at most 16 u 192; blocks hold 512 terms of sizes of their own,
 * whose sum is known. */

enum { MAX_K = 300, MAX_BLOCKS_K = 512, MAX_ROWS = 14, MAX_M = 17, N_TABLES = 4 };

#define GUARD ((real).5)

static const enum dtype float_types[KERNEL_FLOATS] = {[KERNEL_F32] = DTYPE_F32,
                                                      [KERNEL_BF16] = DTYPE_BF16,
                                                      [KERNEL_F16] = DTYPE_F16,
                                                      [KERNEL_REAL] = DTYPE_F32};
static const size_t lengths[] = {0, 1, 7, 8, 9, 15, 16, 23, 24, 31, 47, 100, 257, 300};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static double stored[MAX_ROWS * MAX_K];
static uint8_t bytes[MAX_ROWS * MAX_BLOCKS_K * 4 + 1];
static real x[MAX_M * MAX_BLOCKS_K], y[2][MAX_M * MAX_BLOCKS_K + 1];

static void prepare_x(void)
{
    for (size_t i = 0; i < MAX_M * MAX_BLOCKS_K; i++)
        x[i] = (real)random_normal((struct random_key){1, 2}, i);
}

static void prepare(enum dtype dtype)
{
    for (size_t i = 0; i < MAX_ROWS * MAX_K; i++)
        stored[i] = random_normal((struct random_key){1, 1}, i);
    rows_from_f64(dtype, stored, MAX_ROWS * MAX_K, bytes + 1);
    prepare_x();
}

static void reset(void)
{
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i <= MAX_M * MAX_BLOCKS_K; i++)
            y[t][i] = GUARD;
}

static void compare(const char *what, const char *by, size_t a, size_t b, double tolerance)
{
    for (size_t i = 0; i <= MAX_M * MAX_BLOCKS_K; i++)
        ck_each(
            fabs((double)y[0][i] - (double)y[1][i]) <= tolerance && (y[0][i] == GUARD) == (y[1][i] == GUARD),
            "%s of %s, %zu by %zu, element %zu: %g, %g", what, by, a, b, i, (double)y[0][i], (double)y[1][i]);
}

static const struct kernels *const portable = &kernels_portable, *tables[N_TABLES];
static size_t n_tables;

static void setup(void)
{
    const struct kernels *all[N_TABLES] = {kernels_avx2(), kernels_avx512(), kernels_pair(),
                                           &kernels_portable};

    n_tables = 0;
    for (size_t t = 0; t < N_TABLES; t++)
        if (all[t])
            tables[n_tables++] = all[t];
}

START_TEST(the_best_is_one_of_them)
{
    for (size_t t = 0; t < n_tables; t++) {
        for (size_t u = 0; u < t; u++)
            ck_assert_str_ne(tables[t]->name, tables[u]->name);
        for (size_t k = 0; k < KERNEL_TYPES; k++)
            ck_assert(tables[t]->widen[k] && tables[t]->dot[k]);
        for (size_t k = 0; k < KERNEL_FLOATS; k++)
            ck_assert(tables[t]->axpy[k]);
    }
    ck_assert_ptr_eq(kernels_best(), tables[0] == kernels_avx2() && kernels_avx512() ? tables[1] : tables[0]);
}
END_TEST

START_TEST(widen_is_exact)
{
    static uint16_t patterns[65536];
    static real out[2][65536];

    for (uint32_t i = 0; i < 65536; i++)
        patterns[i] = (uint16_t)i;
    prepare(DTYPE_F32);
    for (size_t t = 0; t < n_tables; t++) {
        for (int k = KERNEL_BF16; k <= KERNEL_F16; k++) {
            portable->widen[k](patterns, 65536, out[0]);
            tables[t]->widen[k](patterns, 65536, out[1]);
            ck_assert_mem_eq(out[0], out[1], sizeof out[0]);
        }
        for (size_t l = 0; l < N_LENGTHS; l++) {
            reset();
            portable->widen[KERNEL_F32](bytes + 1, lengths[l], y[0]);
            tables[t]->widen[KERNEL_F32](bytes + 1, lengths[l], y[1]);
            ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
            ck_assert(y[1][lengths[l]] == GUARD);
        }
    }
}
END_TEST

START_TEST(dot_and_axpy)
{
    const double tolerance = 0x1p-20 * 192;
    size_t size = dtype_facts(float_types[_i])->block_bits / 8;

    prepare(float_types[_i]);
    for (size_t l = 0; l < N_LENGTHS; l++)
        for (size_t rows = 0; rows <= MAX_ROWS; rows++)
            for (size_t m = 1; m <= MAX_M; m++)
                for (size_t t = 0; t < n_tables; t++) {
                    const struct kernels *pair[2] = {portable, tables[t]};
                    reset();
                    for (int u = 0; u < 2; u++)
                        pair[u]->dot[_i](bytes + 1, MAX_K * size, rows, lengths[l], x, MAX_K, m, y[u], MAX_K);
                    compare("dot", pair[1]->name, rows, lengths[l], tolerance);
                    reset();
                    for (int u = 0; u < 2; u++)
                        pair[u]->axpy[_i](bytes + 1, MAX_K * size, rows, lengths[l], x, MAX_K, m, y[u],
                                          MAX_K);
                    compare("axpy", pair[1]->name, rows, lengths[l], tolerance);
                }
}
END_TEST

static const enum dtype block_types[] = {DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0,   DTYPE_Q5_1,
                                         DTYPE_Q8_0, DTYPE_Q2_K, DTYPE_Q3_K,   DTYPE_Q4_K,
                                         DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_IQ4_NL, DTYPE_IQ4_XS};
enum { N_BLOCK_TYPES = sizeof block_types / sizeof *block_types };

/* The largest sum of sizes of terms of one row. */
static double largest_sum(const real *numbers, size_t rows, size_t k, size_t stride)
{
    double largest = 0;

    for (size_t r = 0; r < rows; r++)
        for (size_t row = 0; row < 2; row++) {
            double sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += fabs((double)numbers[r * stride + i] * (double)x[row * stride + i]);
            largest = sum > largest ? sum : largest;
        }
    return largest;
}

/* Random bytes, but no scale that is not finite: no exponent of F16 above 15. */
static void random_blocks(enum dtype dtype, size_t n_blocks, uint8_t *to)
{
    size_t size = dtype_facts(dtype)->block_bits / 8;
    const size_t halves[] = {0, 2, 80, 82, 108, 208};

    for (size_t i = 0; i < n_blocks * size; i++)
        to[i] = (uint8_t)random_u64((struct random_key){1, 3}, i);
    for (size_t b = 0; b < n_blocks; b++, to += size) {
        for (size_t h = 0; h < sizeof halves / sizeof *halves; h++)
            if (halves[h] + 2 <= size)
                to[halves[h] + 1] &= 0xbf;
    }
}

START_TEST(blocks_are_exact)
{
    enum { N_BLOCKS = 64 };
    static uint8_t blocks[N_BLOCKS * 210 + 1];
    static real out[2][N_BLOCKS * 256 + 1];
    enum kernel_type k = kernel_type_of(block_types[_i]);
    size_t n = N_BLOCKS * dtype_facts(block_types[_i])->block_elements;

    ck_assert(k >= KERNEL_FLOATS && k < KERNEL_TYPES);
    random_blocks(block_types[_i], N_BLOCKS, blocks + 1);
    for (size_t i = 0; i < n; i++) /* what the vectors of gguf prove */
        rows_slice_real(block_types[_i], blocks + 1, i, 1, out[0] + i);
    for (size_t t = 0; t < n_tables; t++) {
        out[1][n] = GUARD;
        tables[t]->widen[k](blocks + 1, n, out[1]);
        ck_assert_msg(memcmp(out[0], out[1], n * sizeof **out) == 0, "%s widens otherwise", tables[t]->name);
        ck_assert(out[1][n] == GUARD);
    }
    random_blocks(block_types[_i], N_BLOCKS, blocks + 1);
    blocks[2] = 0x7c; /* infinite or not a number: the same elements are */
    portable->widen[k](blocks + 1, n, out[0]);
    for (size_t t = 0; t < n_tables; t++) {
        tables[t]->widen[k](blocks + 1, n, out[1]);
        for (size_t i = 0; i < n; i++)
            ck_each(memcmp(&out[0][i], &out[1][i], sizeof **out) == 0 ||
                        (isnan(out[0][i]) && isnan(out[1][i])),
                    "element %zu by %s", i, tables[t]->name);
    }
}
END_TEST

START_TEST(dot_of_blocks)
{
    static real numbers[MAX_ROWS * MAX_BLOCKS_K];
    const struct dtype_facts *facts = dtype_facts(block_types[_i]);
    enum kernel_type type = kernel_type_of(block_types[_i]);
    size_t block = facts->block_elements, per_row = MAX_BLOCKS_K / block,
           stride = per_row * facts->block_bits / 8;

    prepare_x();
    random_blocks(block_types[_i], MAX_ROWS * per_row, bytes + 1);
    portable->widen[type](bytes + 1, sizeof numbers / sizeof *numbers, numbers);
    for (size_t k = 0; k <= MAX_BLOCKS_K; k += block)
        for (size_t rows = 0; rows <= MAX_ROWS; rows += 7)
            for (size_t m = 1; m <= 2; m++)
                for (size_t t = 0; t < n_tables; t++) {
                    const struct kernels *pair[2] = {portable, tables[t]};
                    reset();
                    for (int u = 0; u < 2; u++)
                        pair[u]->dot[type](bytes + 1, stride, rows, k, x, MAX_BLOCKS_K, m, y[u],
                                           MAX_BLOCKS_K);
                    compare(facts->name, pair[1]->name, rows, k,
                            0x1p-20 * (1 + largest_sum(numbers, rows, k, MAX_BLOCKS_K)));
                }
}
END_TEST

START_TEST(blas_is_right)
{
    struct error err = {0};

    ck_assert_msg(blas_check(&err), "%s", err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tc = tcase_create("kernels");

    tcase_add_unchecked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_best_is_one_of_them);
    tcase_add_test(tc, widen_is_exact);
    tcase_add_loop_test(tc, dot_and_axpy, 0, KERNEL_FLOATS);
    tcase_add_loop_test(tc, blocks_are_exact, 0, N_BLOCK_TYPES);
    tcase_add_loop_test(tc, dot_of_blocks, 0, N_BLOCK_TYPES);
    tcase_add_test(tc, blas_is_right);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
