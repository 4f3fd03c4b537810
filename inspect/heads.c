#include "heads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "patterns.h"
#include "quote.h"
#include "span.h"

/* ---- words ---- */

/* Letters and digits of ASCII, and whatever is not ASCII. */
static bool is_word_byte(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_whole(const struct prompt *prompt, size_t start, size_t end)
{
    const unsigned char *text = (const unsigned char *)prompt->text;
    return !(start > 0 && is_word_byte(text[start - 1]) && is_word_byte(text[start])) &&
           !(end < prompt->n_text && is_word_byte(text[end]) && is_word_byte(text[end - 1]));
}

/* The last occurrence that ends at `limit` or before: of a whole word, else of any part. */
static bool find_last(const struct prompt *prompt, const char *word, size_t n, size_t limit, size_t *start)
{
    bool found = false;
    if (!n)
        return false;
    for (size_t end = limit; end >= n; end--) {
        if (memcmp(prompt->text + end - n, word, n) != 0)
            continue;
        bool whole = is_whole(prompt, end - n, end);
        if (whole || !found)
            *start = end - n;
        found = true;
        if (whole)
            break;
    }
    return found;
}

static bool locate(const struct prompt *prompt, size_t start, size_t n, struct word *word, struct error *err)
{
    bool inside_token; /* as the space in front of a word is, mostly */
    *word = (struct word){.start = start, .end = start + n};
    return span_tokens(&prompt->tokens, word->start, word->end, &word->first, &word->last, &inside_token,
                       err);
}

static void trim(const char **text, size_t *n)
{
    while (*n && **text == ' ') {
        (*text)++;
        (*n)--;
    }
    while (*n && (*text)[*n - 1] == ' ')
        (*n)--;
}

static bool no_word(const char *word, size_t n, const char *why, struct error *err)
{
    return error_set(err, ERROR_USAGE, "--find: %s %s", quote_bytes(word, n).text, why);
}

bool word_pair_find(const struct prompt *prompt, const char *text, struct word_pair *out, struct error *err)
{
    struct word_pair pair;
    size_t from_start, to_start, ignored;
    const char *arrow = strstr(text, "->"), *from = text, *to = arrow ? arrow + 2 : text;
    if (!prompt->text)
        return error_set(err, ERROR_USAGE, "--find looks for words, which token ids do not have");
    size_t n_from = arrow ? (size_t)(arrow - from) : 0, n_to = strlen(to);
    trim(&from, &n_from);
    trim(&to, &n_to);
    if (!n_from || !n_to)
        return error_set(err, ERROR_USAGE, "--find: %s is not of the form it->book", quote(text).text);
    if (!find_last(prompt, from, n_from, prompt->n_text, &from_start))
        return no_word(from, n_from, "is not in the prompt", err);
    if (!find_last(prompt, to, n_to, from_start, &to_start))
        return no_word(to, n_to,
                       find_last(prompt, to, n_to, prompt->n_text, &ignored)
                           ? "does not come before the word that looks, and no token sees what comes after it"
                           : "is not in the prompt",
                       err);
    if (!locate(prompt, from_start, n_from, &pair.from, err) ||
        !locate(prompt, to_start, n_to, &pair.to, err))
        return false;
    if (pair.to.last >= pair.from.last)
        return no_word(to, n_to, "lies in the same token as the word that looks", err);
    *out = pair;
    return true;
}

/* ---- maps to figures ---- */

struct heads_job {
    const struct attention_shown *shown;
    const struct context *context;
    const struct word_pair *pair;
    const float *maps;  /* of the layer, [heads, n, n] */
    size_t layer, done; /* reports of earlier layers */
    double *entropy;    /* [shown heads, n] */
    struct head_report *reports;
};

static double sent(const float *weights, size_t n, const struct word_pair *pair)
{
    double sum = 0;
    if (!pair)
        return NAN;
    for (size_t key = pair->to.first; key <= pair->to.last; key++)
        sum += (double)weights[pair->from.last * n + key];
    return sum;
}

static void head_task(void *user, size_t task, unsigned worker)
{
    struct heads_job *job = user;
    const struct attention_shown *shown = job->shown;
    size_t n = shown->prompt->tokens.n, head = shown->heads[task];
    double *entropy = job->entropy + task * n;
    struct head_report *report = &job->reports[job->done + task];
    const struct head_map map = {
        .weights = job->maps + head * n * n,
        .n = n,
        .full = shown->opened->model->config.encoder,
        .window = shown->opened->model->config.window[job->layer],
        .ids = shown->prompt->ids,
        .entropy = entropy,
    };
    (void)worker;
    for (size_t i = 0; i < n; i++)
        entropy[i] = head_row_entropy(map.weights + i * n, map.full ? n : i + 1);
    *report = (struct head_report){.layer = job->layer, .head = head};
    for (size_t k = 0; k < HEAD_STATISTICS; k++)
        report->values[k] = head_statistics[k].of(&map);
    report->sent = sent(map.weights, n, job->pair);
}

static bool on_layer(void *user, size_t layer, const real *maps, struct error *err)
{
    struct heads_job *job = user;
    (void)err;
    job->layer = layer;
    job->maps = maps;
    pool_run(job->context->pool, job->shown->n_heads, head_task, job);
    job->done += job->shown->n_heads;
    return true;
}

bool heads_run(const struct context *context, const struct attention_shown *shown,
               const struct word_pair *pair, struct head_reports *out, struct error *err)
{
    size_t n = shown->prompt->tokens.n;
    struct heads_job job = {
        .shown = shown,
        .context = context,
        .pair = pair,
        .entropy = memory_array(shown->n_heads, n * sizeof *job.entropy),
        .reports = memory_array(shown->n_layers, shown->n_heads * sizeof *job.reports),
    };
    const struct patterns_job patterns = {
        .context = context,
        .model = shown->opened->model,
        .ids = shown->prompt->ids,
        .n_tokens = n,
        .layers = shown->layers,
        .n_layers = shown->n_layers,
        .what = "reading attention",
        .layer = on_layer,
        .user = &job,
    };
    bool ok = (job.entropy && job.reports) || error_memory(err, "describing heads");
    ok = ok && patterns_run(&patterns, err);
    free(job.entropy);
    if (!ok) {
        free(job.reports);
        return false;
    }
    *out = (struct head_reports){.items = job.reports, .n = job.done};
    return true;
}

void head_reports_release(struct head_reports *reports)
{
    if (!reports)
        return;
    free(reports->items);
    *reports = (struct head_reports){0};
}

struct ranked {
    size_t index;
    double value;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    bool nan_x = isnan(x->value), nan_y = isnan(y->value);
    if (nan_x != nan_y)
        return nan_x ? 1 : -1;
    if (!nan_x && x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

bool heads_rank(const struct head_reports *reports, size_t statistic, size_t **out, struct error *err)
{
    struct ranked *ranked = memory_array(reports->n, sizeof *ranked);
    size_t *order = memory_array(reports->n, sizeof *order);
    bool ok = (ranked && order) || error_memory(err, "ranking heads");
    for (size_t i = 0; ok && i < reports->n; i++) {
        const struct head_report *report = &reports->items[i];
        ranked[i] = (struct ranked){
            .index = i, .value = statistic < HEAD_STATISTICS ? report->values[statistic] : report->sent};
    }
    if (ok) {
        qsort(ranked, reports->n, sizeof *ranked, by_value);
        for (size_t i = 0; i < reports->n; i++)
            order[i] = ranked[i].index;
        *out = order;
    } else {
        free(order);
    }
    free(ranked);
    return ok;
}
