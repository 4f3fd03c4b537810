#include "suite.h"

#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "file_tree.h"
#include "moments.h"

static char box[64], cache[96];

static void setup(void)
{
    strcpy(box, "/tmp/lancet-moments-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(box));
    snprintf(cache, sizeof cache, "%s/a/cache", box);
}

static void teardown(void)
{
    struct error err = {0};

    ck_assert_msg(file_tree_remove(fs_real(), box, &err), "%s", err.text);
}

enum { ROWS = 5 };
static const uint32_t ids[ROWS][12] = {
    {1, 2, 3, 4, 5}, {9, 8, 7}, {4}, {3, 3, 3, 3, 3, 3, 3, 1, 2, 5, 6, 7}, {8, 1}};
static const uint32_t *const rows[ROWS] = {ids[0], ids[1], ids[2], ids[3], ids[4]};
static const size_t lengths[ROWS] = {5, 3, 1, 12, 2};

struct sum {
    double *c;
    size_t n, tokens;
};

static void add_plainly(void *user, const struct tap_view *view)
{
    struct sum *sum = user;

    for (size_t r = 0; r < view->n_rows; r++)
        for (size_t i = 0; i < sum->n; i++)
            for (size_t j = 0; j < sum->n; j++)
                sum->c[i * sum->n + j] +=
                    (double)view->data[r * sum->n + i] * (double)view->data[r * sum->n + j];
    sum->tokens += view->n_rows;
}

/* One row a pass, every outer product by its definition. */
static void by_definition(struct engine *e, size_t layer, size_t n_rows, size_t window, struct sum *sum)
{
    struct tap tap = {SITE_MLP_KEY, layer, layer, add_plainly, sum};
    struct pass_options options = {.taps = &tap, .n_taps = 1};

    sum->n = e->model->config.ff;
    sum->c = new_array(sum->n * sum->n, sizeof *sum->c);
    for (size_t r = 0; r < n_rows; r++) {
        struct sequence sequence = {rows[r], lengths[r] < window ? lengths[r] : window};
        struct pass *pass = NULL;
        ck_ok(e, pass_new(&e->context, e->model, &sequence, 1, &options, &pass, &e->err));
        ck_ok(e, pass_run(pass, &e->err));
        pass_free(pass);
    }
    for (size_t i = 0; i < sum->n * sum->n; i++)
        sum->c[i] /= (double)sum->tokens;
}

START_TEST(moments_are_mean_outer_products)
{
    static const char *const models[] = {"tiny-llama", "tiny-gpt2", "tiny-gemma3"};
    static const size_t layers[2] = {2, 0};
    struct moments_source source = {.rows = rows, .row_lengths = lengths, .n_rows = ROWS};
    struct moments got[2], read;
    struct engine e;
    char path[128];

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, layers, 2, "", got, &e.err));
    for (size_t l = 0; l < 2; l++) {
        struct sum want = {0};
        by_definition(&e, layers[l], ROWS, 100, &want);
        ck_assert_uint_eq(got[l].layer, layers[l]);
        ck_assert_uint_eq(got[l].tokens, 23);
        for (size_t i = 0; i < want.n * want.n; i++)
            ck_each(fabs(got[l].c[i] - want.c[i]) <= 1e-5 * (1 + fabs(want.c[i])), "element %zu", i);
        free(want.c);
    }
    snprintf(path, sizeof path, "%s/c.safetensors", box);
    ck_ok(&e, moments_write(&e.context, got, 2, path, &e.err));
    for (size_t l = 0; l < 2; l++) {
        ck_ok(&e, moments_read(&e.context, path, layers[l], got[l].n, &read, &e.err));
        ck_assert_uint_eq(read.tokens, 23);
        ck_assert_mem_eq(read.c, got[l].c, read.n * read.n * sizeof *read.c);
        moments_release(&read);
    }
    ck_assert(!moments_read(&e.context, path, 1, got[0].n, &read, &e.err));
    ck_assert_int_eq(e.err.kind, ERROR_MISMATCH);
    ck_assert(!moments_read(&e.context, path, 0, got[0].n + 1, &read, &e.err));
    ck_assert_int_eq(e.err.kind, ERROR_MISMATCH);
    moments_release(&got[0]);
    moments_release(&got[1]);
    engine_close(&e);
}
END_TEST

