#include "suite.h"

#include "engine.h"
#include "sample.h"

enum { N = 6, DRAWS = 40000 };

static const real logits[N] = {1, 3, (real)NAN, 2, 3, -1};

static void frequencies(const struct sampler *sampler, size_t limit, double out[N])
{
    uint32_t scratch[N];

    for (size_t i = 0; i < N; i++)
        out[i] = 0;
    for (uint64_t i = 0; i < DRAWS; i++)
        out[sample_token(sampler, logits, limit, 5, i, scratch)]++;
    for (size_t i = 0; i < N; i++)
        out[i] /= DRAWS;
}

static void expect(const double got[N], const double weights[N])
{
    double sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += weights[i];
    for (size_t i = 0; i < N; i++) { /* five standard errors; what has no weight is never drawn */
        double p = weights[i] / sum;
        ck_assert_msg(fabs(got[i] - p) <= 5 * sqrt(p * (1 - p) / DRAWS) && (p > 0 || got[i] == 0),
                      "token %zu: %g, expected %g", i, got[i], p);
    }
}

START_TEST(draws_follow_their_probabilities)
{
    static const struct {
        struct sampler sampler;
        size_t limit;
        double cut[N]; /* 1: stays a candidate */
    } cases[] = {
        {{.temperature = 1, .top_p = 1}, N, {1, 1, 0, 1, 1, 1}},
        {{.temperature = 1, .top_p = 1}, 4, {1, 1, 0, 1, 0, 0}},
        {{.temperature = 2, .top_p = 1}, N, {1, 1, 0, 1, 1, 1}},
        {{.temperature = 1, .top_k = 3, .top_p = 1}, N, {0, 1, 0, 1, 1, 0}},
        {{.temperature = 1, .top_k = 1, .top_p = 1}, N, {0, 1, 0, 0, 0, 0}},
        {{.temperature = 1, .top_k = 99, .top_p = 1}, N, {1, 1, 0, 1, 1, 1}},
        /* p: .0502 .371 - .1365 .371 .0068... of all: .95 needs four */
        {{.temperature = 1, .top_p = .95}, N, {1, 1, 0, 1, 1, 0}},
        {{.temperature = 1e-3, .top_p = 1}, N, {0, 1, 0, 0, 1, 0}},
        {{.temperature = 1e-300, .top_p = 1}, N, {0, 1, 0, 0, 1, 0}},
        {{.temperature = 1, .top_p = .8}, N, {0, 1, 0, 1, 1, 0}},
        {{.temperature = 1, .top_p = .7}, N, {0, 1, 0, 0, 1, 0}},
        {{.temperature = 1, .top_p = 1e-9}, N, {0, 1, 0, 0, 0, 0}},
        /* after top_k 3 the two best hold .844 of what is left */
        {{.temperature = 1, .top_k = 3, .top_p = .84}, N, {0, 1, 0, 0, 1, 0}},
    };
    double got[N], weights[N];

    for (size_t i = 0; i < N; i++)
        weights[i] = cases[_i].cut[i] > 0 ? exp(((double)logits[i] - 3) / cases[_i].sampler.temperature) : 0;
    frequencies(&cases[_i].sampler, cases[_i].limit, got);
    expect(got, weights);
}
END_TEST

START_TEST(greedy_takes_the_lowest_of_equals)
{
    struct sampler greedy = {.temperature = 0, .top_p = 1};
    real nan[3] = {(real)NAN, (real)NAN, 2}, inf[3] = {0, (real)INFINITY, 1};
    uint32_t scratch[N];

    ck_assert_uint_eq(sample_token(&greedy, logits, N, 0, 0, scratch), 1);
    ck_assert_uint_eq(sample_token(&greedy, nan, 3, 0, 0, scratch), 2);
    greedy.temperature = 1;
    ck_assert_uint_eq(sample_token(&greedy, inf, 3, 0, 0, scratch), 1);
}
END_TEST

struct heard {
    uint32_t ids[3][80];
    size_t n[3], stop_after;
};

