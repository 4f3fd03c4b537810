/* Attention over cached keys and values, one task per block of queries and head:
 *
 *   S = scale Q K^T     [queries, keys], keys of positions p - window < k <= p, or all (encoders)
 *   S = cap tanh(S / cap), S += what ALiBi gives key k       where a model has it
 *   P = softmax(S)      by rows
 *   O = P V
 *
 * Backward, dO given:  dP = dO V^T,  dS = P (dP - rowsum(dP P)) scale (1 - (S / cap)^2),  dQ = dS K,
 * dK += dS^T Q,  dV += P^T dO. P is computed again rather than kept. Only a tapped layer holds queries x keys
 * for more than one block. */
#include <cblas.h>
#include <string.h>

#include "blas.h"
#include "kernels.h"
#include "pass_state.h"

enum {
    SMALL_BLOCK = 16,        /* at most so many queries go to our own loops instead of BLAS */
    TOKEN_NUMBERS = 64 << 10 /* keys of one query that are worth a task: 256 KiB */
};

struct attention_job {
    const struct pass *pass;
    const struct batch *queries;
    size_t layer, window, group; /* group: query heads that share a key/value head */
    size_t q_stride, kv_stride, head_dim;
    real scale, cap;
    const real *alibi; /* [heads, alibi_stride], or NULL */
    size_t alibi_stride;
    const real *query, *keys, *values;
    real *mix;
    /* tapped */
    size_t sequence, n_queries, n_keys;
    real *pattern;
    /* backward */
    const struct batch *key_rows;
    const real *d_mix;
    real *d_query, *d_key, *d_value;
};

struct block { /* rows first .. end of one sequence, keys low .. high */
    size_t first, end, low, high;
    const real *keys, *values; /* of position low, head 0 */
};

size_t pass_keys(const struct pass *pass, size_t sequence, size_t position)
{
    return pass->model->config.encoder ? pass->length[sequence] : position + 1;
}

size_t attention_table(void)
{
    return POOL_SCRATCH / 2 / sizeof(real);
}

static void multiply(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, size_t m, size_t n, size_t k,
                     const real *a, size_t a_stride, const real *b, size_t b_stride, real beta, real *c,
                     size_t c_stride)
{
#ifdef LANCET_REAL_DOUBLE
    cblas_dgemm(
#else
    cblas_sgemm(
#endif
        CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)k, 1, a, (blasint)a_stride, b,
        (blasint)b_stride, beta, c, (blasint)c_stride);
}

/* c [m, n] = a [m, k] b [n, k]^T */
static void rows_by_rows(size_t m, size_t n, size_t k, const real *a, size_t a_stride, const real *b,
                         size_t b_stride, real *c, size_t c_stride)
{
    if (m > SMALL_BLOCK) {
        multiply(CblasNoTrans, CblasTrans, m, n, k, a, a_stride, b, b_stride, 0, c, c_stride);
        return;
    }
    for (size_t i = 0; i < m; i++)
        memset(c + i * c_stride, 0, n * sizeof *c);
    kernels_best()->dot[KERNEL_REAL]((const uint8_t *)b, b_stride * sizeof *b, n, k, a, a_stride, m, c,
                                     c_stride);
}

/* c [m, n] = a [m, k] b [k, n] */
static void rows_by_columns(size_t m, size_t n, size_t k, const real *a, size_t a_stride, const real *b,
                            size_t b_stride, real *c, size_t c_stride)
{
    if (m > SMALL_BLOCK) {
        multiply(CblasNoTrans, CblasNoTrans, m, n, k, a, a_stride, b, b_stride, 0, c, c_stride);
        return;
    }
    for (size_t i = 0; i < m; i++)
        memset(c + i * c_stride, 0, n * sizeof *c);
    kernels_best()->axpy[KERNEL_REAL]((const uint8_t *)b, b_stride * sizeof *b, k, n, a, a_stride, m, c,
                                      c_stride);
}

static struct attention_job job_of(const struct pass *pass, size_t layer, const struct batch *queries,
                                   const real *query)
{
    const struct model_config *c = &pass->model->config;

    return (struct attention_job){
        .pass = pass,
        .queries = queries,
        .layer = layer,
        .window = c->window[layer],
        .group = c->n_heads / c->n_kv_heads,
        .q_stride = pass->q_width,
        .kv_stride = pass->kv_width,
        .head_dim = c->head_dim,
        .scale = (real)(c->scale_by_layer ? c->attention_scale / (double)(layer + 1) : c->attention_scale),
        .cap = (real)c->attention_cap,
        .alibi = pass->alibi,
        .alibi_stride = pass->longest,
        .query = query,
        .keys = pass_region(pass, pass->keys, layer),
        .values = pass_region(pass, pass->values, layer),
    };
}

