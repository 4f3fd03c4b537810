#include "moments.h"

#include <stdio.h>
#include <string.h>

#include "linalg.h"
#include "memory.h"
#include "moments_cache.h"
#include "pass.h"
#include "sample.h"
#include "size.h"
#include "str.h"

enum {
    WINDOW = 256,               /* longest row, unless the caller says otherwise */
    SAMPLED_PER_DIMENSION = 10, /* tokens of sampled text for each dimension of the key */
    PASS_TOKENS = 2048,         /* tokens that run together */
    CACHE_BYTES = 256 << 20,    /* keys and values of what is sampled together */
    SAMPLED_ROWS_MAX = 64
};
static const size_t longest_corpus = (size_t)1 << 34;

struct text_rows { /* rows of ids, one behind the other */
    uint32_t *ids;
    size_t n_ids, ids_capacity;
    size_t *ends; /* [n] */
    size_t n, ends_capacity;
};

static void text_rows_release(struct text_rows *t)
{
    free(t->ids);
    free(t->ends);
}

/* Room for one more row of n ids. */
static bool text_rows_reserve(struct text_rows *t, size_t n, struct error *err)
{
    size_t needed;

    if (!size_add(t->n_ids, n, &needed))
        return error_memory(err, "reading a corpus");
    if (needed > t->ids_capacity) {
        size_t capacity = needed + needed / 2 + 64;
        uint32_t *ids = memory_resize(t->ids, capacity, sizeof *ids);

        if (!ids)
            return error_memory(err, "reading a corpus");
        t->ids = ids;
        t->ids_capacity = capacity;
    }
    if (t->n == t->ends_capacity) {
        size_t capacity = t->n + t->n / 2 + 64;
        size_t *ends = memory_resize(t->ends, capacity, sizeof *ends);

        if (!ends)
            return error_memory(err, "reading a corpus");
        t->ends = ends;
        t->ends_capacity = capacity;
    }
    return true;
}

static bool text_rows_add(struct text_rows *t, const uint32_t *ids, size_t n, struct error *err)
{
    if (n == 0)
        return true;
    if (!text_rows_reserve(t, n, err))
        return false;
    memcpy(t->ids + t->n_ids, ids, n * sizeof *ids);
    t->n_ids += n;
    t->ends[t->n++] = t->n_ids;
    return true;
}

static struct sequence text_row(const struct text_rows *t, size_t i)
{
    size_t first = i ? t->ends[i - 1] : 0;

    return (struct sequence){t->ids + first, t->ends[i] - first};
}

/* ---- the three kinds of text ---- */

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\v\f", line[i]) || line[i] == '\0')
            return false;
    return true;
}

static bool add_line(struct text_rows *t, const struct tokenizer *tokenizer, const char *line, size_t n,
                     size_t window, struct error *err)
{
    struct token_list tokens = {0};
    bool ok = tokenizer_encode(tokenizer, line, n, true, &tokens, err);
    size_t length = tokens.n < window ? tokens.n : window;

    if (ok && length) {
        ok = text_rows_reserve(t, length, err);
        for (size_t i = 0; ok && i < length; i++)
            t->ids[t->n_ids++] = tokens.items[i].id;
        if (ok)
            t->ends[t->n++] = t->n_ids;
    }
    token_list_release(&tokens);
    return ok;
}

static bool rows_of_corpus(const struct context *context, const struct tokenizer *tokenizer,
                           const struct moments_source *source, size_t window, struct text_rows *t,
                           struct error *err)
{
    char *text = NULL;
    size_t n = 0;
    bool ok;

