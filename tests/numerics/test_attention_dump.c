/* What a writer of attention is given, against the maps as the engine shows them. The model has five layers,
 * windows of five tokens in all but one. */
#include "suite.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "attention_dump.h"
#include "engine.h"
#include "patterns.h"

enum { TOKENS = 12, MOST_ROWS = 4096 };

static struct engine engine;
static struct opened opened;
static struct prompt prompt;
static uint32_t ids[TOKENS];
static struct token tokens[TOKENS];
static struct error err;
static real *all; /* [layers, heads, TOKENS, TOKENS] */

static size_t n_layers(void)
{
    return engine.model->config.n_layers;
}

static size_t n_heads(void)
{
    return engine.model->config.n_heads;
}

static const real *map_of(size_t layer, size_t head)
{
    return all + (layer * n_heads() + head) * TOKENS * TOKENS;
}

static bool keep(void *user, size_t layer, const real *maps, struct error *e)
{
    size_t n = n_heads() * TOKENS * TOKENS;
    (void)user;
    (void)e;
    memcpy(all + layer * n, maps, n * sizeof *all);
    return true;
}

static void read_maps(bool scores)
{
    size_t layers[64];
    for (size_t i = 0; i < n_layers(); i++)
        layers[i] = i;
    const struct patterns_job job = {.context = &engine.context,
                                     .model = engine.model,
                                     .ids = ids,
                                     .n_tokens = TOKENS,
                                     .layers = layers,
                                     .n_layers = n_layers(),
                                     .scores = scores,
                                     .what = "reading",
                                     .layer = keep};
    ck_assert_msg(patterns_run(&job, &err), "%s", err.text);
}

static void set_up(void)
{
    engine_open(&engine, "LANCET_NUMERICS", "tiny-gemma3", 2);
    opened = (struct opened){.checkpoint = engine.checkpoint, .model = engine.model};
    for (size_t i = 0; i < TOKENS; i++)
        ids[i] = tokens[i].id = (uint32_t)(3 + i * 5 % 7);
    prompt = (struct prompt){.ids = ids, .tokens = {.items = tokens, .n = TOKENS}};
    all = new_array(n_layers() * n_heads() * TOKENS * TOKENS, sizeof *all);
    read_maps(false);
}

static void tear_down(void)
{
    free(all);
    engine_close(&engine);
}

/* ---- a writer that keeps everything ---- */

struct kept {
    struct attention_row row;
    float weights[TOKENS];
    struct attention_top top[TOKENS];
};

static struct kept rows[MOST_ROWS];
static size_t n_rows, fail_at;
static bool ended;

static bool keep_begin(const struct attention_shown *shown, struct out_file *out, void **state,
                       struct error *e)
{
    (void)out;
    (void)e;
    n_rows = 0;
    ended = false;
    *state = (void *)shown;
    return true;
}

static bool keep_row(void *state, const struct attention_row *row, struct error *e)
{
    const struct attention_shown *shown = state;
    if (n_rows == fail_at)
        return error_set(e, ERROR_IO, "the writer is full");
    struct kept *kept = &rows[n_rows++];
    kept->row = *row;
    memcpy(kept->weights, row->weights, shown->n_tokens * sizeof *row->weights);
    if (row->n_top)
        memcpy(kept->top, row->top, row->n_top * sizeof *row->top);
    return true;
}

static bool keep_end(void *state, struct error *e)
{
    (void)state;
    (void)e;
    ended = true;
    return true;
}

static void forget(void *state)
{
    (void)state;
}

static const struct attention_writer keeper = {
    .name = "keeper", .begin = keep_begin, .row = keep_row, .end = keep_end, .free = forget};

static struct attention_shown shown;

static bool dump(const struct attention_wish *wish)
{
    fail_at = fail_at ? fail_at : MOST_ROWS;
    ck_assert_msg(attention_choose(&opened, &prompt, wish, &shown, &err), "%s", err.text);
    return attention_run(&engine.context, &shown, &keeper, NULL, &err);
}

/* ---- tests ---- */

START_TEST(rows_come_in_order_with_their_weights)
{
    static const size_t layers[] = {1, 4};
    ck_assert(dump(&(struct attention_wish){.layers = "4,1,4", .heads = "0", .tokens = "3:10"}));
    ck_assert(ended);
    ck_assert_uint_eq(n_rows, 2 * 7);
    for (size_t i = 0; i < n_rows; i++) {
        const struct attention_row *row = &rows[i].row;
        size_t window = engine.model->config.window[layers[i / 7]], position = 3 + i % 7;
        size_t from = window && position + 1 > window ? position + 1 - window : 0;
        ck_assert(row->group == i / 7 && row->map == 0 && row->query == i % 7);
        ck_assert_uint_eq(row->end, i % 7 + 1);
        ck_assert_uint_eq(row->begin, from > 3 ? from - 3 : 0);
        ck_assert_mem_eq(rows[i].weights, map_of(layers[i / 7], 0) + position * TOKENS + 3,
                         7 * sizeof(float));
        for (size_t key = 0; key < 7; key++) /* what the mask hides is 0 */
            ck_assert(rows[i].weights[key] == 0 || (key >= row->begin && key < row->end));
    }
    attention_shown_release(&shown);
}
END_TEST

