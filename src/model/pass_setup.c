/* What a pass is made of before it runs: which rows run when, the copied tokens and options, and one block of
 * memory that holds everything that a run writes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "quote.h"
#include "pass_state.h"
#include "size.h"

enum { QUERY_BLOCK = 64, MLP_ROWS = 1024, SAID_BYTES = 512 << 20 };

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
void batch_add(struct batch *batch, size_t sequence, size_t position, size_t parent)
{
    batch->sequence[batch->n] = (uint32_t)sequence;
    batch->position[batch->n] = (uint32_t)position;
    batch->parent[batch->n++] = parent;
}

void batch_seal(const struct pass *pass, struct batch *batch)
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
        size_t room = attention_table() / pass_keys(pass, s, batch->position[batch->first[s + 1] - 1]);

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

static void add_token(struct pass *pass, size_t sequence, size_t position)
{
    size_t row = pass->whole.n;

    batch_add(&pass->whole, sequence, position, row);
    if (pass->options.resumable) {
        if (position < pass->options.from[sequence]) {
            batch_add(&pass->prefix, sequence, position, row);
            return;
        }
        batch_add(&pass->active, sequence, position, row);
        row = pass->active.n - 1;
    }
    if (is_place(pass, sequence, position))
        batch_add(&pass->scored, sequence, position, row);
}

static bool make_batches(struct pass *pass, struct error *err)
{
    struct batch *const batches[] = {&pass->whole, &pass->scored, &pass->prefix, &pass->active};
    size_t total = 0, n = pass->options.resumable ? 4 : 2;

    for (size_t s = 0; s < pass->n_sequences; s++)
        total += pass->length[s];
    for (size_t i = 0; i < n; i++)
        if (!batch_new(pass, batches[i], total, err))
            return false;
    if (!batch_new(pass, &pass->step, pass->n_sequences, err) || !batch_new(pass, &pass->none, 0, err))
        return false;
    for (size_t s = 0; s < pass->n_sequences; s++)
        for (size_t p = 0; p < pass->length[s]; p++)
            add_token(pass, s, p);
    for (size_t i = 0; i < n; i++)
        batch_seal(pass, batches[i]);
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
                         sequence->length, quote(model->checkpoint->path).text, c->context);
    for (size_t i = 0; i < sequence->length; i++)
        if (sequence->ids[i] >= c->vocabulary)
            return error_set(err, ERROR_USAGE, "token id %lu is not below the vocabulary of %s, which is %zu",
                             (unsigned long)sequence->ids[i], quote(model->checkpoint->path).text,
                             c->vocabulary);
    return true;
}

/* A copy in the arena; NULL for NULL. */
static const void *copy_array(struct pass *pass, const void *from, size_t n, size_t size, bool *ok)
{
    void *to = from ? take(pass, n, size, ok) : NULL;

    if (to)
        memcpy(to, from, n * size);
    return to;
}

static bool copy_options(struct pass *pass, const struct pass_options *options, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    struct pass_options *o = &pass->options;
    bool ok = true;

    *o = options ? *options : (struct pass_options){0};
    pass->n_layers = o->n_layers ? o->n_layers : c->n_layers;
    if (pass->n_layers > c->n_layers)
        return error_set(err, ERROR_USAGE, "%zu layers were asked for, but %s has %zu", pass->n_layers,
                         quote(pass->model->checkpoint->path).text, c->n_layers);
    if (o->resumable && o->resume_layer >= pass->n_layers)
        return error_set(err, ERROR_USAGE, "layer %zu was asked for, but the last one is %zu",
                         o->resume_layer, pass->n_layers - 1);
    if ((o->resumable || o->keep_cache) && c->encoder)
        return model_can(pass->model, ABLE_NEXT, err);
    if (o->keys_only && (o->resumable || o->keep_cache))
        return error_set(err, ERROR_USAGE,
                         "a pass that ends at a key can neither be resumed nor appended to");
    o->places = copy_array(pass, o->places, o->n_places, sizeof *o->places, &ok);
    if (o->resumable)
        o->from = copy_array(pass, o->from, pass->n_sequences, sizeof *o->from, &ok);
    return ok || error_memory(err, "preparing a pass");
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
                         capacity, quote(pass->model->checkpoint->path).text, c->context);
    if (pass->options.keep_cache)
        pass->longest = max_size(pass->longest, capacity);
    if (pass->longest > attention_table())
        return error_set(err, ERROR_UNSUPPORTED, "a prompt of %zu tokens is longer than lancet takes (%zu)",
                         pass->longest, attention_table());
    if (pass->options.resumable && c->scan.state && pass->longest > scan_longest(c))
        return error_set(err, ERROR_UNSUPPORTED,
                         "a prompt of %zu tokens is longer than lancet takes gradients through (%zu)",
                         pass->longest, scan_longest(c));
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