    if (!tokenizer)
        return error_set(err, ERROR_USAGE, "%s: the model has no tokenizer to read a text with",
                         source->corpus);
    ok = fs_read_file(context->fs, source->corpus, longest_corpus, &text, &n, err);
    for (size_t at = 0, length; ok && at < n && (!source->tokens || t->n_ids < source->tokens);
         at += length + 1) {
        const char *end = memchr(text + at, '\n', n - at);

        length = end ? (size_t)(end - text) - at : n - at;
        if (is_blank(text + at, length))
            continue;
        if (t->n % 256 == 0)
            context_progress(context, "reading the corpus", at, n);
        size_t kept = length && text[at + length - 1] == '\r' ? length - 1 : length;
        ok = context_continue(context, err) && add_line(t, tokenizer, text + at, kept, window, err);
    }
    free(text);
    if (ok && t->n == 0)
        return error_set(err, ERROR_USAGE, "%s: holds no line of text", source->corpus);
    return ok;
}

static bool rows_given(const struct moments_source *source, size_t window, struct text_rows *t,
                       struct error *err)
{
    for (size_t i = 0; i < source->n_rows && (!source->tokens || t->n_ids < source->tokens); i++) {
        size_t n = source->row_lengths[i] < window ? source->row_lengths[i] : window;

        if (!text_rows_add(t, source->rows[i], n, err))
            return false;
    }
    return t->n || error_set(err, ERROR_USAGE, "the corpus holds no tokens");
}

struct sampled_rows {
    const struct context *context;
    uint32_t *ids; /* [rows, window] */
    size_t *n;     /* [rows] */
    size_t window, done, total;
};

static bool keep_sampled(void *user, size_t sequence, uint32_t id)
{
    struct sampled_rows *s = user;

    s->ids[sequence * s->window + s->n[sequence]++] = id;
    if (++s->done % 256 == 0)
        context_progress(s->context, "writing a text with the model", s->done, s->total);
    return true;
}

/* The token that texts begin with; a model that names none begins with any. */
static uint32_t start_of_text(const struct model *model, const struct tokenizer *tokenizer, size_t limit,
                              uint64_t seed, uint64_t row)
{
    size_t n = 0;
    const uint32_t *prefix = tokenizer ? tokenizer_prefix(tokenizer, &n) : NULL;

    if (n)
        return prefix[0];
    if (model->config.bos >= 0 && (uint64_t)model->config.bos < model->config.vocabulary)
        return (uint32_t)model->config.bos;
    return (uint32_t)(random_u64((struct random_key){seed, random_stream("start of text")}, row) % limit);
}

static size_t rows_sampled_together(const struct model *model, size_t window, size_t wanted)
{
    size_t position =
        model->config.n_layers * 2 * model->config.n_kv_heads * model->config.head_dim * sizeof(real);
    size_t n = CACHE_BYTES / (position * window + 1);

    n = n < 4 ? 4 : n > SAMPLED_ROWS_MAX ? SAMPLED_ROWS_MAX : n;
    return n < wanted ? n : wanted;
}

/* Each group of rows draws from seeds of its own, so that rows differ. */
static bool sample_group(struct sampled_rows *s, const struct model *model, const struct tokenizer *tokenizer,
                         size_t first, size_t n, uint64_t seed, struct error *err)
{
    size_t limit = model->config.vocabulary;
    struct sampler sampler = {.temperature = 1, .top_p = 1};
    struct sequence starts[SAMPLED_ROWS_MAX];

    if (tokenizer && tokenizer_size(tokenizer) < limit)
        limit = tokenizer_size(tokenizer);
    sampler.seed = random_u64((struct random_key){seed, random_stream("sampled text")}, first);
    for (size_t i = 0; i < n; i++) {
        s->ids[i * s->window] = start_of_text(model, tokenizer, limit, seed, first + i);
        s->n[i] = 1;
        starts[i] = (struct sequence){s->ids + i * s->window, 1};
    }
    return sample_continue(s->context, model, starts, n, s->window - 1, &sampler, limit, keep_sampled, s,
                           err);
}

static bool rows_sampled(const struct context *context, const struct model *model,
                         const struct tokenizer *tokenizer, uint64_t seed, size_t tokens, size_t window,
                         struct text_rows *t, struct error *err)
{
    size_t n_rows = (tokens + window - 1) / window, together = rows_sampled_together(model, window, n_rows);
    struct sampled_rows s = {.context = context, .window = window, .total = tokens};
    bool ok;

