/* One layer forward, for every decoder of the table:
 *
 *   n = norm(x)                                 q, k, v = n Wq, n Wk, n Wv; q, k through their norms; rope
 *   x' = mid(x + r post(mix(q, k, v) Wo))       n' = norm(x'), of a parallel layer norm(x)
 *   x'' = state(x' + r post(act(n' Wg) * (n' Wu) Wd))      or act(n' Wu) Wd without a gate
 *
 * All products may have biases. post is a norm of what is added (Gemma 2 and 3, OLMo 2), mid and state are
 * norms of the stream (OPT-350m), r is Granite's factor. A norm that the architecture has not is the
 * identity. Small steps work on rows shared out over the pool. */
#include "forward.h"

#include <string.h>

enum { ROWS_OF_A_TASK = 8 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct rows_run_job {
    const struct row_job *job;
    size_t n;
};

static void rows_task(void *user, size_t task, unsigned worker)
{
    const struct rows_run_job *run = user;
    size_t end = min_size((task + 1) * ROWS_OF_A_TASK, run->n);

    (void)worker;
    for (size_t row = task * ROWS_OF_A_TASK; row < end; row++)
        run->job->row(run->job, row);
}

void rows_run(const struct row_job *job, size_t n_rows)
{
    struct rows_run_job run = {job, n_rows};

    pool_run(job->pass->context->pool, (n_rows + ROWS_OF_A_TASK - 1) / ROWS_OF_A_TASK, rows_task, &run);
}

const struct weight *pass_weight(const struct pass *pass, size_t layer, enum role role)
{
    const struct weight *weight =
        role < ROLE_FIRST_OF_LAYER ? &pass->model->global[role] : &pass->model->layer[layer][role];

    return weight->tensor ? weight : NULL;
}

const real *pass_vector(const struct pass *pass, size_t layer, enum role role)
{
    return role < ROLE_FIRST_OF_LAYER ? pass->model->global_vector[role]
                                      : pass->model->layer_vector[layer][role];
}

void pass_matmul(const struct pass *pass, size_t layer, enum role weight, const real *x, size_t m, real *y)
{
    weight_matmul(pass->context, pass_weight(pass, layer, weight),
                  pass_vector(pass, layer, ROLE_BIAS_OF(weight)), x, m, y);
}

/* Products of one x with several roles, in one run; those with no place to go are left out. */
static void matmul_several(const struct pass *pass, size_t layer, const enum role *roles, real *const *out,
                           size_t n_roles, const real *x, size_t m)
{
    struct weight_product products[WEIGHT_PRODUCTS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < n_roles; i++)
        if (out[i])
            products[n++] = (struct weight_product){pass_weight(pass, layer, roles[i]),
                                                    pass_vector(pass, layer, ROLE_BIAS_OF(roles[i])), out[i]};
    weight_matmul_several(pass->context, products, n, x, m);
}

bool pass_is_parallel(const struct pass *pass)
{
    return pass->model->config.features & FEATURE_PARALLEL;
}

bool pass_has_experts(const struct pass *pass, size_t layer)
{
    return pass->model->config.experts.in_layer[layer];
}

void pass_norm(const struct model_config *config, const real *x, const real *w, const real *b, size_t n,
               real *y)
{
    if (config->norm == NORM_LAYER)
        ops_layer_norm(x, w, b, config->norm_eps, n, y);
    else
        ops_rms_norm(x, w, config->norm == NORM_RMS_PLUS_ONE, config->norm_eps, n, y);
}

bool pass_rotary(const struct pass *pass, size_t layer, size_t sequence, size_t position, struct rotary *out)
{
    const struct model_config *c = &pass->model->config;
    size_t rope = c->rope_of[layer], at = (pass->rope_first[sequence] + position) * (c->rotary_dim / 2);

    if (c->rope == ROPE_NONE || rope == CONFIG_NO_ROPE)
        return false;
    *out = (struct rotary){pass->cosine[rope] + at, pass->sine[rope] + at};
    return true;
}

/* ---- taps ---- */

bool pass_is_tapped(const struct pass *pass, enum site site, size_t layer)
{
    for (size_t i = 0; i < pass->options.n_taps; i++) {
        const struct tap *tap = &pass->options.taps[i];

        if (tap->site == site && tap->first_layer <= layer && layer <= tap->last_layer)
            return true;
    }
    return false;
}

void pass_tap(const struct pass *pass, enum site site, size_t layer, real *data, const struct batch *batch,
              size_t first, size_t n, size_t width)
{
    const struct tap_view view = {
        .layer = layer,
        .data = data,
        .n_rows = n,
        .width = width,
        .row_sequence = batch->sequence + first,
        .row_position = batch->position + first,
        .expert = batch->expert,
    };

    for (size_t i = 0; n && i < pass->options.n_taps; i++) {
        const struct tap *tap = &pass->options.taps[i];

        if (tap->site == site && tap->first_layer <= layer && layer <= tap->last_layer)
            tap->call(tap->user, &view);
    }
}

/* ---- rows ---- */

/* The embeddings themselves: of embedding_width. */
static void look_up_row(const struct row_job *job, size_t row)
{
    const struct pass *pass = job->pass;
    size_t at = pass->offset[job->batch->sequence[row]] + job->batch->position[row];

    weight_rows(pass_weight(pass, 0, ROLE_EMBEDDING), pass->ids[at], 1, job->y + row * job->width);
}

/* Which row of the position embeddings a token has. RoBERTa does not count padding. */
static size_t position_row(const struct pass *pass, size_t sequence, size_t position)
{
    const struct model_config *c = &pass->model->config;
    const uint32_t *ids = pass->ids + pass->offset[sequence];
    size_t row = c->padding;

    if (!c->padded)
        return position;
    for (size_t p = 0; ids[position] != c->padding && p <= position; p++)
        row += ids[p] != c->padding;
    return row;
}

static void add_row_of(const struct weight *weight, size_t row, size_t width, real *room, real *y)
{
    weight_rows(weight, row, 1, room);
    for (size_t i = 0; i < width; i++)
        y[i] += room[i];
}

/* Scale, positions, token types. */
static void embed_row(const struct row_job *job, size_t row)
{
    const struct pass *pass = job->pass;
    const struct weight *positions = pass_weight(pass, 0, ROLE_POSITION),
                        *types = pass_weight(pass, 0, ROLE_TOKEN_TYPE);
    size_t width = job->width;
    real *y = job->y + row * width, *p = job->z + row * width,
         scale = (real)pass->model->config.embedding_scale;

    if (scale != 1)
        for (size_t i = 0; i < width; i++)
            y[i] *= scale;
    if (types)
        add_row_of(types, 0, width, p, y);
    if (positions)
        add_row_of(positions, position_row(pass, job->batch->sequence[row], job->batch->position[row]), width,
                   p, y);
}

void forward_embed(const struct pass *pass, const struct batch *batch, real *x)
{
    const struct model_config *c = &pass->model->config;
    bool projected = pass_weight(pass, 0, ROLE_EMBEDDING_IN);
    struct row_job job = {.row = look_up_row,
                          .pass = pass,
                          .batch = batch,
                          .width = c->embedding_width,
                          .y = projected ? pass->add : x,
                          .z = pass->normed};

    rows_run(&job, batch->n);
    if (projected)
        pass_matmul(pass, 0, ROLE_EMBEDDING_IN, pass->add, batch->n, x);
    job.row = embed_row;
    job.width = c->width;
    job.y = x;
    if (c->embedding_scale != 1 || pass_weight(pass, 0, ROLE_POSITION))
        rows_run(&job, batch->n);
    if (pass_vector(pass, 0, ROLE_EMBEDDING_NORM))
        forward_norm(pass, 0, ROLE_EMBEDDING_NORM, x, batch->n, x);
    pass_tap(pass, SITE_EMBEDDING, 0, x, batch, 0, batch->n, c->width);
}

static void norm_row(const struct row_job *job, size_t row)
{
    pass_norm(
        &job->pass->model->config, job->a + row * job->width, pass_vector(job->pass, job->layer, job->weight),
        pass_vector(job->pass, job->layer, ROLE_BIAS_OF(job->weight)), job->width, job->y + row * job->width);
}

void forward_norm(const struct pass *pass, size_t layer, enum role weight, const real *x, size_t n, real *y)
{
    size_t width = pass->model->config.width;

    if (pass_vector(pass, layer, weight))
        rows_run(&(struct row_job){.row = norm_row,
                                   .pass = pass,
                                   .layer = layer,
                                   .width = width,
                                   .weight = weight,
                                   .a = x,
                                   .y = y},
                 n);
    else if (x != y)
        memcpy(y, x, n * width * sizeof *y);
}

/* A row [heads x head_dim] of queries or keys: norm, then rope of each head. */
static void heads_row(const struct row_job *job, size_t row)
{
    const struct model_config *c = &job->pass->model->config;
    const real *w = pass_vector(job->pass, job->layer, job->weight),
               *b = pass_vector(job->pass, job->layer, ROLE_BIAS_OF(job->weight));
    size_t piece = c->qk_norm == QK_NORM_ROW ? job->width : c->head_dim,
           step = c->qk_norm == QK_NORM_HEADS ? piece : 0;
    const real *x = job->a + row * job->width;
    real *y = job->y + row * job->width;
    struct rotary rotary;

    for (size_t at = 0, i = 0; w && at < job->width; at += piece, i += step)
        pass_norm(c, x + at, w + i, b ? b + i : NULL, piece, y + at);
    if (!w && x != y)
        memcpy(y, x, job->width * sizeof *y);
    if (pass_rotary(job->pass, job->layer, job->batch->sequence[row], job->batch->position[row], &rotary))
        for (size_t at = 0; at < job->width; at += c->head_dim)
            ops_rotate(y + at, rotary.cosine, rotary.sine, c->rotary_dim / 2, c->rope == ROPE_INTERLEAVED,
                       false);
}

static void finish_heads(const struct pass *pass, size_t layer, const struct batch *batch, enum role norm,
                         const real *raw, size_t width, real *y)
{
    const struct model_config *c = &pass->model->config;

    if (c->qk_norm || c->rope != ROPE_NONE || raw != y)
        rows_run(&(struct row_job){.row = heads_row,
                                   .pass = pass,
                                   .batch = batch,
                                   .layer = layer,
                                   .width = width,
                                   .weight = norm,
                                   .a = raw,
                                   .y = y},
                 batch->n);
}

/* Into the caches. */
static void store_row(const struct row_job *job, size_t row)
{
    const struct pass *pass = job->pass;
    size_t n = pass->kv_width, at = pass->offset[job->batch->sequence[row]] + job->batch->position[row];

    memcpy(pass_region(pass, pass->keys, job->layer) + at * n, job->a + row * n, n * sizeof(real));
    memcpy(pass_region(pass, pass->values, job->layer) + at * n, job->b + row * n, n * sizeof(real));
}

static void add_row(const struct row_job *job, size_t row)
{
    const real *a = job->a + row * job->width, *b = job->b + row * job->width;
    real *y = job->y + row * job->width;

    for (size_t i = 0; i < job->width; i++)
        y[i] = a[i] + b[i];
}

static void scale_row(const struct row_job *job, size_t row)
{
    const real *x = job->a + row * job->width;
    real *y = job->y + row * job->width, scale = (real)job->pass->model->config.residual_scale;

    for (size_t i = 0; i < job->width; i++)
        y[i] = scale * x[i];
}

static void activate_row(const struct row_job *job, size_t row)
{
    const real *up = job->b ? job->b + row * job->width : NULL;
    real *y = job->y + row * job->width;

    ops_activation(job->pass->model->config.activation, job->a + row * job->width, job->width, y);
    if (up)
        for (size_t i = 0; i < job->width; i++)
            y[i] *= up[i];
}

void forward_activate(const struct pass *pass, const real *hidden, const real *up, size_t n, size_t width,
                      real *key)
{
    rows_run(
        &(struct row_job){.row = activate_row, .pass = pass, .width = width, .a = hidden, .b = up, .y = key},
        n);
}

void batch_pick(const struct batch *batch, const real *from, size_t width, real *to)
{
    for (size_t row = 0; row < batch->n; row++)
        if (from != to || batch->parent[row] != row)
            memmove(to + row * width, from + batch->parent[row] * width, width * sizeof *to);
}

/* ---- the two halves of a layer ---- */

/* normed [B] to keys and values in the caches; queries too, where every row has one. */
static void make_keys(const struct pass *pass, size_t layer, const struct batch *batch, bool queries,
                      const struct activations *a)
{
    static const enum role roles[] = {ROLE_KEY, ROLE_VALUE, ROLE_QUERY};
    real *const out[] = {a->key_raw, pass->value, queries ? a->query_raw : NULL};

    matmul_several(pass, layer, roles, out, sizeof roles / sizeof *roles, pass->normed, batch->n);
    finish_heads(pass, layer, batch, ROLE_KEY_NORM, a->key_raw, pass->kv_width, pass->key);
    pass_tap(pass, SITE_KEY, layer, pass->key, batch, 0, batch->n, pass->kv_width);
    pass_tap(pass, SITE_VALUE, layer, pass->value, batch, 0, batch->n, pass->kv_width);
    rows_run(
        &(struct row_job){
            .row = store_row, .pass = pass, .batch = batch, .layer = layer, .a = pass->key, .b = pass->value},
        batch->n);
}

/* What attention or the MLP adds to the stream, made of its raw output: the norm after it, the factor. The
 * rows lie in pass->add then, or where they were. */
static real *make_add(const struct pass *pass, size_t layer, enum role post, real *raw, size_t n)
{
    size_t width = pass->model->config.width;
    bool scaled = pass->model->config.residual_scale != 1;
    real *add = pass_vector(pass, layer, post) || scaled ? pass->add : raw;

    if (add != raw)
        forward_norm(pass, layer, post, raw, n, add);
    if (scaled)
        rows_run(&(struct row_job){.row = scale_row, .pass = pass, .width = width, .a = add, .y = add}, n);
    return add;
}

/* y = norm(x + add); the sum is kept where a norm follows. */
static void add_to_stream(const struct pass *pass, size_t layer, enum role norm, const real *x,
                          const real *add, size_t n, real *sum, real *y)
{
    size_t width = pass->model->config.width;
    bool normed = pass_vector(pass, layer, norm);

    rows_run(
        &(struct row_job){
            .row = add_row, .pass = pass, .width = width, .a = x, .b = add, .y = normed ? sum : y},
        n);
    if (normed)
        forward_norm(pass, layer, norm, sum, n, y);
}

/* query_raw [Q] to what attention adds. */
static real *attend(const struct pass *pass, size_t layer, const struct batch *out,
                    const struct activations *a)
{
    size_t n = out->n;

    finish_heads(pass, layer, out, ROLE_QUERY_NORM, a->query_raw, pass->q_width, a->query);
    pass_tap(pass, SITE_QUERY, layer, a->query, out, 0, n, pass->q_width);
    attention_forward(pass, layer, out, a->query, pass->mix);
    pass_tap(pass, SITE_ATTENTION_MIX, layer, pass->mix, out, 0, n, pass->q_width);
    pass_matmul(pass, layer, ROLE_ATTENTION_OUT, pass->mix, n, a->attention);
    return make_add(pass, layer, ROLE_ATTENTION_POST_NORM, a->attention, n);
}

static void attention_half(const struct pass *pass, size_t layer, const struct batch *in,
                           const struct batch *out, const struct activations *a)
{
    size_t width = pass->model->config.width, n = out->n;
    const real *x = a->x;
    real *add;

    forward_norm(pass, layer, ROLE_ATTENTION_NORM, a->x, in->n, pass->normed);
    pass_tap(pass, SITE_ATTENTION_IN, layer, pass->normed, in, 0, in->n, width);
    make_keys(pass, layer, in, out == in, a);
    if (n == 0)
        return;
    if (out != in) {
        batch_pick(out, pass->normed, width, pass->normed);
        pass_matmul(pass, layer, ROLE_QUERY, pass->normed, n, a->query_raw);
        batch_pick(out, a->x, width, a->mid);
        x = a->mid;
    }
    add = attend(pass, layer, out, a);
    pass_tap(pass, SITE_ATTENTION_OUT, layer, add, out, 0, n, width);
    if (pass_is_parallel(pass))
        forward_norm(pass, layer, ROLE_MLP_NORM, x, n, pass->normed);
    add_to_stream(pass, layer, ROLE_MID_NORM, x, add, n, a->mid_sum, a->mid);
    pass_tap(pass, SITE_STATE_MID, layer, a->mid, out, 0, n, width);
    if (!pass_is_parallel(pass))
        forward_norm(pass, layer, ROLE_MLP_NORM, a->mid, n, pass->normed);
}

bool forward_ends_at_key(const struct pass *pass, size_t layer)
{
    return pass->options.keys_only && layer + 1 == pass->n_layers;
}

/* MLP of rows first .. first + n: hidden, key, raw value. */
static void mlp_rows(const struct pass *pass, size_t layer, const struct batch *batch,
                     const struct activations *a, size_t first, size_t n)
{
    const struct model_config *c = &pass->model->config;
    size_t kept = pass->keep ? first : 0; /* hidden and up of earlier rows are kept, or overwritten */
    const real *normed = pass->normed + first * c->width;
    real *hidden = a->hidden + kept * c->ff, *up = c->gated ? a->up + kept * c->ff : NULL;

    matmul_several(pass, layer, (const enum role[]){c->gated ? ROLE_GATE : ROLE_UP, ROLE_UP},
                   (real *const[]){hidden, up}, 2, normed, n);
    pass_tap(pass, SITE_MLP_HIDDEN, layer, hidden, batch, first, n, c->ff);
    forward_activate(pass, hidden, up, n, c->ff, pass->mlp_key);
    pass_tap(pass, SITE_MLP_KEY, layer, pass->mlp_key, batch, first, n, c->ff);
    if (!forward_ends_at_key(pass, layer))
        pass_matmul(pass, layer, ROLE_DOWN, pass->mlp_key, n, a->value + first * c->width);
}

void forward_keep_keys(const struct pass *pass, size_t layer, const struct batch *batch, const real *key,
                       size_t first, size_t n)
{
    size_t ff = pass->model->config.ff;

    if (batch != &pass->whole || !pass->options.resumable || layer != pass->options.resume_layer)
        return;
    for (size_t row = 0; row < pass->active.n; row++) {
        size_t from = pass->active.parent[row];

        if (from >= first && from - first < n)
            memcpy(pass->resume_key + row * ff, key + (from - first) * ff, ff * sizeof(real));
    }
}

/* From normed [Q], where the attention half left the MLP's input. */
static void mlp_half(const struct pass *pass, size_t layer, const struct batch *batch,
                     const struct activations *a)
{
    size_t width = pass->model->config.width;
    bool experts = pass_has_experts(pass, layer);

    pass_tap(pass, SITE_MLP_IN, layer, pass->normed, batch, 0, batch->n, width);
    for (size_t first = 0; first < batch->n; first += pass->mlp_rows) {
        size_t n = min_size(pass->mlp_rows, batch->n - first);

        (experts ? experts_forward : mlp_rows)(pass, layer, batch, a, first, n);
        if (!experts)
            forward_keep_keys(pass, layer, batch, pass->mlp_key, first, n);
    }
    if (!forward_ends_at_key(pass, layer))
        pass_tap(pass, SITE_MLP_VALUE, layer, a->value, batch, 0, batch->n, width);
}

void forward_finish(const struct pass *pass, size_t layer, const struct batch *batch, const real *mid,
                    real *value, real *sum, real *x)
{
    size_t width = pass->model->config.width;
    real *add = make_add(pass, layer, ROLE_MLP_POST_NORM, value, batch->n);

    pass_tap(pass, SITE_MLP_OUT, layer, add, batch, 0, batch->n, width);
    add_to_stream(pass, layer, ROLE_STATE_NORM, mid, add, batch->n, sum, x);
    pass_tap(pass, SITE_STATE, layer, x, batch, 0, batch->n, width);
}

void forward_to_value(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                      const struct activations *a)
{
    if (pass->model->config.scan.state) {
        scan_forward(pass, layer, in, out, a);
        return;
    }
    attention_half(pass, layer, in, out, a);
    if (out->n)
        mlp_half(pass, layer, out, a);
}

void forward_layer(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                   const struct activations *a, real *x)
{
    forward_to_value(pass, layer, in, out, a);
    if (out->n && !forward_ends_at_key(pass, layer))
        forward_finish(pass, layer, out, a->mid, a->value, a->sum, x);
}