/* Numbers that a row takes between the two products of an MLP, at a time. */
static size_t widest_key(const struct model_config *c)
{
    return max_size(c->ff, max_size(c->experts.ff, c->experts.shared_ff));
}

static void lay_out_experts(struct pass *pass, struct carver *c)
{
    const struct model_config *config = &pass->model->config;
    struct expert_rows *e = &pass->experts;

    if (!config->experts.n)
        return;
    carve(c, &e->weight, pass->mlp_rows, config->experts.used);
    carve(c, &e->row_weight, pass->mlp_rows, config->experts.used);
    carve(c, &e->in, pass->mlp_rows, config->width);
    carve(c, &e->out, pass->mlp_rows, config->width);
    carve(c, &pass->scratch.route, pass->mlp_rows, config->experts.n);
    carve(c, &pass->scratch.open, pass->mlp_rows, 1);
    if (!pass->options.resumable)
        return;
    carve(c, &pass->gradient.route, pass->mlp_rows, config->experts.n);
    carve(c, &pass->gradient.open, pass->mlp_rows, 1);
}

real *pass_scan_state(const struct pass *pass, size_t layer, size_t sequence)
{
    return pass->scan.state +
           (region_of(pass, layer) * pass->n_sequences + sequence) * scan_state_size(&pass->model->config);
}

static void lay_out_scan_rows(const struct pass *pass, struct carver *c, size_t rows, struct activations *a)
{
    const struct model_config *config = &pass->model->config;

    carve(c, &a->scan_in, rows, 2 * config->ff);
    carve(c, &a->scan_parameters, rows, config->scan.rank + 2 * config->scan.state);
    carve(c, &a->scan_step, rows, config->ff);
}

static void lay_out_scan(struct pass *pass, struct carver *c, size_t rows)
{
    const struct model_config *config = &pass->model->config;
    struct scan_rows *s = &pass->scan;

    if (!config->scan.state)
        return;
    carve(c, &s->u, rows, config->ff);
    carve(c, &s->narrow, rows, config->scan.rank);
    carve(c, &s->key, rows, config->ff);
    carve(c, &s->state, (region_of(pass, pass->n_layers - 1) + 1) * pass->n_sequences,
          scan_state_size(config));
    lay_out_scan_rows(pass, c, rows, &pass->scratch);
    pass->scratch.scan_conv = s->u;
    if (!pass->options.resumable)
        return;
    carve(c, &s->gradient.in, pass->active.n, 2 * config->ff);
    carve(c, &s->gradient.step, pass->active.n, config->ff);
    carve(c, &s->gradient.parameters, pass->active.n, config->scan.rank + 2 * config->scan.state);
    carve(c, &s->gradient.parts, scan_blocks(config) * pass->active.n, 2 * config->scan.state);
}

static void lay_out_scratch(struct pass *pass, struct carver *c)
{
    const struct model_config *config = &pass->model->config;
    size_t rows = max_size(pass->whole.n, pass->options.keep_cache ? pass->n_sequences : 0), regions;
    struct activations *a = &pass->scratch;

    for (size_t i = 0; i < config->n_ropes; i++) {
        carve(c, &pass->cosine[i], pass->rope_rows, config->rotary_dim / 2);
        carve(c, &pass->sine[i], pass->rope_rows, config->rotary_dim / 2);
    }
    carve(c, &pass->frequencies, 1, config->rotary_dim / 2);
    if (config->alibi)
        carve(c, &pass->alibi, config->n_heads, pass->longest);
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
    carve(c, &pass->add, rows, max_size(config->width, config->embedding_width));
    pass->mlp_rows = min_size(rows, MLP_ROWS);
    carve(c, &pass->mlp_key, pass->mlp_rows, widest_key(config));
    if (config->gated)
        carve(c, &a->up, pass->mlp_rows, widest_key(config));
    lay_out_experts(pass, c);
    lay_out_scan(pass, c, rows);
    carve(c, &pass->pattern, pattern_rows(pass), pass->longest);
    a->mid = a->mid_sum = a->sum = a->x;
    a->attention = a->value;
    a->query_raw = a->query;
    a->key_raw = pass->key;
    a->hidden = pass->mlp_key;
}