    s.ids = memory_array(together, window * sizeof *s.ids);
    s.n = memory_array(together, sizeof *s.n);
    ok = (s.ids && s.n) || error_memory(err, "writing a text with the model");
    for (size_t first = 0; ok && first < n_rows; first += together) {
        size_t n = n_rows - first < together ? n_rows - first : together;

        ok = sample_group(&s, model, tokenizer, first, n, seed, err);
        for (size_t i = 0; ok && i < n; i++)
            ok = text_rows_add(t, s.ids + i * window, s.n[i], err);
    }
    free(s.ids);
    free(s.n);
    return ok;
}

/* ---- adding up ---- */

struct key_sums {
    const struct context *context;
    struct moments **moments; /* [n] those to be collected */
    size_t n;
    struct error *err;
    bool failed;
};

static void add_keys(void *user, const struct tap_view *view)
{
    struct key_sums *sums = user;

    for (size_t i = 0; i < sums->n && !sums->failed; i++)
        if (sums->moments[i]->layer == view->layer)
            sums->failed = !linalg_add_outer(sums->context, sums->moments[i]->c, view->data, view->n_rows,
                                             view->width, sums->err);
}

static bool run_rows(struct key_sums *sums, const struct model *model, const struct text_rows *t,
                     struct error *err)
{
    size_t highest = 0, lowest = SIZE_MAX;
    struct sequence batch[PASS_TOKENS];

    for (size_t i = 0; i < sums->n; i++) {
        highest = sums->moments[i]->layer > highest ? sums->moments[i]->layer : highest;
        lowest = sums->moments[i]->layer < lowest ? sums->moments[i]->layer : lowest;
    }
    struct tap tap = {SITE_MLP_KEY, lowest, highest, add_keys, sums};
    struct pass_options options = {.n_layers = highest + 1, .taps = &tap, .n_taps = 1, .keys_only = true};

    for (size_t row = 0, done = 0; row < t->n;) {
        size_t n = 0, tokens = 0;
        struct pass *pass = NULL;

        while (row < t->n && n < PASS_TOKENS && (n == 0 || tokens + text_row(t, row).length <= PASS_TOKENS)) {
            batch[n] = text_row(t, row++);
            tokens += batch[n++].length;
        }
        context_progress(sums->context, "adding up keys", done, t->n_ids);
        bool ok = context_continue(sums->context, err) &&
                  pass_new(sums->context, model, batch, n, &options, &pass, err) && pass_run(pass, err);
        pass_free(pass);
        if (!ok || sums->failed)
            return false;
        done += tokens;
    }
    return true;
}

static bool collect_missing(const struct context *context, const struct model *model,
                            const struct text_rows *t, struct moments *out, const bool *found,
                            size_t n_layers, struct error *err)
{
    struct key_sums sums = {.context = context, .err = err};
    bool ok;

    sums.moments = memory_array(n_layers, sizeof *sums.moments);
    ok = sums.moments || error_memory(err, "adding up second moments");
    for (size_t i = 0; ok && i < n_layers; i++) {
        if (found[i])
            continue;
        out[i].c = memory_zeroed(out[i].n, out[i].n * sizeof *out[i].c);
        ok = out[i].c || error_memory(err, "adding up second moments");
        sums.moments[sums.n++] = &out[i];
    }
    ok = ok && run_rows(&sums, model, t, err);
    for (size_t i = 0; ok && i < sums.n; i++) {
        struct moments *m = sums.moments[i];

        m->tokens = t->n_ids;
        for (size_t j = 0; j < m->n * m->n; j++)
            m->c[j] /= (double)t->n_ids;
    }
    free(sums.moments);
    return ok;
}

/* ---- all of it ---- */

struct collection {
    const struct context *context;
    const struct model *model;
    const struct tokenizer *tokenizer;
    const struct moments_source *source;
    size_t window, tokens;
    struct text_rows rows;
    bool sampled;
    char text[160]; /* which text, for the cache */
};