START_TEST(the_largest_keys_and_the_rest)
{
    ck_assert(dump(&(struct attention_wish){.top_k = 3}));
    ck_assert_uint_eq(n_rows, n_layers() * n_heads() * TOKENS);
    for (size_t i = 0; i < n_rows; i++) {
        const struct attention_row *row = &rows[i].row;
        double sum = row->rest;
        size_t seen = row->end - row->begin;
        ck_assert_uint_eq(row->n_top, seen < 3 ? seen : 3);
        for (size_t k = 0; k < row->n_top; k++) {
            ck_assert(rows[i].top[k].weight == rows[i].weights[rows[i].top[k].key]);
            ck_assert(!k || rows[i].top[k].weight <= rows[i].top[k - 1].weight);
            sum += (double)rows[i].top[k].weight;
        }
        size_t larger = 0;
        for (size_t key = 0; key < TOKENS; key++)
            larger += rows[i].weights[key] > rows[i].top[row->n_top - 1].weight;
        ck_assert_uint_lt(larger, row->n_top);
        ck_assert_double_eq_tol(sum, 1, 1e-6);
        if (seen <= 3)
            ck_assert(row->rest == 0);
    }
    attention_shown_release(&shown);
}
END_TEST

START_TEST(means)
{
    ck_assert(dump(&(struct attention_wish){.average = AVERAGE_HEADS, .heads = "0-1", .layers = "2"}));
    ck_assert_uint_eq(n_rows, TOKENS);
    for (size_t i = 0; i < n_rows * TOKENS; i++)
        ck_assert_double_eq_tol((double)rows[i / TOKENS].weights[i % TOKENS],
                                ((double)map_of(2, 0)[i] + (double)map_of(2, 1)[i]) / 2, 1e-7);
    attention_shown_release(&shown);
    ck_assert(dump(&(struct attention_wish){.one_map = true, .tokens = "2:"}));
    ck_assert_uint_eq(n_rows, TOKENS - 2);
    ck_assert_int_eq(shown.average, AVERAGE_ALL);
    for (size_t i = 2; i < TOKENS; i++)
        for (size_t key = 2; key < TOKENS; key++) {
            double sum = 0;
            for (size_t map = 0; map < n_layers() * n_heads(); map++)
                sum += (double)map_of(map / n_heads(), map % n_heads())[i * TOKENS + key];
            ck_assert_double_eq_tol((double)rows[i - 2].weights[key - 2],
                                    sum / (double)(n_layers() * n_heads()), 1e-7);
        }
    attention_shown_release(&shown);
    ck_assert(dump(&(struct attention_wish){.one_map = true, .layers = "1", .heads = "1"}));
    ck_assert_int_eq(shown.average, AVERAGE_NONE); /* one it is */
    attention_shown_release(&shown);
}
END_TEST

/* The softmax of the scores is the pattern; hidden ones are minus infinity. */
START_TEST(scores)
{
    ck_assert(dump(&(struct attention_wish){.scores = true, .layers = "3"}));
    for (size_t i = 0; i < n_rows; i++) {
        const struct attention_row *row = &rows[i].row;
        const real *weights = map_of(3, row->map) + row->query * TOKENS;
        double sum = 0;
        for (size_t key = 0; key < TOKENS; key++) {
            bool hidden = key < row->begin || key >= row->end;
            ck_assert(hidden == (isinf(rows[i].weights[key]) && rows[i].weights[key] < 0));
            sum += hidden ? 0 : exp((double)rows[i].weights[key]);
        }
        for (size_t key = row->begin; key < row->end; key++)
            ck_assert_double_eq_tol(exp((double)rows[i].weights[key]) / sum, (double)weights[key], 1e-6);
    }
    attention_shown_release(&shown);
}
END_TEST

START_TEST(cells_are_counted)
{
    double seen, hidden, count = 0;
    ck_assert(dump(&(struct attention_wish){.heads = "1", .tokens = "1:"}));
    for (size_t i = 0; i < n_rows; i++)
        count += (double)(rows[i].row.end - rows[i].row.begin);
    attention_cells(&shown, &seen, &hidden);
    ck_assert_double_eq(seen, count);
    ck_assert_double_eq(seen + hidden, (double)(n_rows * (TOKENS - 1)));
    attention_shown_release(&shown);
}
END_TEST

START_TEST(a_failure_of_the_writer_ends_the_run)
{
    fail_at = 17;
    ck_assert(!dump(&(struct attention_wish){0}));
    ck_assert_str_eq(err.text, "the writer is full");
    ck_assert_uint_eq(n_rows, 17);
    ck_assert(!ended);
    attention_shown_release(&shown);
    fail_at = 0;
}
END_TEST

START_TEST(it_can_be_cancelled)
{
    volatile sig_atomic_t cancel = 1;
    engine.context.cancel = &cancel;
    ck_assert(!dump(&(struct attention_wish){0}));
    ck_assert_int_eq(err.kind, ERROR_CANCELLED);
    ck_assert_uint_lt(n_rows, n_layers() * n_heads() * TOKENS);
    attention_shown_release(&shown);
    engine.context.cancel = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention_dump");
    TCase *tc = tcase_create("attention_dump");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, rows_come_in_order_with_their_weights);
    tcase_add_test(tc, the_largest_keys_and_the_rest);
    tcase_add_test(tc, means);
    tcase_add_test(tc, scores);
    tcase_add_test(tc, cells_are_counted);
    tcase_add_test(tc, a_failure_of_the_writer_ends_the_run);
    tcase_add_test(tc, it_can_be_cancelled);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
