/* What an edit, a LoRA and a fine-tune leave, told apart under the noise of rounding. */
#include "change_rank.h"

#include <math.h>
#include <string.h>

#include "memory.h"
#include "random.h"
#include "rows.h"
#include "suite.h"

enum { ROWS = 320, COLUMNS = 448, N = ROWS * COLUMNS };

static struct context context;
static struct error err;
static double *weights, *change;
static uint8_t *before, *after;

static void setup(void)
{
    ck_assert(pool_new(2, &context.pool, &err));
    weights = memory_array(N, sizeof *weights);
    change = memory_array(N, sizeof *change);
    before = memory_array(N, 8);
    after = memory_array(N, 8);
}

static void teardown(void)
{
    pool_free(context.pool);
    free(weights);
    free(change);
    free(before);
    free(after);
}

static double normal(uint64_t stream, size_t i)
{
    return random_normal((struct random_key){11, stream}, i);
}

/* `rank` components of Gaussian vectors; 0: every element by itself. Scaled to this norm against the weights,
 * which are what the dtype holds. */
static void make_change(enum dtype dtype, size_t rank, double relative)
{
    double w2 = 0, d2 = 0;
    for (size_t i = 0; i < N; i++)
        weights[i] = 0.02 * normal(1, i);
    rows_from_f64(dtype, weights, N, before);
    rows_to_f64(dtype, before, N, weights);
    for (size_t i = 0; i < N; i++) {
        change[i] = rank ? 0 : normal(2, i);
        for (size_t k = 0; k < rank; k++)
            change[i] += normal(3 + k, i / COLUMNS) * normal(103 + k, i % COLUMNS);
        w2 += weights[i] * weights[i];
        d2 += change[i] * change[i];
    }
    for (size_t i = 0; i < N; i++)
        change[i] *= relative * sqrt(w2 / d2);
}

static struct tensor tensor_of(enum dtype dtype, const void *data)
{
    return (struct tensor){
        .name = "w", .dtype = dtype, .rank = 2, .shape = {ROWS, COLUMNS}, .elements = N, .data = data};
}

static struct change_rank measure(enum dtype dtype)
{
    struct tensor a = tensor_of(dtype, before), b = tensor_of(dtype, after);
    struct change_rank out;
    ck_assert_msg(change_rank(&context, &a, &b, &out, &err), "%s", err.text);
    return out;
}

static void round_change(enum dtype dtype)
{
    double *wanted = memory_array(N, sizeof *wanted);
    for (size_t i = 0; i < N; i++)
        wanted[i] = weights[i] + change[i];
    rows_from_f64(dtype, wanted, N, after);
    free(wanted);
}

/* As an edit is rounded: along its key. */
static void round_edit(enum dtype dtype)
{
    double wanted[COLUMNS], key[COLUMNS], scratch[2 * COLUMNS];
    size_t order[COLUMNS], width = dtype_facts(dtype)->block_bits / 8;
    for (size_t c = 0; c < COLUMNS; c++)
        key[c] = normal(103, c);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLUMNS; c++)
            wanted[c] = weights[r * COLUMNS + c] + change[r * COLUMNS + c];
        rows_round_along(dtype, wanted, key, COLUMNS, after + r * COLUMNS * width, scratch, order);
    }
}

/* The smallest change of rank 8 that can be seen depends on the dtype: below it most of it is lost. */
static const struct {
    enum dtype dtype;
    double relative;
    bool sees_eight;
} cases[] = {
    {DTYPE_BF16, 3e-4, false}, {DTYPE_BF16, 1e-3, false}, {DTYPE_BF16, 2e-3, true}, {DTYPE_BF16, 4e-3, true},
    {DTYPE_BF16, 1e-2, true},  {DTYPE_BF16, 5e-2, true},  {DTYPE_F16, 3e-4, true},  {DTYPE_F16, 1e-3, true},
    {DTYPE_F16, 4e-3, true},   {DTYPE_F16, 5e-2, true},   {DTYPE_F32, 3e-4, true},  {DTYPE_F32, 4e-3, true},
    {DTYPE_F32, 5e-2, true},   {DTYPE_F32, 3e-1, true},
};

START_TEST(an_edit_has_rank_one)
{
    make_change(cases[_i].dtype, 1, cases[_i].relative);
    round_edit(cases[_i].dtype);
    struct change_rank r = measure(cases[_i].dtype);
    ck_assert_msg(r.kind == CHANGE_RANK_ROUNDED && r.rank == 1, "kind %d, rank %llu, noise %g, share %g",
                  (int)r.kind, (unsigned long long)r.rank, r.noise, r.share);
    ck_assert(r.values[0] > 1.5 * r.values[1] && r.noise < 1.5);
}
END_TEST

START_TEST(a_merged_adapter_has_its_rank)
{
    make_change(cases[_i].dtype, 8, cases[_i].relative);
    round_change(cases[_i].dtype);
    struct change_rank r = measure(cases[_i].dtype);
    if (cases[_i].sees_eight)
        ck_assert_msg(r.kind == CHANGE_RANK_ROUNDED && r.rank == 8, "kind %d, rank %llu, noise %g, share %g",
                      (int)r.kind, (unsigned long long)r.rank, r.noise, r.share);
}
END_TEST