static bool hear(void *user, size_t sequence, uint32_t id)
{
    struct heard *heard = user;

    heard->ids[sequence][heard->n[sequence]++] = id;
    return sequence != 1 || heard->n[1] < heard->stop_after;
}

/* Greedy continuation against a fresh pass for each token, in a batch of unequal lengths, one of which stops.
 */
START_TEST(continuing_is_running_again)
{
    static const char *const models[] = {"tiny-llama", "tiny-gpt2", "tiny-gemma3"};
    uint32_t ids[3][80] = {{1, 2, 3, 4, 5}, {7}, {9, 8, 7}};
    struct sequence prompts[3] = {{ids[0], 5}, {ids[1], 1}, {ids[2], 3}};
    struct sampler greedy = {.temperature = 0, .top_p = 1};
    static struct heard heard;
    struct engine e;
    uint32_t scratch[512];

    engine_open(&e, "LANCET_NUMERICS", models[_i], 2);
    size_t vocabulary = e.model->config.vocabulary, context = e.model->config.context;
    real *row = new_array(vocabulary, sizeof *row);
    heard = (struct heard){.stop_after = 4};
    ck_ok(&e, sample_continue(&e.context, e.model, prompts, 3, 100, &greedy, 0, hear, &heard, &e.err));
    ck_assert_uint_eq(heard.n[1], 4);
    /* A full context: the token after the last position is drawn, but not run. */
    ck_assert_uint_eq(heard.n[0], context - 5 + 1);
    ck_assert_uint_eq(heard.n[2], context - 3 + 1);
    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < heard.n[s]; i += s + 1) {
            struct pass *pass = NULL;
            struct sequence sequence = {ids[s], prompts[s].length + i};
            struct place place = {0, sequence.length - 1};
            memcpy(ids[s] + prompts[s].length, heard.ids[s], i * sizeof **ids);
            ck_ok(&e, pass_new(&e.context, e.model, &sequence, 1, &(struct pass_options){0}, &pass, &e.err));
            ck_ok(&e, pass_run(pass, &e.err));
            ck_ok(&e, pass_logits(pass, &place, 1, row, &e.err));
            /* Two logits within rounding may change places. */
            uint32_t want = sample_token(&greedy, row, vocabulary, 0, 0, scratch), got = heard.ids[s][i];
            ck_assert_msg(got == want || fabs((double)(row[want] - row[got])) < 1e-4,
                          "sequence %zu, token %zu", s, i);
            pass_free(pass);
        }
    ck_ok(&e, sample_continue(&e.context, e.model, prompts, 3, 0, &greedy, 0, hear, &heard, &e.err));
    free(row);
    engine_close(&e);
}
END_TEST

START_TEST(seeds_and_streams_repeat)
{
    uint32_t start = 3;
    struct sequence prompts[2] = {{&start, 1}, {&start, 1}};
    struct sampler sampler = {.temperature = 1, .top_k = 20, .top_p = 1, .seed = 11};
    static struct heard heard[3];
    struct engine e;

    engine_open(&e, "LANCET_NUMERICS", "tiny-llama", 1);
    for (int i = 0; i < 3; i++) {
        heard[i] = (struct heard){.stop_after = 100};
        sampler.seed = i == 2 ? 12 : 11;
        ck_ok(&e, sample_continue(&e.context, e.model, prompts, 2, 30, &sampler, 0, hear, &heard[i], &e.err));
    }
    ck_assert_mem_eq(&heard[0], &heard[1], sizeof heard[0]);
    ck_assert_mem_ne(heard[0].ids, heard[2].ids, sizeof heard[0].ids);
    ck_assert_mem_ne(heard[0].ids[0], heard[0].ids[1], 30 * sizeof(uint32_t));
    engine_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sample");
    TCase *tc = tcase_create("sample");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, draws_follow_their_probabilities, 0, 13);
    tcase_add_test(tc, greedy_takes_the_lowest_of_equals);
    tcase_add_loop_test(tc, continuing_is_running_again, 0, 3);
    tcase_add_test(tc, seeds_and_streams_repeat);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