/* The halves of a layer above the restart. */
static void lay_out_halves(struct pass *pass, struct carver *c, size_t layer, size_t out,
                           struct activations *a)
{
    const struct model_config *config = &pass->model->config;
    size_t n = pass->active.n, width = config->width, hidden = config->ff;

    carve(c, &a->query, out, pass->q_width);
    a->query_raw = a->query;
    if (config->qk_norm) {
        carve(c, &a->key_raw, n, pass->kv_width);
        carve(c, &a->query_raw, out, pass->q_width);
    }
    if (pass_vector(pass, layer, ROLE_ATTENTION_POST_NORM))
        carve(c, &a->attention, out, width);
    if (pass_vector(pass, layer, ROLE_MID_NORM))
        carve(c, &a->mid_sum, out, width);
    if (pass_has_experts(pass, layer)) {
        hidden = experts_hidden(&config->experts);
        carve(c, &a->route, out, config->experts.n);
        carve(c, &a->open, out, 1);
    }
    carve(c, &a->hidden, out, hidden);
    if (config->gated)
        carve(c, &a->up, out, hidden);
}

/* What a layer above the restart keeps for backward: only what its norms and its form need. */
static void lay_out_layer(struct pass *pass, struct carver *c, size_t layer, struct activations *a)
{
    size_t n = pass->active.n, width = pass->model->config.width,
           out = layer + 1 == pass->n_layers ? pass->scored.n : n;

    *a = pass->scratch;
    carve(c, &a->x, n, width);
    carve(c, &a->mid, out, width);
    if (pass_vector(pass, layer, ROLE_MLP_POST_NORM))
        carve(c, &a->value, out, width);
    if (pass_vector(pass, layer, ROLE_STATE_NORM))
        carve(c, &a->sum, out, width);
    if (!pass->model->config.scan.state) {
        lay_out_halves(pass, c, layer, out, a);
        return;
    }
    lay_out_scan_rows(pass, c, n, a);
    carve(c, &a->scan_conv, n, pass->model->config.ff);
}

