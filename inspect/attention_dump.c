#include "attention_dump.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choices.h"
#include "memory.h"
#include "patterns.h"
#include "quote.h"

_Static_assert(sizeof(real) == sizeof(float), "attention is written as the engine has it");

/* ---- what is shown ---- */

static bool make_labels(struct attention_shown *shown, struct error *err)
{
    struct str bytes = {0}, label = {0};
    bool ok = true;
    shown->labels = memory_zeroed(shown->n_tokens, sizeof *shown->labels);
    if (!shown->labels)
        return error_memory(err, "naming tokens");
    for (size_t i = 0; ok && i < shown->n_tokens; i++) {
        uint32_t id = shown->prompt->ids[shown->first + i];
        str_clear(&bytes);
        ok = token_bytes(shown->opened, id, &bytes, err);
        if (shown->opened->tokenizer)
            str_append_escaped(&label, bytes.length ? bytes.data : "", bytes.length);
        else
            str_printf(&label, "#%u", (unsigned)id);
        shown->labels[i] = str_take(&label);
        if (ok && (bytes.failed || !shown->labels[i]))
            ok = error_memory(err, "naming tokens");
    }
    str_release(&bytes);
    return ok;
}

bool attention_choose(const struct opened *opened, const struct prompt *prompt,
                      const struct attention_wish *wish, struct attention_shown *out, struct error *err)
{
    const struct model_config *c = &opened->model->config;
    if (prompt->tokens.n > c->context) /* said before room for its maps is asked for */
        return error_set(err, ERROR_USAGE, "a prompt has %zu tokens, but the context of %s is %zu",
                         prompt->tokens.n, quote(opened->model->checkpoint->path).text, c->context);
    struct attention_shown shown = {
        .opened = opened,
        .prompt = prompt,
        .top_k = wish->top_k,
        .digits = wish->digits,
        .scores = wish->scores,
        .average = wish->average,
    };
    bool ok =
        choose_numbers("--layers", "layer", wish->layers, c->n_layers, &shown.layers, &shown.n_layers, err) &&
        choose_numbers("--heads", "head", wish->heads, c->n_heads, &shown.heads, &shown.n_heads, err) &&
        choose_tokens(wish->tokens, prompt->tokens.n, &shown.first, &shown.n_tokens, err) &&
        make_labels(&shown, err);
    if (!ok) {
        attention_shown_release(&shown);
        return false;
    }
    if (wish->one_map && shown.n_layers * shown.n_heads > 1)
        shown.average = AVERAGE_ALL;
    shown.n_groups = shown.average == AVERAGE_ALL ? 1 : shown.n_layers;
    shown.n_maps = shown.average == AVERAGE_NONE ? shown.n_heads : 1;
    *out = shown;
    return true;
}

void attention_shown_release(struct attention_shown *shown)
{
    if (!shown)
        return;
    for (size_t i = 0; shown->labels && i < shown->n_tokens; i++)
        free(shown->labels[i]);
    free(shown->labels);
    free(shown->layers);
    free(shown->heads);
    *shown = (struct attention_shown){0};
}

/* ---- the mask ---- */

/* The widest window of the layers of a group; 0: none. */
static size_t group_window(const struct attention_shown *shown, size_t group)
{
    const struct model_config *c = &shown->opened->model->config;
    size_t widest = 0;
    if (shown->average != AVERAGE_ALL)
        return c->window[shown->layers[group]];
    for (size_t i = 0; i < shown->n_layers; i++) {
        size_t window = c->window[shown->layers[i]];
        if (!window)
            return 0;
        widest = window > widest ? window : widest;
    }
    return widest;
}

/* Keys begin .. end - 1, counted from the first one shown, that the query lets through. */
static void visible(const struct attention_shown *shown, size_t window, size_t query, size_t *begin,
                    size_t *end)
{
    size_t position = shown->first + query;
    size_t from = window && position + 1 > window ? position + 1 - window : 0;
    *begin = from > shown->first ? from - shown->first : 0;
    *end = shown->opened->model->config.encoder ? shown->n_tokens : query + 1;
}