START_TEST(a_fine_tune_has_full_rank)
{
    make_change(cases[_i].dtype, 0, cases[_i].relative);
    round_change(cases[_i].dtype);
    struct change_rank r = measure(cases[_i].dtype);
    ck_assert_msg(r.kind == CHANGE_RANK_FULL && r.rank == ROWS, "kind %d, rank %llu, noise %g, share %g",
                  (int)r.kind, (unsigned long long)r.rank, r.noise, r.share);
}
END_TEST

/* Many components that fade, as in real fine-tunes: no gap, no low rank. */
START_TEST(a_spectrum_without_a_gap_is_full_rank)
{
    make_change(cases[_i].dtype, 0, 1);
    memset(change, 0, N * sizeof *change);
    double w2 = 0, d2 = 0;
    for (size_t k = 0; k < 160; k++) {
        double row[COLUMNS];
        for (size_t c = 0; c < COLUMNS; c++)
            row[c] = pow((double)k + 1, -.7) * normal(203 + k, c);
        for (size_t r = 0; r < ROWS; r++) {
            double left = normal(3 + k, r);
            for (size_t c = 0; c < COLUMNS; c++)
                change[r * COLUMNS + c] += left * row[c];
        }
    }
    for (size_t i = 0; i < N; i++) {
        w2 += weights[i] * weights[i];
        d2 += change[i] * change[i];
    }
    for (size_t i = 0; i < N; i++)
        change[i] *= cases[_i].relative * sqrt(w2 / d2);
    round_change(cases[_i].dtype);
    struct change_rank r = measure(cases[_i].dtype);
    ck_assert_msg(r.kind == CHANGE_RANK_FULL, "kind %d, rank %llu, noise %g, share %g", (int)r.kind,
                  (unsigned long long)r.rank, r.noise, r.share);
}
END_TEST

START_TEST(few_rows_are_a_low_rank)
{
    make_change(DTYPE_F16, 0, 0.1);
    for (size_t i = 0; i < N; i++)
        if (i / COLUMNS != 7 && i / COLUMNS != 8 && i / COLUMNS != 300)
            change[i] = 0;
    round_change(DTYPE_F16);
    struct change_rank r = measure(DTYPE_F16);
    ck_assert(r.kind == CHANGE_RANK_EXACT && r.rank == 3 && r.rows == 3 && r.columns == COLUMNS);
}
END_TEST

START_TEST(integers_and_numbers_that_are_none)
{
    int8_t *a = (int8_t *)before, *b = (int8_t *)after;
    for (size_t i = 0; i < N; i++) {
        a[i] = (int8_t)(i % 50);
        b[i] = (int8_t)(a[i] + (i / COLUMNS % 3) * (i % COLUMNS % 5));
    }
    struct change_rank r = measure(DTYPE_I8);
    ck_assert(r.kind == CHANGE_RANK_EXACT && r.rank == 1);
    make_change(DTYPE_F32, 1, 0.01);
    round_change(DTYPE_F32);
    ((float *)(void *)after)[12345] = NAN;
    ((float *)(void *)before)[777] = INFINITY;
    r = measure(DTYPE_F32);
    ck_assert(isfinite(r.share) && isfinite(r.values[0]) && r.share > .9);
}
END_TEST

START_TEST(what_has_a_rank)
{
    struct tensor a = {.dtype = DTYPE_F32, .rank = 1, .shape = {6}, .elements = 6};
    ck_assert(!change_rank_applies(&a, &a));
    a.rank = 2, a.shape[0] = 2, a.shape[1] = 3;
    ck_assert(change_rank_applies(&a, &a));
    a.shape[0] = 6, a.shape[1] = 1;
    ck_assert(!change_rank_applies(&a, &a));
    a.rank = 3, a.shape[0] = 3, a.shape[1] = 1, a.shape[2] = 2;
    ck_assert(change_rank_applies(&a, &a));
    a.dtype = DTYPE_F8_E4M3;
    ck_assert(!change_rank_applies(&a, &a));
    a.dtype = DTYPE_F32, a.elements = 0, a.shape[2] = 0;
    ck_assert(!change_rank_applies(&a, &a));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("change_rank");
    TCase *tc = tcase_create("change_rank");
    int n = sizeof cases / sizeof *cases;
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, an_edit_has_rank_one, 0, n);
    tcase_add_loop_test(tc, a_merged_adapter_has_its_rank, 0, n);
    tcase_add_loop_test(tc, a_fine_tune_has_full_rank, 0, n);
    tcase_add_loop_test(tc, a_spectrum_without_a_gap_is_full_rank, 0, n);
    tcase_add_test(tc, few_rows_are_a_low_rank);
    tcase_add_test(tc, integers_and_numbers_that_are_none);
    tcase_add_test(tc, what_has_a_rank);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