/* A text that is given is read at once: its digest is its name. One to be sampled is known by its settings.
 */
static bool name_text(struct collection *c, struct error *err)
{
    struct digest_stream *stream = NULL;
    struct digest digest;
    char hex[65];
    bool ok;

    if (c->sampled) {
        snprintf(c->text, sizeof c->text, "sampled seed %llu tokens %zu window %zu",
                 (unsigned long long)c->source->seed, c->tokens, c->window);
        return true;
    }
    ok = c->source->corpus ? rows_of_corpus(c->context, c->tokenizer, c->source, c->window, &c->rows, err)
                           : rows_given(c->source, c->window, &c->rows, err);
    ok = ok && digest_stream_new(&stream, err) &&
         digest_stream_add(stream, c->rows.ends, c->rows.n * sizeof *c->rows.ends, err) &&
         digest_stream_add(stream, c->rows.ids, c->rows.n_ids * sizeof *c->rows.ids, err) &&
         digest_stream_finish(stream, &digest, err);
    digest_stream_free(stream);
    if (!ok)
        return false;
    digest_hex(&digest, hex);
    snprintf(c->text, sizeof c->text, "ids %s", hex);
    return true;
}

static bool collect(struct collection *c, const struct moments_cache *cache, struct moments *out, bool *found,
                    size_t n_layers, struct error *err)
{
    bool all = true;

    for (size_t i = 0; i < n_layers; i++) {
        if (!moments_cache_find(cache, c->text, out[i].layer, &out[i], &found[i], err))
            return false;
        all = all && found[i];
    }
    if (all)
        return true;
    if (c->sampled && !rows_sampled(c->context, c->model, c->tokenizer, c->source->seed, c->tokens, c->window,
                                    &c->rows, err))
        return false;
    if (!collect_missing(c->context, c->model, &c->rows, out, found, n_layers, err))
        return false;
    for (size_t i = 0; i < n_layers; i++)
        if (!found[i] && !moments_cache_keep(cache, c->text, &out[i], err))
            return false;
    return true;
}

bool moments_collect(const struct context *context, const struct model *model,
                     const struct tokenizer *tokenizer, const struct moments_source *source,
                     const size_t *layers, size_t n_layers, const char *cache_folder, struct moments *out,
                     struct error *err)
{
    struct collection c = {.context = context, .model = model, .tokenizer = tokenizer, .source = source};
    struct moments_cache cache = {0};
    bool *found = memory_zeroed(n_layers, sizeof *found), ok;
    size_t highest = 0, longest = model->config.context;

    for (size_t i = 0; i < n_layers; i++)
        if (model->config.experts.in_layer[layers[i]]) {
            free(found);
            return error_set(
                err, ERROR_UNSUPPORTED,
                "layer %zu has %zu experts with keys of their own, of which lancet takes no second "
                "moment",
                layers[i], model->config.experts.n);
        }
    c.sampled = !source->corpus && !source->rows;
    c.window = source->window ? source->window : source->rows && longest > WINDOW ? longest : WINDOW;
    c.window = c.window < longest ? c.window : longest;
    c.tokens = source->tokens ? source->tokens : SAMPLED_PER_DIMENSION * model->config.ff;
    for (size_t i = 0; i < n_layers; i++) {
        out[i] = (struct moments){.layer = layers[i], .n = model->config.ff};
        highest = layers[i] > highest ? layers[i] : highest;
    }
    ok = (found || error_memory(err, "adding up second moments")) && name_text(&c, err) &&
         moments_cache_open(context, model, cache_folder, highest, &cache, err) &&
         collect(&c, &cache, out, found, n_layers, err);
    moments_cache_close(&cache);
    text_rows_release(&c.rows);
    free(found);
    for (size_t i = 0; !ok && i < n_layers; i++)
        moments_release(&out[i]);
    return ok;
}

void moments_release(struct moments *moments)
{
    free(moments->c);
    *moments = (struct moments){0};
}