void attention_cells(const struct attention_shown *shown, double *seen, double *hidden)
{
    *seen = 0;
    for (size_t group = 0; group < shown->n_groups; group++) {
        size_t window = group_window(shown, group), begin, end;
        for (size_t query = 0; query < shown->n_tokens; query++) {
            visible(shown, window, query, &begin, &end);
            *seen += (double)(end - begin) * (double)shown->n_maps;
        }
    }
    double n = (double)shown->n_tokens;
    *hidden = n * n * (double)shown->n_maps * (double)shown->n_groups - *seen;
}

double attention_scale(const struct attention_shown *shown, size_t layer)
{
    const struct model_config *c = &shown->opened->model->config;
    return c->scale_by_layer ? c->attention_scale / (double)(layer + 1) : c->attention_scale;
}

/* ---- from the model to the writer ---- */

struct feed {
    const struct attention_shown *shown;
    const struct attention_writer *writer;
    void *state;
    size_t group;
    double *sum; /* AVERAGE_HEADS: [tokens] of a row; AVERAGE_ALL: [shown tokens, shown tokens] */
    float *mean; /* [tokens] */
    struct attention_top *top; /* [top_k] */
    bool *listed;              /* [tokens] while the others are summed */
};

/* The k largest of keys begin .. end - 1, largest first, the earlier of equals first. */
static size_t select_top(const float *weights, size_t begin, size_t end, size_t k, struct attention_top *top)
{
    size_t n = 0;
    for (size_t key = begin; key < end; key++) {
        if (n == k && !(weights[key] > top[n - 1].weight))
            continue;
        size_t at = n < k ? n++ : n - 1;
        for (; at > 0 && weights[key] > top[at - 1].weight; at--)
            top[at] = top[at - 1];
        top[at] = (struct attention_top){.key = (uint32_t)key, .weight = weights[key]};
    }
    return n;
}

/* The weight of all keys of a row but those listed. `row` has the keys of the whole prompt. */
static double weight_of_others(struct feed *feed, const float *row, size_t n, size_t n_top)
{
    bool *listed = feed->listed + feed->shown->first;
    double sum = 0;
    for (size_t i = 0; i < n_top; i++)
        listed[feed->top[i].key] = true;
    for (size_t key = 0; key < n; key++)
        sum += feed->listed[key] ? 0 : (double)row[key];
    for (size_t i = 0; i < n_top; i++)
        listed[feed->top[i].key] = false;
    return sum;
}

static bool check_row(const struct feed *feed, const float *weights, const struct attention_row *row,
                      struct error *err)
{
    double sum = 0;
    for (size_t key = row->begin; key < row->end; key++)
        sum += (double)weights[key];
    const struct model *model = feed->shown->opened->model;
    if (isfinite(sum))
        return true;
    const struct tensor *tensor = model_not_finite(model);
    if (tensor)
        return error_set(err, ERROR_NUMERIC, "%s: tensor %s holds NaN or Inf",
                         quote(model->checkpoint->path).text, quote(tensor->name).text);
    return error_set(err, ERROR_NUMERIC, "layer %zu: the attention of token %zu is not finite",
                     feed->shown->layers[row->group], feed->shown->first + row->query);
}

/* A row of all keys of the prompt goes out. */
static bool put_row(struct feed *feed, size_t map, size_t query, const float *keys, size_t n_keys,
                    struct error *err)
{
    const struct attention_shown *shown = feed->shown;
    struct attention_row row = {
        .group = feed->group, .map = map, .query = query, .weights = keys + shown->first};
    visible(shown, group_window(shown, feed->group), query, &row.begin, &row.end);
    if (!check_row(feed, row.weights, &row, err))
        return false;
    if (shown->top_k) {
        row.n_top = select_top(row.weights, row.begin, row.end, shown->top_k, feed->top);
        row.rest = weight_of_others(feed, keys, n_keys, row.n_top);
        row.top = feed->top;
    }
    return feed->writer->row(feed->state, &row, err);
}

static bool put_map(struct feed *feed, size_t map, const float *table, size_t n, struct error *err)
{
    for (size_t query = 0; query < feed->shown->n_tokens; query++)
        if (!put_row(feed, map, query, table + (feed->shown->first + query) * n, n, err))
            return false;
    return true;
}

/* Adds a row of each head to `sum` [n]. */
static void add_heads(const struct attention_shown *shown, const float *maps, size_t query, size_t first,
                      size_t n, double *sum)
{
    size_t tokens = shown->prompt->tokens.n;
    for (size_t i = 0; i < shown->n_heads; i++) {
        const float *row = maps + (shown->heads[i] * tokens + query) * tokens + first;
        for (size_t key = 0; key < n; key++)
            sum[key] += (double)row[key];
    }
}