/* The first key that a query at this position sees. */
static size_t first_key(const struct attention_job *job, size_t position)
{
    return job->window && position + 1 > job->window ? position + 1 - job->window : 0;
}

static struct block block_of(const struct attention_job *job, size_t first, size_t end)
{
    struct block b = {.first = first, .end = end};
    size_t base = job->pass->offset[job->queries->sequence[first]];

    b.low = first_key(job, job->queries->position[first]);
    b.high = pass_keys(job->pass, job->queries->sequence[first], job->queries->position[end - 1]);
    b.keys = job->keys + (base + b.low) * job->kv_stride;
    b.values = job->values + (base + b.low) * job->kv_stride;
    return b;
}

/* What follows a scaled score of n keys from position `first` on. */
static void finish_scores(const struct attention_job *job, size_t head, size_t first, size_t n, real *row)
{
    if (job->cap != 0)
        ops_cap(row, n, (double)job->cap);
    if (job->alibi)
        for (size_t i = 0; i < n; i++)
            row[i] += job->alibi[head * job->alibi_stride + first + i];
}

/* Scores [rows, keys] of a head; entries that the mask hides get `hidden`. */
static void scores(const struct attention_job *job, const struct block *b, size_t head, real *table,
                   size_t stride, real hidden)
{
    size_t n_keys = b->high - b->low;

    rows_by_rows(b->end - b->first, n_keys, job->head_dim,
                 job->query + b->first * job->q_stride + head * job->head_dim, job->q_stride,
                 b->keys + head / job->group * job->head_dim, job->kv_stride, table, stride);
    for (size_t row = b->first; row < b->end; row++, table += stride) {
        size_t position = job->queries->position[row], from = first_key(job, position) - b->low,
               to = pass_keys(job->pass, job->queries->sequence[row], position) - b->low;

        for (size_t i = 0; i < from; i++)
            table[i] = hidden;
        for (size_t i = from; i < to; i++)
            table[i] *= job->scale;
        finish_scores(job, head, b->low + from, to - from, table + from);
        for (size_t i = to; i < n_keys; i++)
            table[i] = hidden;
    }
}

/* The same after softmax; hidden entries are 0. */
static void pattern(const struct attention_job *job, const struct block *b, size_t head, real *table)
{
    size_t n_keys = b->high - b->low;

    scores(job, b, head, table, n_keys, 0);
    for (size_t row = b->first; row < b->end; row++, table += n_keys) {
        size_t position = job->queries->position[row], from = first_key(job, position) - b->low;

        ops_softmax(table + from,
                    pass_keys(job->pass, job->queries->sequence[row], position) - b->low - from);
    }
}

static void mix_values(const struct attention_job *job, const struct block *b, size_t head, const real *table,
                       size_t stride)
{
    rows_by_columns(b->end - b->first, job->head_dim, b->high - b->low, table, stride,
                    b->values + head / job->group * job->head_dim, job->kv_stride,
                    job->mix + b->first * job->q_stride + head * job->head_dim, job->q_stride);
}

static void block_task(void *user, size_t task, unsigned worker)
{
    const struct attention_job *job = user;
    size_t n_heads = job->pass->model->config.n_heads, head = task % n_heads;
    const size_t *rows = job->queries->block + task / n_heads;
    struct block b = block_of(job, rows[0], rows[1]);
    real *table = pool_scratch(job->pass->context->pool, worker);

    blas_single_thread();
    pattern(job, &b, head, table);
    mix_values(job, &b, head, table, b.high - b.low);
}

/* One query: the heads that share keys are the rows of a product, so keys and values are read once. */
static void token_task(void *user, size_t task, unsigned worker)
{
    const struct attention_job *job = user;
    size_t n_kv = job->pass->model->config.n_kv_heads, kv = task % n_kv, row = task / n_kv, d = job->head_dim;
    struct block b = block_of(job, row, row + 1);
    size_t n_keys = b.high - b.low, at = row * job->q_stride + kv * job->group * d;
    real *table = pool_scratch(job->pass->context->pool, worker);

    blas_single_thread();
    rows_by_rows(job->group, n_keys, d, job->query + at, d, b.keys + kv * d, job->kv_stride, table, n_keys);
    for (size_t head = 0; head < job->group; head++) {
        real *of_head = table + head * n_keys;

        for (size_t i = 0; i < n_keys; i++)
            of_head[i] *= job->scale;
        finish_scores(job, kv * job->group + head, b.low, n_keys, of_head);
        ops_softmax(of_head, n_keys);
    }
    rows_by_columns(job->group, d, n_keys, table, n_keys, b.values + kv * d, job->kv_stride, job->mix + at,
                    d);
}

