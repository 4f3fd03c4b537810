#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "blas.h"
#include "kernels.h"
#include "memory.h"
#include "random.h"
#include "rows.h"

/* The loops of this processor against those in plain C, on sizes around every block border, with guards
 * behind what they write. Both sum in f32, in different orders: 300 terms of mean size .64 differ by at most
 * 16 u 192. */

enum { MAX_K = 300, MAX_ROWS = 6, MAX_M = 17 };

#define GUARD ((real).5)

static const enum dtype dtypes[KERNEL_TYPES] = {[KERNEL_F32] = DTYPE_F32,
                                                [KERNEL_BF16] = DTYPE_BF16,
                                                [KERNEL_F16] = DTYPE_F16,
                                                [KERNEL_REAL] = DTYPE_F32};
static const size_t lengths[] = {0, 1, 7, 8, 9, 23, 24, 31, 47, 100, 257, 300};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static double stored[MAX_ROWS * MAX_K];
static uint8_t bytes[MAX_ROWS * MAX_K * 4 + 1];
static real x[MAX_M * MAX_K], y[2][MAX_M * MAX_K + 1];

static void prepare(enum dtype dtype)
{
    for (size_t i = 0; i < MAX_ROWS * MAX_K; i++)
        stored[i] = random_normal((struct random_key){1, 1}, i);
    rows_from_f64(dtype, stored, MAX_ROWS * MAX_K, bytes + 1);
    for (size_t i = 0; i < MAX_M * MAX_K; i++)
        x[i] = (real)random_normal((struct random_key){1, 2}, i);
}

static void reset(void)
{
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i <= MAX_M * MAX_K; i++)
            y[t][i] = GUARD;
}

static void compare(const char *what, size_t a, size_t b)
{
    for (size_t i = 0; i <= MAX_M * MAX_K; i++)
        ck_each(fabs((double)y[0][i] - (double)y[1][i]) <= 0x1p-20 * 192 &&
                    (y[0][i] == GUARD) == (y[1][i] == GUARD),
                "%s, %zu by %zu, element %zu: %g, %g", what, a, b, i, (double)y[0][i], (double)y[1][i]);
}

static const struct kernels *tables[2];

static void setup(void)
{
    tables[0] = &kernels_portable;
    tables[1] = kernels_best();
}

START_TEST(widen_is_exact)
{
    static uint16_t patterns[65536];
    static real out[2][65536];

    for (uint32_t i = 0; i < 65536; i++)
        patterns[i] = (uint16_t)i;
    for (int k = KERNEL_BF16; k <= KERNEL_F16; k++) {
        for (int t = 0; t < 2; t++)
            tables[t]->widen[k](patterns, 65536, out[t]);
        ck_assert_mem_eq(out[0], out[1], sizeof out[0]);
    }
    prepare(DTYPE_F32);
    for (size_t l = 0; l < N_LENGTHS; l++) {
        reset();
        for (int t = 0; t < 2; t++)
            tables[t]->widen[KERNEL_F32](bytes + 1, lengths[l], y[t]);
        ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
        ck_assert(y[1][lengths[l]] == GUARD);
    }
}
END_TEST

START_TEST(dot_and_axpy)
{
    size_t size = dtype_facts(dtypes[_i])->block_bits / 8;

    prepare(dtypes[_i]);
    for (size_t l = 0; l < N_LENGTHS; l++)
        for (size_t rows = 0; rows <= MAX_ROWS; rows++)
            for (size_t m = 1; m <= MAX_M; m++) {
                reset();
                for (int t = 0; t < 2; t++)
                    tables[t]->dot[_i](bytes + 1, MAX_K * size, rows, lengths[l], x, MAX_K, m, y[t], MAX_K);
                compare("dot", rows, lengths[l]);
                reset();
                for (int t = 0; t < 2; t++)
                    tables[t]->axpy[_i](bytes + 1, MAX_K * size, rows, lengths[l], x, MAX_K, m, y[t], MAX_K);
                compare("axpy", rows, lengths[l]);
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
    tcase_add_test(tc, widen_is_exact);
    tcase_add_loop_test(tc, dot_and_axpy, 0, KERNEL_TYPES);
    tcase_add_test(tc, blas_is_right);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
