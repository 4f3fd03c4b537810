#include "pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "memory.h"
#include "pass_state.h"
#include "size.h"

enum { QUERY_BLOCK = 64, MLP_ROWS = 1024 };

static const char *const site_names[SITE_COUNT] = {
    [SITE_EMBEDDING] = "embedding",
    [SITE_ATTENTION_IN] = "attention_in",
    [SITE_QUERY] = "query",
    [SITE_KEY] = "key",
    [SITE_VALUE] = "value",
    [SITE_ATTENTION_SCORES] = "attention_scores",
    [SITE_ATTENTION_PATTERN] = "attention_pattern",
    [SITE_ATTENTION_MIX] = "attention_mix",
    [SITE_ATTENTION_OUT] = "attention_out",
    [SITE_STATE_MID] = "state_mid",
    [SITE_MLP_IN] = "mlp_in",
    [SITE_MLP_HIDDEN] = "mlp_hidden",
    [SITE_MLP_KEY] = "mlp_key",
    [SITE_MLP_VALUE] = "mlp_value",
    [SITE_MLP_OUT] = "mlp_out",
    [SITE_STATE] = "state",
};

const char *site_name(enum site site)
{
    return site_names[site];
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- batches ---- */

static void *take(struct pass *pass, size_t n, size_t size, bool *ok)
{
    void *block = arena_array(&pass->arena, n, size);

    *ok = *ok && block;
    if (block)
        pass->bytes += n * size;
    return block;
}

static bool batch_new(struct pass *pass, struct batch *batch, size_t room, struct error *err)
{
    bool ok = true;

    batch->sequence = take(pass, room, sizeof *batch->sequence, &ok);
    batch->position = take(pass, room, sizeof *batch->position, &ok);
    batch->parent = take(pass, room, sizeof *batch->parent, &ok);
    batch->block = take(pass, room + 1, sizeof *batch->block, &ok);
    batch->first = take(pass, pass->n_sequences + 1, sizeof *batch->first, &ok);
    if (!ok)
        return error_memory(err, "preparing a pass");
    memset(batch->first, 0, (pass->n_sequences + 1) * sizeof *batch->first);
    return true;
}

/* Rows are added by sequence and position; batch_seal makes the rest of it. */
static void batch_add(struct batch *batch, size_t sequence, size_t position, size_t parent)
{
    batch->sequence[batch->n] = (uint32_t)sequence;
    batch->position[batch->n] = (uint32_t)position;
    batch->parent[batch->n++] = parent;
}

static void batch_seal(const struct pass *pass, struct batch *batch)
{
    size_t row = 0;

    batch->n_blocks = 0;
    for (size_t s = 0; s < pass->n_sequences; s++) {
        batch->first[s] = row;
        while (row < batch->n && batch->sequence[row] == s)
            row++;
    }
    batch->first[pass->n_sequences] = batch->n;
    for (row = 0; row < batch->n;) {
        size_t s = batch->sequence[row], left = batch->first[s + 1] - row;
        size_t room = attention_table() / ((size_t)batch->position[batch->first[s + 1] - 1] + 1);

        batch->block[batch->n_blocks++] = row;
        row += min_size(left, min_size(QUERY_BLOCK, max_size(room, 1)));
    }
    batch->block[batch->n_blocks] = batch->n;
}

bool batch_find(const struct batch *batch, size_t sequence, size_t position, size_t *row)
{
    size_t low = batch->first[sequence], high = batch->first[sequence + 1];

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (batch->position[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == batch->first[sequence + 1] || batch->position[low] != position)
        return false;
    *row = low;
    return true;
}

static bool is_place(const struct pass *pass, size_t sequence, size_t position)
{
    const struct pass_options *o = &pass->options;

    for (size_t i = 0; o->places && i < o->n_places; i++)
        if (o->places[i].sequence == sequence && o->places[i].position == position)
            return true;
    return !o->places;
}

static bool make_batches(struct pass *pass, struct error *err)
{
    size_t total = 0;

    for (size_t s = 0; s < pass->n_sequences; s++)
        total += pass->length[s];
    if (!batch_new(pass, &pass->whole, total, err) || !batch_new(pass, &pass->step, pass->n_sequences, err) ||
        !batch_new(pass, &pass->none, 0, err))
        return false;
    if (pass->options.resumable &&
        (!batch_new(pass, &pass->prefix, total, err) || !batch_new(pass, &pass->active, total, err) ||
         !batch_new(pass, &pass->scored, total, err)))
        return false;
    for (size_t s = 0; s < pass->n_sequences; s++)
        for (size_t p = 0; p < pass->length[s]; p++) {
            size_t row = pass->whole.n;

            batch_add(&pass->whole, s, p, row);
            if (!pass->options.resumable)
                continue;
            if (p < pass->options.from[s]) {
                batch_add(&pass->prefix, s, p, row);
                continue;
            }
            if (is_place(pass, s, p))
                batch_add(&pass->scored, s, p, pass->active.n);
            batch_add(&pass->active, s, p, row);
        }
    batch_seal(pass, &pass->whole);
    if (pass->options.resumable) {
        batch_seal(pass, &pass->prefix);
        batch_seal(pass, &pass->active);
        batch_seal(pass, &pass->scored);
    }
    return true;
}

/* ---- tokens and options ---- */

static bool check_sequence(const struct model *model, const struct sequence *sequence, struct error *err)
{
    const struct model_config *c = &model->config;

    if (sequence->length == 0)
        return error_set(err, ERROR_USAGE, "a prompt has no tokens");
    if (sequence->length > c->context)
        return error_set(err, ERROR_USAGE, "a prompt has %zu tokens, but the context of %s is %zu",
                         sequence->length, model->checkpoint->path, c->context);
    for (size_t i = 0; i < sequence->length; i++)
        if (sequence->ids[i] >= c->vocabulary)
            return error_set(err, ERROR_USAGE, "token id %lu is not below the vocabulary of %s, which is %zu",
                             (unsigned long)sequence->ids[i], model->checkpoint->path, c->vocabulary);
    return true;
}

static bool copy_options(struct pass *pass, const struct pass_options *options, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    bool ok = true;

    pass->options = options ? *options : (struct pass_options){0};
    pass->n_layers = pass->options.n_layers ? pass->options.n_layers : c->n_layers;
    if (pass->n_layers > c->n_layers)
        return error_set(err, ERROR_USAGE, "%zu layers were asked for, but %s has %zu", pass->n_layers,
                         pass->model->checkpoint->path, c->n_layers);
    if (pass->options.resumable) {
        size_t *from = take(pass, pass->n_sequences, sizeof *from, &ok);
        struct place *places = take(pass, pass->options.n_places, sizeof *places, &ok);

        if (pass->options.resume_layer >= pass->n_layers)
            return error_set(err, ERROR_USAGE, "layer %zu was asked for, but the last one is %zu",
                             pass->options.resume_layer, pass->n_layers - 1);
        if (!ok)
            return error_memory(err, "preparing a pass");
        memcpy(from, options->from, pass->n_sequences * sizeof *from);
        if (options->places)
            memcpy(places, options->places, options->n_places * sizeof *places);
        pass->options.from = from;
        pass->options.places = options->places ? places : NULL;
    }
    return true;
}

static bool copy_tokens(struct pass *pass, const struct sequence *sequences, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    size_t capacity = pass->options.keep_cache ? pass->options.capacity : 0, total = 0;
    bool ok = true;

    pass->length = take(pass, pass->n_sequences, sizeof *pass->length, &ok);
    pass->offset = take(pass, pass->n_sequences + 1, sizeof *pass->offset, &ok);
    if (!ok)
        return error_memory(err, "preparing a pass");
    for (size_t s = 0; s < pass->n_sequences; s++) {
        if (!check_sequence(pass->model, &sequences[s], err))
            return false;
        pass->longest = max_size(pass->longest, sequences[s].length);
    }
    if (capacity > c->context)
        return error_set(err, ERROR_USAGE, "room for %zu tokens was asked for, but the context of %s is %zu",
                         capacity, pass->model->checkpoint->path, c->context);
    if (pass->options.keep_cache)
        pass->longest = max_size(pass->longest, capacity);
    if (pass->longest > attention_table())
        return error_set(err, ERROR_UNSUPPORTED, "a prompt of %zu tokens is longer than lancet takes (%zu)",
                         pass->longest, attention_table());
    for (size_t s = 0; s < pass->n_sequences; s++) {
        pass->length[s] = sequences[s].length;
        pass->offset[s] = total;
        if (!size_add(total, pass->options.keep_cache ? pass->longest : sequences[s].length, &total))
            return error_memory(err, "preparing a pass");
    }
    pass->offset[pass->n_sequences] = total;
    pass->ids = take(pass, total, sizeof *pass->ids, &ok);
    if (!ok)
        return error_memory(err, "preparing a pass");
    for (size_t s = 0; s < pass->n_sequences; s++)
        memcpy(pass->ids + pass->offset[s], sequences[s].ids, sequences[s].length * sizeof *pass->ids);
    return true;
}

/* ---- workspace ---- */

/* One block of memory cut into arrays: a first walk without the block counts, a second one places them. */
struct carver {
    unsigned char *base;
    size_t used;
    bool overflow;
};

static void carve(struct carver *c, real **out, size_t rows, size_t columns)
{
    size_t n;

    if (!size_mul(rows, columns, &n) || !size_mul(n, sizeof(real), &n) || !size_add(n, 63, &n) ||
        !size_add(c->used, n & ~(size_t)63, &n)) {
        c->overflow = true;
        return;
    }
    *out = c->base ? (real *)(void *)(c->base + c->used) : NULL;
    c->used = n;
}

/* Layers that keep keys and values beyond their own turn; the others share region 0. */
static size_t region_of(const struct pass *pass, size_t layer)
{
    if (pass->options.keep_cache)
        return layer;
    return pass->options.resumable && layer > pass->options.resume_layer ? layer - pass->options.resume_layer
                                                                         : 0;
}

real *pass_region(const struct pass *pass, real *cache, size_t layer)
{
    return cache + region_of(pass, layer) * pass->offset[pass->n_sequences] * pass->kv_width;
}

/* [heads, queries, keys] of the largest sequence when any tap asks for it. */
static size_t pattern_rows(const struct pass *pass)
{
    size_t most = 0, n_heads = pass->model->config.n_heads;
    bool tapped = false;

    for (size_t i = 0; i < pass->options.n_taps; i++)
        tapped = tapped || pass->options.taps[i].site == SITE_ATTENTION_SCORES ||
                 pass->options.taps[i].site == SITE_ATTENTION_PATTERN;
    for (size_t s = 0; tapped && s < pass->n_sequences; s++)
        most = max_size(most, pass->length[s]);
    return most * n_heads;
}

static void lay_out_scratch(struct pass *pass, struct carver *c)
{
    const struct model_config *config = &pass->model->config;
    size_t rows = max_size(pass->whole.n, pass->options.keep_cache ? pass->n_sequences : 0), regions;
    struct activations *a = &pass->scratch;

    for (size_t i = 0; i < config->n_ropes; i++) {
        carve(c, &pass->cosine[i], pass->longest, config->rotary_dim / 2);
        carve(c, &pass->sine[i], pass->longest, config->rotary_dim / 2);
    }
    regions = region_of(pass, pass->n_layers - 1) + 1;
    carve(c, &pass->keys, regions * pass->offset[pass->n_sequences], pass->kv_width);
    carve(c, &pass->values, regions * pass->offset[pass->n_sequences], pass->kv_width);
    carve(c, &a->x, rows, config->width);
    carve(c, &a->value, rows, config->width);
    carve(c, &a->query, rows, pass->q_width);
    carve(c, &pass->normed, rows, config->width);
    carve(c, &pass->key, rows, pass->kv_width);
    carve(c, &pass->value, rows, pass->kv_width);
    carve(c, &pass->mix, rows, pass->q_width);
    carve(c, &pass->add, rows, config->width);
    pass->mlp_rows = min_size(rows, MLP_ROWS);
    carve(c, &pass->mlp_key, pass->mlp_rows, config->ff);
    if (config->gated)
        carve(c, &a->up, pass->mlp_rows, config->ff);
    carve(c, &pass->pattern, pattern_rows(pass), pass->longest);
    a->mid = a->x;
    a->attention = a->value;
    a->query_raw = a->query;
    a->key_raw = pass->key;
    a->hidden = pass->mlp_key;
}

static void lay_out_kept(struct pass *pass, struct carver *c)
{
    const struct model_config *config = &pass->model->config;
    size_t n = pass->active.n, width = config->width, first = pass->options.resume_layer + 1;
    struct gradients *g = &pass->gradient;

    carve(c, &pass->resume_mid, n, width);
    carve(c, &pass->resume_value, n, width);
    carve(c, &pass->resume_key, n, config->ff);
    carve(c, &pass->moved, n, width);
    carve(c, &pass->active_top, n, width);
    for (size_t layer = first; layer < pass->n_layers; layer++) {
        struct activations *a = &pass->kept[layer - first];
        size_t out = layer + 1 == pass->n_layers ? pass->scored.n : n;

        *a = pass->scratch;
        carve(c, &a->x, n, width);
        carve(c, &a->query, out, pass->q_width);
        a->query_raw = a->query;
        if (config->qk_norm) {
            carve(c, &a->key_raw, n, pass->kv_width);
            carve(c, &a->query_raw, out, pass->q_width);
        }
        if (config->post_norms) {
            carve(c, &a->attention, out, width);
            carve(c, &a->value, out, width);
        }
        carve(c, &a->mid, out, width);
        carve(c, &a->hidden, out, config->ff);
        if (config->gated)
            carve(c, &a->up, out, config->ff);
    }
    carve(c, &g->x, n, width);
    carve(c, &g->branch, n, width);
    carve(c, &g->normed, n, width);
    carve(c, &g->picked, n, width);
    carve(c, &g->mlp_key, n, config->ff);
    carve(c, &g->up, n, config->ff);
    carve(c, &g->mix, n, pass->q_width);
    carve(c, &g->query, n, pass->q_width);
    carve(c, &g->key, n, pass->kv_width);
    carve(c, &g->value, n, pass->kv_width);
}

static void lay_out(struct pass *pass, struct carver *c)
{
    lay_out_scratch(pass, c);
    if (pass->options.resumable)
        lay_out_kept(pass, c);
}

static bool make_workspace(struct pass *pass, struct error *err)
{
    struct carver carver = {0};
    bool ok = true;

    if (pass->options.resumable)
        pass->kept = take(pass, pass->n_layers, sizeof *pass->kept, &ok);
    lay_out(pass, &carver);
    if (!ok || carver.overflow)
        return error_memory(err, "preparing a pass");
    pass->workspace = memory_aligned(carver.used, 1);
    if (!pass->workspace)
        return error_set(err, ERROR_MEMORY, "out of memory while preparing a pass, which takes %zu MB",
                         carver.used >> 20);
    pass->bytes += carver.used;
    carver = (struct carver){.base = pass->workspace};
    lay_out(pass, &carver);
    return true;
}

static void fill_rope(struct pass *pass)
{
    const struct model_config *c = &pass->model->config;
    size_t half = c->rotary_dim / 2;

    for (size_t r = 0; r < c->n_ropes; r++)
        for (size_t p = 0; p < pass->longest; p++)
            for (size_t i = 0; i < half; i++) {
                real angle = (real)p * pass->model->inverse_frequencies[r][i];

                pass->cosine[r][p * half + i] = (real)cos((double)angle);
                pass->sine[r][p * half + i] = (real)sin((double)angle);
            }
}

bool pass_new(const struct context *context, const struct model *model, const struct sequence *sequences,
              size_t n_sequences, const struct pass_options *options, struct pass **out, struct error *err)
{
    struct pass *pass = memory_zeroed(1, sizeof *pass);

    if (!pass)
        return error_memory(err, "preparing a pass");
    pass->context = context;
    pass->model = model;
    pass->n_sequences = n_sequences;
    pass->q_width = model->config.n_heads * model->config.head_dim;
    pass->kv_width = model->config.n_kv_heads * model->config.head_dim;
    pass->bytes = sizeof *pass;
    if (!copy_options(pass, options, err) || !copy_tokens(pass, sequences, err) || !make_batches(pass, err) ||
        !make_workspace(pass, err)) {
        pass_free(pass);
        return false;
    }
    fill_rope(pass);
    *out = pass;
    return true;
}

void pass_free(struct pass *pass)
{
    if (!pass)
        return;
    free(pass->workspace);
    arena_release(&pass->arena);
    free(pass);
}

size_t pass_bytes(const struct pass *pass)
{
    return pass->bytes;
}

/* ---- running ---- */

static bool check_finite(const struct pass *pass, const real *x, const struct batch *batch, struct error *err)
{
    size_t width = pass->model->config.width;
    const struct tensor *tensor;

    for (size_t i = 0; i < batch->n * width; i++) {
        if (isfinite(x[i]))
            continue;
        tensor = model_not_finite(pass->model);
        if (tensor)
            return error_set(err, ERROR_NUMERIC, "%s: tensor %s holds NaN or Inf",
                             pass->model->checkpoint->path, tensor->name);
        return error_set(err, ERROR_NUMERIC, "%s: the state after layer %zu is not finite at token %lu",
                         pass->model->checkpoint->path, pass->n_layers - 1,
                         (unsigned long)batch->position[i / width]);
    }
    return true;
}

static bool end_with(struct pass *pass, real *top, const struct batch *batch, struct error *err)
{
    if (!check_finite(pass, top, batch, err))
        return false;
    pass->top = top;
    pass->top_batch = batch;
    return true;
}

/* The active rows, from the raw MLP output of resume_layer to the top. */
static bool run_active(struct pass *pass, const real *add, const size_t *at, struct error *err)
{
    size_t width = pass->model->config.width, first = pass->options.resume_layer + 1, row;
    const struct batch *batch = &pass->active;
    real *x = first < pass->n_layers ? pass->kept[0].x : pass->active_top;

    memcpy(pass->moved, pass->resume_value, batch->n * width * sizeof(real));
    for (size_t s = 0; add && s < pass->n_sequences; s++) {
        if (at[s] == PASS_NOWHERE)
            continue;
        if (!batch_find(batch, s, at[s], &row))
            return error_set(err, ERROR_USAGE, "position %zu of sequence %zu is not run again", at[s], s);
        for (size_t i = 0; i < width; i++)
            pass->moved[row * width + i] += add[i];
    }
    pass->keep = true;
    forward_finish(pass, first - 1, batch, pass->resume_mid, pass->moved, x);
    for (size_t layer = first; layer < pass->n_layers; layer++) {
        bool last = layer + 1 == pass->n_layers;

        if (!context_continue(pass->context, err))
            return false;
        if (last && pass->scored.n < pass->active.n)
            batch = &pass->scored;
        x = last ? pass->active_top : pass->kept[layer + 1 - first].x;
        forward_layer(pass, layer, &pass->active, batch, &pass->kept[layer - first], x);
    }
    return end_with(pass, x, batch, err);
}

/* The restart layer: what the active rows start from again is kept, the others go on. */
static void run_resume_layer(struct pass *pass)
{
    size_t width = pass->model->config.width, layer = pass->options.resume_layer;
    struct activations *a = &pass->scratch;

    forward_to_value(pass, layer, &pass->whole, &pass->whole, a);
    batch_pick(&pass->active, a->mid, width, pass->resume_mid);
    batch_pick(&pass->active, a->value, width, pass->resume_value);
    batch_pick(&pass->prefix, a->mid, width, a->mid);
    batch_pick(&pass->prefix, a->value, width, a->value);
    forward_finish(pass, layer, &pass->prefix, a->mid, a->value, a->x);
}

bool pass_run(struct pass *pass, struct error *err)
{
    size_t resume = pass->options.resumable ? pass->options.resume_layer : pass->n_layers;
    struct activations *a = &pass->scratch;

    pass->ran = false;
    pass->keep = false;
    forward_embed(pass, &pass->whole, a->x);
    for (size_t layer = 0; layer < pass->n_layers; layer++) {
        const struct batch *in = layer > resume ? &pass->prefix : &pass->whole;
        const struct batch *out = layer > resume && layer + 1 == pass->n_layers ? &pass->none : in;

        if (!context_continue(pass->context, err))
            return false;
        if (layer == resume)
            run_resume_layer(pass);
        else if (in->n)
            forward_layer(pass, layer, in, out, a, a->x);
    }
    if (!(pass->options.resumable ? run_active(pass, NULL, NULL, err)
                                  : end_with(pass, a->x, &pass->whole, err)))
        return false;
    pass->ran = true;
    return true;
}

bool pass_resume(struct pass *pass, const real *add, const size_t *at, struct error *err)
{
    if (!pass->options.resumable || !pass->ran)
        return error_set(err, ERROR_USAGE, "this pass cannot be resumed");
    return run_active(pass, add, at, err);
}

bool pass_append(struct pass *pass, const uint32_t *ids, struct error *err)
{
    struct activations *a = &pass->scratch;
    struct batch *batch = &pass->step;

    if (!pass->options.keep_cache || !pass->ran || pass->options.resumable)
        return error_set(err, ERROR_USAGE, "nothing can be appended to this pass");
    batch->n = 0;
    for (size_t s = 0; s < pass->n_sequences; s++) {
        if (ids[s] == PASS_NO_TOKEN)
            continue;
        if (pass->length[s] == pass->longest)
            return error_set(err, ERROR_USAGE, "there is room for %zu tokens only", pass->longest);
        if (ids[s] >= pass->model->config.vocabulary)
            return error_set(err, ERROR_USAGE, "token id %lu is not below the vocabulary of %s, which is %zu",
                             (unsigned long)ids[s], pass->model->checkpoint->path,
                             pass->model->config.vocabulary);
        pass->ids[pass->offset[s] + pass->length[s]] = ids[s];
        batch_add(batch, s, pass->length[s], batch->n);
    }
    batch_seal(pass, batch);
    if (batch->n == 0)
        return true;
    pass->keep = false;
    forward_embed(pass, batch, a->x);
    for (size_t layer = 0; layer < pass->n_layers; layer++) {
        if (!context_continue(pass->context, err))
            return false;
        forward_layer(pass, layer, batch, batch, a, a->x);
    }
    if (!end_with(pass, a->x, batch, err))
        return false;
    for (size_t row = 0; row < batch->n; row++)
        pass->length[batch->sequence[row]]++;
    return true;
}

/* ---- what a run leaves ---- */

bool pass_logits(struct pass *pass, const struct place *places, size_t n, real *logits, struct error *err)
{
    size_t width = pass->model->config.width, vocabulary = pass->model->config.vocabulary;
    size_t most = pass->whole.n, row;

    if (!pass->ran)
        return error_set(err, ERROR_USAGE, "logits were asked for before a pass was run");
    for (size_t first = 0; first < n; first += most) {
        size_t now = min_size(most, n - first);

        for (size_t i = 0; i < now; i++) {
            const struct place *place = &places[first + i];

            if (place->sequence >= pass->n_sequences ||
                !batch_find(pass->top_batch, place->sequence, place->position, &row))
                return error_set(err, ERROR_USAGE, "logits of position %zu of sequence %zu were not computed",
                                 place->position, place->sequence);
            memcpy(pass->add + i * width, pass->top + row * width, width * sizeof(real));
        }
        forward_norm(pass, 0, ROLE_FINAL_NORM, ROLE_FINAL_NORM_BIAS, pass->add, now, pass->normed);
        pass_matmul(pass, 0, ROLE_HEAD, ROLE_COUNT, pass->normed, now, logits + first * vocabulary);
    }
    return true;
}

static const real *kept_row(const struct pass *pass, const real *rows, size_t width, size_t sequence,
                            size_t position)
{
    size_t row;

    return pass->options.resumable && pass->ran && sequence < pass->n_sequences &&
                   batch_find(&pass->active, sequence, position, &row)
               ? rows + row * width
               : NULL;
}

const real *pass_value(const struct pass *pass, size_t sequence, size_t position)
{
    return kept_row(pass, pass->resume_value, pass->model->config.width, sequence, position);
}

const real *pass_key(const struct pass *pass, size_t sequence, size_t position)
{
    return kept_row(pass, pass->resume_key, pass->model->config.ff, sequence, position);
}
