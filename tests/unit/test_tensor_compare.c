/* Comparing tensors of several blocks. What the figures mean is tested in test_diff.c. */
#include "tensor_compare.h"

#include <string.h>

#include "memory.h"
#include "suite.h"

static struct context context;
static struct error err;

static void setup(void)
{
    ck_assert(pool_new(2, &context.pool, &err));
}

static void teardown(void)
{
    pool_free(context.pool);
}

/* More than one block and one batch; the last element alone differs. */
START_TEST(the_same_figures_for_any_number_of_threads)
{
    enum { ELEMENTS = 70 * (1 << 16) + 5 };
    float *a = memory_array(ELEMENTS, sizeof *a), *b = memory_array(ELEMENTS, sizeof *b);
    struct tensor ta = {.name = "t",
                        .dtype = DTYPE_F32,
                        .rank = 1,
                        .shape = {ELEMENTS},
                        .elements = ELEMENTS,
                        .bytes = 4 * (uint64_t)ELEMENTS,
                        .data = a},
                  tb = ta;
    struct tensor_comparison first, figures;
    bool same, rounded;
    tb.data = b;
    for (size_t i = 0; i < ELEMENTS; i++)
        b[i] = a[i] = (float)(i % 1013) * 0.37f;
    ck_assert(tensor_same_bytes(&context, &ta, &tb, &same, &err) && same);
    b[ELEMENTS - 1] += 3;
    ck_assert(tensor_same_bytes(&context, &ta, &tb, &same, &err) && !same);
    ck_assert(tensor_compare(&context, &ta, &tb, &first, &rounded, &err) && !rounded);
    ck_assert(first.changed == 1 && first.max_at == ELEMENTS - 1);
    for (size_t i = 0; i < ELEMENTS; i++)
        b[i] = a[i] + (float)(i % 7) * 0.01f;
    ck_assert(tensor_compare(&context, &ta, &tb, &first, &rounded, &err));
    for (unsigned n_threads = 1; n_threads <= 3; n_threads += 2) {
        struct context other = context;
        ck_assert(pool_new(n_threads, &other.pool, &err));
        ck_assert(tensor_compare(&other, &ta, &tb, &figures, &rounded, &err));
        ck_assert_mem_eq(&figures, &first, sizeof figures);
        pool_free(other.pool);
    }
    volatile sig_atomic_t stop = 1;
    struct context cancelled = context;
    cancelled.cancel = &stop;
    ck_assert(!tensor_compare(&cancelled, &ta, &tb, &figures, &rounded, &err));
    ck_assert_int_eq(err.kind, ERROR_CANCELLED);
    free(a);
    free(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor_compare");
    TCase *tc = tcase_create("tensor_compare");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_same_figures_for_any_number_of_threads);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