static void lay_out_kept(struct pass *pass, struct carver *c)
{
    const struct model_config *config = &pass->model->config;
    size_t n = pass->active.n, width = config->width, first = pass->options.resume_layer + 1;
    size_t widest = max_size(width, config->embedding_width);
    struct gradients *g = &pass->gradient;

    carve(c, &pass->resume_mid, n, width);
    carve(c, &pass->resume_value, n, width);
    carve(c, &pass->resume_key, n, config->ff);
    carve(c, &pass->moved, n, width);
    if (pass_vector(pass, first - 1, ROLE_STATE_NORM))
        carve(c, &pass->resume_sum, n, width);
    carve(c, &pass->active_top, n, width);
    for (size_t layer = first; layer < pass->n_layers; layer++)
        lay_out_layer(pass, c, layer, &pass->kept[layer - first]);
    carve(c, &g->x, n, width);
    carve(c, &g->branch, n, widest);
    carve(c, &g->normed, n, widest);
    carve(c, &g->picked, n, width);
    if (pass_is_parallel(pass))
        carve(c, &g->parallel, n, width);
    carve(c, &g->mlp_key, n, widest_key(config));
    carve(c, &g->up, n, widest_key(config));
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

/* Before it is taken. */
static void say_size(const struct pass *pass, size_t bytes)
{
    char sentence[160], room[64] = "";

    if (bytes < SAID_BYTES)
        return;
    if (pass->options.keep_cache)
        snprintf(room, sizeof room, ", with room for %zu,", pass->longest);
    snprintf(sentence, sizeof sentence, "activations of %zu tokens%s take %.1f GB of memory", pass->whole.n,
             room, (double)bytes / 1e9);
    context_note(pass->context, sentence);
}

/* What is not numbers of the workspace. */
static bool make_experts(struct pass *pass, struct error *err)
{
    const struct expert_config *config = &pass->model->config.experts;
    struct expert_rows *e = &pass->experts;
    size_t pairs;
    bool ok = true;

    if (!config->n)
        return true;
    if (!size_mul(pass->mlp_rows, config->used, &pairs))
        return error_memory(err, "preparing a pass");
    e->chosen = take(pass, pairs, sizeof *e->chosen, &ok);
    e->row = take(pass, pairs, sizeof *e->row, &ok);
    e->first = take(pass, config->n + 1, sizeof *e->first, &ok);
    e->batch.sequence = take(pass, pass->mlp_rows, sizeof *e->batch.sequence, &ok);
    e->batch.position = take(pass, pass->mlp_rows, sizeof *e->batch.position, &ok);
    return ok || error_memory(err, "preparing a pass");
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
    say_size(pass, carver.used);
    pass->workspace = memory_aligned(carver.used, 1);
    if (!pass->workspace)
        return error_set(err, ERROR_MEMORY,
                         "out of memory for the activations of %zu tokens, which take %.1f GB", pass->whole.n,
                         (double)carver.used / 1e9);
    pass->bytes += carver.used;
    carver = (struct carver){.base = pass->workspace};
    lay_out(pass, &carver);
    return true;
}

/* ---- positions ---- */

/* The original context of a rope whose frequencies depend on the length of longer sequences. */
static size_t growing_from(const struct model_config *c)
{
    size_t from = SIZE_MAX;

    for (size_t r = 0; r < c->n_ropes; r++)
        if (config_rope_grows(&c->ropes[r]))
            from = min_size(from, c->ropes[r].original_context);
    return from;
}

/* Which sequences have rotary rows of their own: those that are, or may become, longer than that. */
static bool place_ropes(struct pass *pass, struct error *err)
{
    size_t from = growing_from(&pass->model->config);
    bool ok = true;

    pass->rope_first = take(pass, pass->n_sequences, sizeof *pass->rope_first, &ok);
    if (!ok)
        return error_memory(err, "preparing a pass");
    pass->rope_rows = pass->longest;
    for (size_t s = 0; s < pass->n_sequences; s++) {
        size_t room = pass->offset[s + 1] - pass->offset[s];

        pass->rope_first[s] = room > from ? pass->rope_rows : 0;
        if (room > from && !size_add(pass->rope_rows, room, &pass->rope_rows))
            return error_memory(err, "preparing a pass");
    }
    return true;
}

/* Rows of positions first .. end from row `at` on, as a sequence of `length` tokens has them. */
static void fill_rope(struct pass *pass, size_t at, size_t first, size_t end, size_t length)
{
    const struct model_config *c = &pass->model->config;
    size_t half = c->rotary_dim / 2;

    for (size_t r = 0; r < c->n_ropes; r++) {
        double factor = c->ropes[r].attention_factor;

        config_inverse_frequencies(&c->ropes[r], c->rotary_dim, length, pass->frequencies);
        for (size_t p = first; p < end; p++)
            for (size_t i = 0; i < half; i++) {
                real angle = (real)p * pass->frequencies[i];

                pass->cosine[r][(at + p) * half + i] = (real)(cos((double)angle) * factor);
                pass->sine[r][(at + p) * half + i] = (real)(sin((double)angle) * factor);
            }
    }
}

static void fill_positions(struct pass *pass)
{
    const struct model_config *c = &pass->model->config;

    fill_rope(pass, 0, 0, pass->longest, 0);
    for (size_t s = 0; s < pass->n_sequences; s++)
        if (pass->rope_first[s])
            fill_rope(pass, pass->rope_first[s], 0, pass->length[s], pass->length[s]);
    for (size_t head = 0; c->alibi && head < c->n_heads; head++)
        config_alibi(c, head, pass->longest, pass->alibi + head * pass->longest);
}

/* transformers rotates the new token as the longer sequence asks, and lets the earlier ones be; but where the
 * frequencies change at once (longrope), it begins anew. */
bool pass_grow_rope(struct pass *pass, size_t sequence, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    size_t position = pass->length[sequence];

    if (!pass->rope_first[sequence])
        return true;
    for (size_t r = 0; r < c->n_ropes; r++)
        if (c->ropes[r].scaling == ROPE_SCALE_LONG && position == c->ropes[r].original_context)
            return error_set(err, ERROR_UNSUPPORTED,
                             "a text of %zu tokens cannot grow: beyond %zu this model turns all positions "
                             "otherwise (longrope)",
                             position, c->ropes[r].original_context);
    fill_rope(pass, pass->rope_first[sequence], position, position + 1, position + 1);
    return true;
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
        !place_ropes(pass, err) || !make_workspace(pass, err) || !make_experts(pass, err)) {
        pass_free(pass);
        return false;
    }
    fill_positions(pass);
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