static void take_mean(const double *sum, size_t n, double count, float *mean)
{
    for (size_t key = 0; key < n; key++)
        mean[key] = (float)(sum[key] / count);
}

static bool put_mean_of_heads(struct feed *feed, const float *maps, size_t n, struct error *err)
{
    const struct attention_shown *shown = feed->shown;
    for (size_t query = 0; query < shown->n_tokens; query++) {
        memset(feed->sum, 0, n * sizeof *feed->sum);
        add_heads(shown, maps, shown->first + query, 0, n, feed->sum);
        take_mean(feed->sum, n, (double)shown->n_heads, feed->mean);
        if (!put_row(feed, 0, query, feed->mean, n, err))
            return false;
    }
    return true;
}

static bool on_layer(void *user, size_t layer, const real *maps, struct error *err)
{
    struct feed *feed = user;
    const struct attention_shown *shown = feed->shown;
    size_t n = shown->prompt->tokens.n;
    (void)layer;
    if (shown->average == AVERAGE_ALL) {
        for (size_t query = 0; query < shown->n_tokens; query++)
            add_heads(shown, maps, shown->first + query, shown->first, shown->n_tokens,
                      feed->sum + query * shown->n_tokens);
        return true;
    }
    bool ok = true;
    if (shown->average == AVERAGE_HEADS)
        ok = put_mean_of_heads(feed, maps, n, err);
    for (size_t i = 0; ok && shown->average == AVERAGE_NONE && i < shown->n_heads; i++)
        ok = put_map(feed, i, maps + shown->heads[i] * n * n, n, err);
    feed->group++;
    return ok;
}

/* The mean over layers and heads has the shown keys only. */
static bool put_mean_of_all(struct feed *feed, struct error *err)
{
    const struct attention_shown *shown = feed->shown;
    size_t n = shown->n_tokens;
    double count = (double)shown->n_heads * (double)shown->n_layers;
    for (size_t query = 0; query < n; query++) {
        take_mean(feed->sum + query * n, n, count, feed->mean + shown->first);
        if (!put_row(feed, 0, query, feed->mean, shown->first + n, err))
            return false;
    }
    return true;
}

static bool feed_init(struct feed *feed, struct error *err)
{
    const struct attention_shown *shown = feed->shown;
    size_t n = shown->prompt->tokens.n, shown_bytes = shown->n_tokens * sizeof *feed->sum;
    bool mean = shown->average != AVERAGE_NONE, all = shown->average == AVERAGE_ALL;
    if (mean) {
        feed->sum = all ? memory_zeroed(shown->n_tokens, shown_bytes) : memory_array(n, sizeof *feed->sum);
        feed->mean = memory_zeroed(n, sizeof *feed->mean);
    }
    if (shown->top_k) {
        feed->top = memory_array(shown->top_k < n ? shown->top_k : n, sizeof *feed->top);
        feed->listed = memory_zeroed(n, sizeof *feed->listed);
    }
    if ((mean && (!feed->sum || !feed->mean)) || (shown->top_k && (!feed->top || !feed->listed)))
        return error_memory(err, "reading attention");
    return true;
}

bool attention_run(const struct context *context, const struct attention_shown *shown,
                   const struct attention_writer *writer, struct out_file *out, struct error *err)
{
    struct feed feed = {.shown = shown, .writer = writer};
    struct patterns_job job = {
        .context = context,
        .model = shown->opened->model,
        .ids = shown->prompt->ids,
        .n_tokens = shown->prompt->tokens.n,
        .layers = shown->layers,
        .n_layers = shown->n_layers,
        .scores = shown->scores,
        .what = "writing attention",
        .layer = on_layer,
        .user = &feed,
    };
    bool ok = feed_init(&feed, err) && writer->begin(shown, out, &feed.state, err) && patterns_run(&job, err);
    if (ok && shown->average == AVERAGE_ALL)
        ok = put_mean_of_all(&feed, err);
    ok = ok && writer->end(feed.state, err);
    if (feed.state)
        writer->free(feed.state);
    free(feed.sum);
    free(feed.mean);
    free(feed.top);
    free(feed.listed);
    return ok;
}