/* Whether each query of the batch stands alone, with so few keys that its heads need not be shared out. */
static bool is_of_tokens(const struct attention_job *job)
{
    const struct batch *queries = job->queries;
    bool alone = queries->n_blocks == queries->n;

    for (size_t row = 0; alone && row < queries->n; row++) {
        struct block b = block_of(job, row, row + 1);

        if ((b.high - b.low) * job->head_dim > TOKEN_NUMBERS ||
            (b.high - b.low) * job->group > attention_table())
            alone = false;
    }
    return alone;
}

/* ---- tapped: the whole table of a sequence ---- */

static void scores_task(void *user, size_t head, unsigned worker)
{
    const struct attention_job *job = user;
    size_t first = job->queries->first[job->sequence];
    struct block b = block_of(job, first, first + job->n_queries);
    real *table = job->pattern + head * job->n_queries * job->n_keys;

    (void)worker;
    blas_single_thread();
    scores(job, &b, head, table + b.low, job->n_keys, (real)-INFINITY);
    for (size_t i = 0; i < job->n_queries; i++)
        for (size_t k = 0; k < b.low; k++)
            table[i * job->n_keys + k] = (real)-INFINITY;
}

static void softmax_task(void *user, size_t row, unsigned worker)
{
    const struct attention_job *job = user;

    (void)worker;
    ops_softmax(job->pattern + row * job->n_keys, job->n_keys);
}

/* A tap may have written anywhere, so every key counts. */
static void mix_task(void *user, size_t head, unsigned worker)
{
    const struct attention_job *job = user;
    size_t first = job->queries->first[job->sequence];
    struct block b = {.first = first, .end = first + job->n_queries, .high = job->n_keys};

    (void)worker;
    blas_single_thread();
    b.values = job->values + job->pass->offset[job->sequence] * job->kv_stride;
    mix_values(job, &b, head, job->pattern + head * job->n_queries * job->n_keys, job->n_keys);
}

static void tap_tables(const struct attention_job *job, enum site site)
{
    const struct tap_view view = {
        .layer = job->layer,
        .data = job->pattern,
        .sequence = job->sequence,
        .n_heads = job->pass->model->config.n_heads,
        .n_queries = job->n_queries,
        .n_keys = job->n_keys,
    };

    for (size_t i = 0; i < job->pass->options.n_taps; i++) {
        const struct tap *tap = &job->pass->options.taps[i];

        if (tap->site == site && tap->first_layer <= job->layer && job->layer <= tap->last_layer)
            tap->call(tap->user, &view);
    }
}

static void forward_tapped(struct attention_job *job)
{
    const struct pass *pass = job->pass;
    struct pool *pool = pass->context->pool;
    size_t n_heads = pass->model->config.n_heads;

    job->pattern = pass->pattern;
    for (size_t s = 0; s < pass->n_sequences; s++) {
        size_t first = job->queries->first[s], end = job->queries->first[s + 1];

        if (first == end)
            continue;
        job->sequence = s;
        job->n_queries = end - first;
        job->n_keys = pass_keys(pass, s, job->queries->position[end - 1]);
        pool_run(pool, n_heads, scores_task, job);
        tap_tables(job, SITE_ATTENTION_SCORES);
        pool_run(pool, n_heads * job->n_queries, softmax_task, job);
        tap_tables(job, SITE_ATTENTION_PATTERN);
        pool_run(pool, n_heads, mix_task, job);
    }
}

void attention_forward(const struct pass *pass, size_t layer, const struct batch *batch, const real *query,
                       real *mix)
{
    struct attention_job job = job_of(pass, layer, batch, query);

    job.mix = mix;
    if (pass_is_tapped(pass, SITE_ATTENTION_SCORES, layer) ||
        pass_is_tapped(pass, SITE_ATTENTION_PATTERN, layer))
        forward_tapped(&job);
    else if (is_of_tokens(&job))
        pool_run(pass->context->pool, batch->n * pass->model->config.n_kv_heads, token_task, &job);
    else
        pool_run(pass->context->pool, batch->n_blocks * pass->model->config.n_heads, block_task, &job);
}