START_TEST(windows_and_limits_cut)
{
    struct moments_source source = {
        .rows = rows, .row_lengths = lengths, .n_rows = ROWS, .tokens = 10, .window = 4};
    size_t layer = 1;
    struct sum want = {0};
    struct moments got;
    struct engine e;

    engine_open(&e, "LANCET_NUMERICS", "tiny-llama", 1);
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, &layer, 1, "", &got, &e.err));
    by_definition(&e, layer, 4, 4, &want); /* 4 + 3 + 1 + 4: the row that reaches the limit counts in full */
    ck_assert_uint_eq(got.tokens, 12);
    ck_assert_double_eq_tol(got.c[7], want.c[7], 1e-5);
    free(want.c);
    moments_release(&got);
    source = (struct moments_source){.rows = rows, .row_lengths = lengths, .n_rows = 0};
    ck_assert(!moments_collect(&e.context, e.model, NULL, &source, &layer, 1, "", &got, &e.err));
    source = (struct moments_source){.corpus = "/nowhere"};
    ck_assert(!moments_collect(&e.context, e.model, NULL, &source, &layer, 1, "", &got, &e.err));
    engine_close(&e);
}
END_TEST

/* Cached files are used: what is put into one comes back. Another text, layer or weight below has another
 * name. */
START_TEST(the_cache_knows_what_it_holds)
{
    static const size_t layers[2] = {1, 2};
    struct moments_source source = {.rows = rows, .row_lengths = lengths, .n_rows = ROWS};
    struct moments first[2], again[2];
    struct engine e;

    engine_open(&e, "LANCET_NUMERICS", "tiny-gemma3", 2);
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, layers, 2, cache, first, &e.err));
    char folder[128], *names = NULL;
    snprintf(folder, sizeof folder, "%s/moments", cache);
    ck_assert_int_eq(fs_real()->list(NULL, folder, &names), 0);
    size_t n_files = 0;
    for (char *p = names; *p; p += strlen(p) + 1)
        n_files++;
    free(names);
    ck_assert_uint_eq(n_files, 2);
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, layers, 2, cache, again, &e.err));
    for (int l = 0; l < 2; l++) {
        ck_assert_mem_eq(first[l].c, again[l].c, first[l].n * first[l].n * sizeof *first[l].c);
        ck_assert_uint_eq(first[l].tokens, again[l].tokens);
        moments_release(&again[l]);
    }
    source.n_rows = 3;
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, layers, 1, cache, again, &e.err));
    ck_assert_uint_eq(again[0].tokens, 9);
    moments_release(&again[0]);
    moments_release(&first[0]);
    moments_release(&first[1]);
    engine_close(&e);
}
END_TEST

START_TEST(broken_cache_files_are_made_again)
{
    size_t layer = 0;
    struct moments_source source = {.rows = rows, .row_lengths = lengths, .n_rows = ROWS};
    struct moments first, again;
    struct engine e;
    char folder[128], path[256], *names = NULL;

    engine_open(&e, "LANCET_NUMERICS", "tiny-gpt2", 1);
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, &layer, 1, cache, &first, &e.err));
    snprintf(folder, sizeof folder, "%s/moments", cache);
    ck_assert_int_eq(fs_real()->list(NULL, folder, &names), 0);
    snprintf(path, sizeof path, "%s/%s", folder, names);
    free(names);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_ok(&e, moments_collect(&e.context, e.model, NULL, &source, &layer, 1, cache, &again, &e.err));
    ck_assert_mem_eq(first.c, again.c, first.n * first.n * sizeof *first.c);
    moments_release(&again);
    ck_ok(&e, moments_read(&e.context, path, 0, first.n, &again, &e.err));
    moments_release(&again);
    moments_release(&first);
    engine_close(&e);
}
END_TEST

START_TEST(sampled_text_repeats)
{
    size_t layer = 1;
    struct moments_source source = {.seed = 4};
    struct moments first, again;
    struct engine one, two;

    engine_open(&one, "LANCET_NUMERICS", "tiny-llama", 1);
    engine_open(&two, "LANCET_NUMERICS", "tiny-llama", 2);
    ck_ok(&one, moments_collect(&one.context, one.model, NULL, &source, &layer, 1, "", &first, &one.err));
    ck_ok(&two, moments_collect(&two.context, two.model, NULL, &source, &layer, 1, "", &again, &two.err));
    ck_assert_uint_ge(first.tokens, 10 * one.model->config.ff);
    ck_assert_mem_eq(first.c, again.c, first.n * first.n * sizeof *first.c);
    moments_release(&again);
    source.seed = 5;
    ck_ok(&two, moments_collect(&two.context, two.model, NULL, &source, &layer, 1, "", &again, &two.err));
    ck_assert_mem_ne(first.c, again.c, first.n * first.n * sizeof *first.c);
    moments_release(&first);
    moments_release(&again);
    engine_close(&one);
    engine_close(&two);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("moments");
    TCase *tc = tcase_create("moments");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, moments_are_mean_outer_products, 0, 3);
    tcase_add_test(tc, windows_and_limits_cut);
    tcase_add_test(tc, the_cache_knows_what_it_holds);
    tcase_add_test(tc, broken_cache_files_are_made_again);
    tcase_add_test(tc, sampled_text_repeats);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
