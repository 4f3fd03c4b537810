#include "suite.h"

#include "engine.h"
#include "loss.h"

START_TEST(nll_is_that_of_a_plain_softmax)
{
    real logits[2 * 5] = {1, 2, 3, 4, 5, -50, 80, 0, 0, 79};
    uint32_t targets[2] = {2, 4};
    double each[2], want[2];

    for (size_t r = 0; r < 2; r++) {
        double sum = 0;
        for (size_t i = 0; i < 5; i++)
            sum += exp((double)logits[r * 5 + i] - (double)logits[r * 5 + targets[r]]);
        want[r] = log(sum);
    }
    ck_assert_double_eq_tol(loss_nll(logits, 2, 5, targets, each), (want[0] + want[1]) / 2, 1e-6);
    ck_assert_double_eq_tol(each[0], -want[0], 1e-6);
    ck_assert_double_eq_tol(each[1], -want[1], 1e-6);
    ck_assert_double_eq(loss_nll(logits, 0, 5, targets, NULL), 0);
}
END_TEST

enum { TEXT = 50 };

/* Every token of a text scored by definition: for each, the window that gives it the longest context. */
static double by_definition(struct engine *e, const uint32_t *prefix, size_t n_prefix, const uint32_t *ids,
                            size_t window, size_t step)
{
    size_t content = window - n_prefix, vocabulary = e->model->config.vocabulary;
    real *logits = new_array(vocabulary, sizeof *logits);
    double sum = 0;

    for (size_t target = n_prefix ? 0 : 1; target < TEXT; target++) {
        size_t start = 0; /* the earliest window that reaches the target */
        uint32_t row[100];
        struct pass *pass = NULL;
        while (start + content <= target)
            start += step;
        memcpy(row, prefix, n_prefix * sizeof *row);
        memcpy(row + n_prefix, ids + start, (target - start) * sizeof *row);
        struct sequence sequence = {row, n_prefix + target - start};
        struct place place = {0, sequence.length - 1};
        ck_ok(e, pass_new(&e->context, e->model, &sequence, 1, &(struct pass_options){0}, &pass, &e->err));
        ck_ok(e, pass_run(pass, &e->err));
        ck_ok(e, pass_logits(pass, &place, 1, logits, &e->err));
        sum += loss_nll(logits, 1, vocabulary, ids + target, NULL);
        pass_free(pass);
    }
    free(logits);
    return sum;
}

START_TEST(windows_score_each_token_once)
{
    static const struct {
        size_t n_prefix, window, stride, step;
    } cases[] = {{0, 64, 64, 63}, {0, 16, 8, 8},   {0, 16, 16, 15},
                 {1, 16, 15, 15}, {1, 16, 16, 15}, {2, 10, 3, 3}};
    uint32_t ids[TEXT], prefix[2] = {0, 5};
    struct perplexity got = {.nll = 1, .tokens = 2};
    struct engine e;

    engine_open(&e, "LANCET_NUMERICS", "tiny-gemma3", 2);
    for (size_t i = 0; i < TEXT; i++)
        ids[i] = (uint32_t)(i * 37 % e.model->config.vocabulary);
    ck_ok(&e, loss_perplexity(&e.context, e.model, prefix, cases[_i].n_prefix, ids, TEXT, cases[_i].window,
                              cases[_i].stride, &got, &e.err));
    ck_assert_uint_eq(got.tokens, 2 + (cases[_i].n_prefix ? TEXT : TEXT - 1));
    ck_assert_double_eq_tol(
        got.nll - 1, by_definition(&e, prefix, cases[_i].n_prefix, ids, cases[_i].window, cases[_i].step),
        1e-3);
    engine_close(&e);
}
END_TEST

START_TEST(windows_that_score_nothing_are_refused)
{
    uint32_t ids[3] = {1, 2, 3};
    struct perplexity got = {0};
    struct engine e;

    engine_open(&e, "LANCET_NUMERICS", "tiny-llama", 1);
    ck_assert(!loss_perplexity(&e.context, e.model, ids, 1, ids, 3, 2, 1, &got, &e.err));
    ck_assert_int_eq(e.err.kind, ERROR_USAGE);
    ck_assert(!loss_perplexity(&e.context, e.model, NULL, 0, ids, 3, 8, 0, &got, &e.err));
    ck_assert(!loss_perplexity(&e.context, e.model, ids, 3, ids, 3, 2, 1, &got, &e.err));
    ck_ok(&e, loss_perplexity(&e.context, e.model, NULL, 0, ids, 1, 8, 4, &got, &e.err));
    ck_assert_uint_eq(got.tokens, 0);
    ids[2] = (uint32_t)e.model->config.vocabulary;
    ck_assert(!loss_perplexity(&e.context, e.model, NULL, 0, ids, 3, 8, 4, &got, &e.err));
    engine_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loss");
    TCase *tc = tcase_create("loss");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, nll_is_that_of_a_plain_softmax);
    tcase_add_loop_test(tc, windows_score_each_token_once, 0, 6);
    tcase_add_test(tc, windows_that_score_nothing_are_refused);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