/* ---- backward ---- */

/* table_d: d pattern in, d scores out. */
static void softmax_backward(const struct attention_job *job, const struct block *b, const real *table,
                             real *table_d)
{
    size_t n_keys = b->high - b->low;

    for (size_t row = b->first; row < b->end; row++, table += n_keys, table_d += n_keys) {
        double sum = 0;

        for (size_t i = 0; i < n_keys; i++)
            sum += (double)table[i] * (double)table_d[i];
        for (size_t i = 0; i < n_keys; i++)
            table_d[i] = (real)((double)table[i] * ((double)table_d[i] - sum)) * job->scale;
    }
}

/* Scores that a cap has bent pass on less: table holds them, of the block, from here on. */
static void cap_backward(const struct attention_job *job, const struct block *b, size_t head, real *table,
                         real *table_d)
{
    size_t n = (b->end - b->first) * (b->high - b->low);

    scores(job, b, head, table, b->high - b->low, 0);
    for (size_t i = 0; i < n; i++)
        table_d[i] *= 1 - table[i] / job->cap * (table[i] / job->cap);
}

/* What the queries of a block send to one head: d query, and its part of d key and d value of the active
 * rows. */
static void block_backward(const struct attention_job *job, const struct block *b, size_t head, real *table,
                           real *table_d)
{
    size_t s = job->queries->sequence[b->first], m = b->end - b->first, n_keys = b->high - b->low,
           d = job->head_dim;
    size_t kv_at = head / job->group * d, q_at = b->first * job->q_stride + head * d;
    size_t key_row = job->key_rows->first[s], active = job->key_rows->position[key_row], column, n;

    pattern(job, b, head, table);
    rows_by_rows(m, n_keys, d, job->d_mix + q_at, job->q_stride, b->values + kv_at, job->kv_stride, table_d,
                 n_keys);
    softmax_backward(job, b, table, table_d);
    if (active < b->low) { /* the window has left the first active keys behind */
        key_row += b->low - active;
        active = b->low;
    }
    column = active - b->low;
    n = n_keys - column;
    multiply(CblasTrans, CblasNoTrans, n, d, m, table + column, n_keys, job->d_mix + q_at, job->q_stride, 1,
             job->d_value + key_row * job->kv_stride + kv_at, job->kv_stride);
    if (job->cap != 0)
        cap_backward(job, b, head, table, table_d);
    rows_by_columns(m, d, n_keys, table_d, n_keys, b->keys + kv_at, job->kv_stride, job->d_query + q_at,
                    job->q_stride);
    multiply(CblasTrans, CblasNoTrans, n, d, m, table_d + column, n_keys, job->query + q_at, job->q_stride, 1,
             job->d_key + key_row * job->kv_stride + kv_at, job->kv_stride);
}

/* One sequence and key/value head: nobody else adds to its d key and d value. */
static void backward_task(void *user, size_t task, unsigned worker)
{
    const struct attention_job *job = user;
    const struct batch *queries = job->queries, *key_rows = job->key_rows;
    size_t n_kv = job->pass->model->config.n_kv_heads, s = task / n_kv, kv = task % n_kv;
    real *table = pool_scratch(job->pass->context->pool, worker), *table_d = table + attention_table();

    blas_single_thread();
    for (size_t row = key_rows->first[s]; row < key_rows->first[s + 1]; row++) {
        size_t at = row * job->kv_stride + kv * job->head_dim;

        memset(job->d_key + at, 0, job->head_dim * sizeof(real));
        memset(job->d_value + at, 0, job->head_dim * sizeof(real));
    }
    for (size_t i = 0; i < queries->n_blocks; i++) {
        struct block b;

        if (queries->sequence[queries->block[i]] != s)
            continue;
        b = block_of(job, queries->block[i], queries->block[i + 1]);
        for (size_t head = kv * job->group; head < (kv + 1) * job->group; head++)
            block_backward(job, &b, head, table, table_d);
    }
}

void attention_backward(const struct pass *pass, size_t layer, const struct batch *queries,
                        const struct batch *keys, const real *query, const real *d_mix, real *d_query,
                        real *d_key, real *d_value)
{
    struct attention_job job = job_of(pass, layer, queries, query);

    job.key_rows = keys;
    job.d_mix = d_mix;
    job.d_query = d_query;
    job.d_key = d_key;
    job.d_value = d_value;
    pool_run(pass->context->pool, pass->n_sequences * pass->model->config.n_kv_heads, backward_task, &job);
}
