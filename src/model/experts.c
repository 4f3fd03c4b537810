/* The MLP of a layer with experts (Mixtral, Qwen's mixtures). For a row n' of its input:
 *
 *   p = softmax(n' Wr)                      over all experts; S: the best of them
 *   w_e = p_e, or p_e / sum of p over S     for e in S
 *   value = sum over S, by number, of w_e (act(n' Wg_e) * (n' Wu_e)) Wd_e
 *         + sigmoid(n' ws) (act(n' Wg) * (n' Wu)) Wd                            where an expert is shared
 *
 * Rows are grouped by expert, so that each product is one of matrices. Which groups there are follows from
 * the rows alone, and groups are added up by number: results do not depend on the number of threads.
 *
 * Backward, with dv the gradient of the value, and dkey_e = dv Wd_e:
 *
 *   dw_e = dkey_e . key_e      dn' += w_e ((dkey_e * u_e * act'(h_e)) Wg_e + (dkey_e * act(h_e)) Wu_e)
 *   dp_e = dw_e, or (dw_e - sum over S of w dw) / sum over S of p
 *   dn' += (p (dp - sum of p dp)) Wr
 *
 * Where the choice is equal S does not move, so that it has no gradient of its own. */
#include <math.h>
#include <string.h>

#include "forward.h"
#include "pass_state.h"

size_t experts_hidden(const struct expert_config *experts)
{
    return experts->used * experts->ff + experts->shared_ff;
}

/* ---- the choice ----
 *
 * Equal weights (a router with rows alike) are chosen as torch.topk does on a CPU, which takes the first
 * `used` of what libstdc++'s nth_element leaves (quickselect with the median of three), or, when they are few
 * (64 used <= n), its partial_sort (a heap). Any other order of equals would give other logits than the
 * reference. NaN counts as the greatest. */

struct candidate {
    real weight;
    uint32_t expert;
};

static bool above(struct candidate a, struct candidate b)
{
    return (isnan(a.weight) && !isnan(b.weight)) || a.weight > b.weight;
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate c = *a;

    *a = *b;
    *b = c;
}

/* The median of a[1], the middle and the last goes to a[0]. */
static void place_pivot(struct candidate *a, size_t n)
{
    struct candidate *x = a + 1, *y = a + n / 2, *z = a + n - 1;

    if (above(*x, *y))
        swap(a, above(*y, *z) ? y : above(*x, *z) ? z : x);
    else
        swap(a, above(*x, *z) ? x : above(*y, *z) ? z : y);
}

/* Behind a[0]: those not below it in front of those not above it; returns where the second begin. */
static size_t partition(struct candidate *a, size_t n)
{
    size_t low = 1, high = n;

    for (;; low++) {
        while (above(a[low], a[0]))
            low++;
        high--;
        while (above(a[0], a[high]))
            high--;
        if (low >= high)
            return low;
        swap(&a[low], &a[high]);
    }
}

static void sort_few(struct candidate *a, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && above(a[j], a[j - 1]); j--)
            swap(&a[j], &a[j - 1]);
}

/* nth_element */
static void select_best(struct candidate *a, size_t n, size_t used)
{
    size_t first = 0, end = n;

    while (end - first > 3) {
        size_t cut;

        place_pivot(a + first, end - first);
        cut = first + partition(a + first, end - first);
        if (cut <= used - 1)
            first = cut;
        else
            end = cut;
    }
    sort_few(a + first, end - first);
}

/* Puts x into a heap [n] whose place `hole` is free and whose children are heaps; the least lies on top. */
static void sift(struct candidate *a, size_t n, size_t hole, struct candidate x)
{
    size_t top = hole, child = hole;

    while (2 * child + 2 < n) {
        child = 2 * child + 2;
        child -= above(a[child], a[child - 1]);
        a[hole] = a[child];
        hole = child;
    }
    if (2 * child + 2 == n) {
        a[hole] = a[n - 1];
        hole = n - 1;
    }
    for (; hole > top && above(a[(hole - 1) / 2], x); hole = (hole - 1) / 2)
        a[hole] = a[(hole - 1) / 2];
    a[hole] = x;
}

/* partial_sort, but for the order of the best */
static void select_few(struct candidate *a, size_t n, size_t used)
{
    for (size_t i = used / 2; i-- > 0;)
        sift(a, used, i, a[i]);
    for (size_t i = used; i < n; i++)
        if (above(a[i], a[0])) {
            struct candidate x = a[i];

            a[i] = a[0];
            sift(a, used, 0, x);
        }
}

void experts_choose(const real *route, size_t n, size_t used, uint32_t *chosen)
{
    struct candidate all[CONFIG_MAX_EXPERTS];

    for (size_t i = 0; i < n; i++)
        all[i] = (struct candidate){route[i], (uint32_t)i};
    (used * 64 <= n ? select_few : select_best)(all, n, used);
    for (size_t i = 0; i < used; i++)
        chosen[i] = all[i].expert;
}

/* ---- rows ---- */

/* A job on rows of a piece, or of those that one expert has. */
struct expert_job {
    struct row_job job;
    const struct expert_rows *rows;
    const uint32_t *row; /* in the piece; NULL: the row itself */
    const real *weight;
    real *d_weight; /* that of row r lies at r * d_step */
    size_t d_step;
};

static const struct expert_job *expert_job_of(const struct row_job *job)
{
    return (const struct expert_job *)(const void *)job;
}

static size_t piece_row(const struct expert_job *e, size_t row)
{
    return e->row ? e->row[row] : row;
}

/* a: the router's products [n, experts], which become weights. */
static void softmax_row(const struct row_job *job, size_t row)
{
    ops_softmax(job->y + row * job->width, job->width);
}

static void choose_row(const struct row_job *job, size_t row)
{
    const struct expert_job *e = expert_job_of(job);
    const struct expert_config *c = &job->pass->model->config.experts;
    const real *route = job->a + row * c->n;
    uint32_t *chosen = e->rows->chosen + row * c->used;
    real *weight = e->rows->weight + row * c->used;
    double sum = 0;

    experts_choose(route, c->n, c->used, chosen);
    for (size_t i = 0; i < c->used; i++)
        sum += (double)route[chosen[i]];
    for (size_t i = 0; i < c->used; i++)
        weight[i] = c->normalised ? (real)((double)route[chosen[i]] / sum) : route[chosen[i]];
}

/* Rows of the piece side by side. */
static void gather_row(const struct row_job *job, size_t row)
{
    memcpy(job->y + row * job->width, job->a + expert_job_of(job)->row[row] * job->width,
           job->width * sizeof(real));
}

/* y of the piece += weight x a, without weights 1. */
static void scatter_row(const struct row_job *job, size_t row)
{
    const struct expert_job *e = expert_job_of(job);
    const real *x = job->a + row * job->width;
    real *y = job->y + piece_row(e, row) * job->width, weight = e->weight ? e->weight[row] : 1;

    for (size_t i = 0; i < job->width; i++)
        y[i] += weight * x[i];
}

/* ---- groups ---- */

/* From the weights of a piece to who is chosen, and the rows of each expert in order. */
static void group_rows(const struct pass *pass, const real *route, size_t n)
{
    const struct expert_config *c = &pass->model->config.experts;
    const struct expert_rows *e = &pass->experts;
    struct expert_job job = {.job = {.row = choose_row, .pass = pass, .a = route}, .rows = e};
    size_t pairs = n * c->used;

    rows_run(&job.job, n);
    memset(e->first, 0, (c->n + 1) * sizeof *e->first);
    for (size_t i = 0; i < pairs; i++)
        e->first[e->chosen[i]]++;
    for (size_t i = 0, sum = 0; i <= c->n; i++) {
        sum += e->first[i];
        e->first[i] = sum;
    }
    for (size_t i = pairs; i-- > 0;) {
        size_t at = --e->first[e->chosen[i]];

        e->row[at] = (uint32_t)(i / c->used);
        e->row_weight[at] = e->weight[i];
    }
}

static const struct weight *expert_weight(const struct pass *pass, size_t layer, enum role role,
                                          size_t expert)
{
    return &pass->model->list[layer][role].items[expert];
}

/* Where the hidden side of a piece begins among what is kept, or in scratch. */
static size_t piece_at(const struct pass *pass, size_t first)
{
    return pass->keep ? first * experts_hidden(&pass->model->config.experts) : 0;
}

/* ---- forward ---- */

static void expert_taps(const struct pass *pass, enum site site, size_t layer, const struct batch *batch,
                        size_t first, size_t expert, real *data)
{
    const struct expert_rows *e = &pass->experts;
    struct batch rows = e->batch;
    size_t n = e->first[expert + 1] - e->first[expert];

    if (!pass_is_tapped(pass, site, layer))
        return;
    for (size_t i = 0; i < n; i++) {
        size_t row = first + e->row[e->first[expert] + i];

        rows.sequence[i] = batch->sequence[row];
        rows.position[i] = batch->position[row];
    }
    rows.n = n;
    rows.expert = expert;
    pass_tap(pass, site, layer, data, &rows, 0, n, pass->model->config.experts.ff);
}

/* The rows of one expert, from normed [n, width] of the piece to value. */
static void expert_forward(const struct pass *pass, size_t layer, const struct batch *batch,
                           const struct activations *a, size_t first, size_t expert)
{
    const struct model_config *c = &pass->model->config;
    const struct expert_rows *e = &pass->experts;
    size_t from = e->first[expert], m = e->first[expert + 1] - from, width = c->width;
    size_t at = piece_at(pass, first) + (pass->keep ? from * c->experts.ff : 0);
    real *hidden = a->hidden + at, *up = a->up + at;
    struct expert_job job = {.job = {.row = gather_row,
                                     .pass = pass,
                                     .width = width,
                                     .a = pass->normed + first * width,
                                     .y = e->in},
                             .row = e->row + from};

    rows_run(&job.job, m);
    weight_matmul(pass->context, expert_weight(pass, layer, ROLE_GATE, expert), NULL, e->in, m, hidden);
    expert_taps(pass, SITE_MLP_HIDDEN, layer, batch, first, expert, hidden);
    weight_matmul(pass->context, expert_weight(pass, layer, ROLE_UP, expert), NULL, e->in, m, up);
    forward_activate(pass, hidden, up, m, c->experts.ff, pass->mlp_key);
    expert_taps(pass, SITE_MLP_KEY, layer, batch, first, expert, pass->mlp_key);
    if (forward_ends_at_key(pass, layer))
        return;
    weight_matmul(pass->context, expert_weight(pass, layer, ROLE_DOWN, expert), NULL, pass->mlp_key, m,
                  e->out);
    job.job.row = scatter_row;
    job.job.a = e->out;
    job.job.y = a->value + first * width;
    job.weight = e->row_weight + from;
    rows_run(&job.job, m);
}

static void shared_forward(const struct pass *pass, size_t layer, const struct activations *a, size_t first,
                           size_t n)
{
    const struct model_config *c = &pass->model->config;
    size_t at = piece_at(pass, first) + (pass->keep ? n * c->experts.used * c->experts.ff : 0);
    const real *normed = pass->normed + first * c->width;
    real *hidden = a->hidden + at, *up = a->up + at, *open = a->open + (pass->keep ? first : 0);
    struct expert_job job = {.job = {.row = scatter_row,
                                     .pass = pass,
                                     .width = c->width,
                                     .a = pass->experts.out,
                                     .y = a->value + first * c->width},
                             .weight = open};

    pass_matmul(pass, layer, ROLE_SHARED_ROUTER, normed, n, open);
    for (size_t i = 0; i < n; i++)
        open[i] = (real)(1 / (1 + exp(-(double)open[i])));
    pass_matmul(pass, layer, ROLE_SHARED_GATE, normed, n, hidden);
    pass_matmul(pass, layer, ROLE_SHARED_UP, normed, n, up);
    forward_activate(pass, hidden, up, n, c->experts.shared_ff, pass->mlp_key);
    pass_matmul(pass, layer, ROLE_SHARED_DOWN, pass->mlp_key, n, pass->experts.out);
    rows_run(&job.job, n);
}

void experts_forward(const struct pass *pass, size_t layer, const struct batch *batch,
                     const struct activations *a, size_t first, size_t n)
{
    const struct model_config *c = &pass->model->config;
    const struct expert_rows *e = &pass->experts;
    real *route = a->route + (pass->keep ? first * c->experts.n : 0);

    pass_matmul(pass, layer, ROLE_ROUTER, pass->normed + first * c->width, n, route);
    rows_run(&(struct row_job){.row = softmax_row, .width = c->experts.n, .pass = pass, .y = route}, n);
    pass_tap(pass, SITE_ROUTER, layer, route, batch, first, n, c->experts.n);
    group_rows(pass, route, n);
    memset(a->value + first * c->width, 0, n * c->width * sizeof *a->value);
    for (size_t expert = 0; expert < c->experts.n; expert++)
        if (e->first[expert] < e->first[expert + 1])
            expert_forward(pass, layer, batch, a, first, expert);
    if (c->experts.shared_ff && !forward_ends_at_key(pass, layer))
        shared_forward(pass, layer, a, first, n);
}

/* ---- backward ---- */

/* z: d key in, d hidden out; y: d up; both times the row's weight, whose own gradient is d key . key. */
static void key_backward_row(const struct row_job *job, size_t row)
{
    const struct expert_job *e = expert_job_of(job);
    enum activation kind = job->pass->model->config.activation;
    size_t width = job->width;
    const real *hidden = job->a + row * width, *up = job->b + row * width;
    real *d_key = job->z + row * width, *d_up = job->y + row * width, weight = e->weight[row];
    double sum = 0;

    ops_activation(kind, hidden, width, d_up);
    for (size_t i = 0; i < width; i++) {
        sum += (double)d_key[i] * (double)d_up[i] * (double)up[i];
        d_up[i] *= weight * d_key[i];
        d_key[i] *= weight * up[i];
    }
    ops_activation_backward(kind, hidden, d_key, width, d_key);
    e->d_weight[piece_row(e, row) * e->d_step] = (real)sum;
}

static bool expert_backward(struct pass *pass, size_t layer, const struct activations *a, size_t first,
                            size_t expert, const real *d_value, real *d_in, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    const struct expert_rows *e = &pass->experts;
    struct gradients *g = &pass->gradient;
    size_t from = e->first[expert], m = e->first[expert + 1] - from, ff = c->experts.ff;
    size_t at = piece_at(pass, first) + from * ff;
    struct expert_job rows = {
        .job = {.row = gather_row, .pass = pass, .width = c->width, .a = d_value, .y = e->in},
        .row = e->row + from};
    struct expert_job keys = {.job = {.row = key_backward_row,
                                      .pass = pass,
                                      .width = ff,
                                      .a = a->hidden + at,
                                      .b = a->up + at,
                                      .y = g->up,
                                      .z = g->mlp_key},
                              .row = e->row + from,
                              .weight = e->row_weight + from,
                              .d_weight = g->route + expert,
                              .d_step = c->experts.n};

    rows_run(&rows.job, m);
    if (!weight_matmul_transposed(pass->context, expert_weight(pass, layer, ROLE_DOWN, expert), e->in, m,
                                  false, g->mlp_key, err))
        return false;
    rows_run(&keys.job, m);
    if (!weight_matmul_transposed(pass->context, expert_weight(pass, layer, ROLE_GATE, expert), g->mlp_key, m,
                                  false, e->out, err) ||
        !weight_matmul_transposed(pass->context, expert_weight(pass, layer, ROLE_UP, expert), g->up, m, true,
                                  e->out, err))
        return false;
    rows.job.row = scatter_row;
    rows.job.a = e->out;
    rows.job.y = d_in;
    rows_run(&rows.job, m);
    return true;
}

static bool shared_backward(struct pass *pass, size_t layer, const struct activations *a, size_t first,
                            size_t n, const real *d_value, real *d_in, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    struct gradients *g = &pass->gradient;
    size_t at = piece_at(pass, first) + n * c->experts.used * c->experts.ff;
    const real *open = a->open + first;
    struct expert_job keys = {.job = {.row = key_backward_row,
                                      .pass = pass,
                                      .width = c->experts.shared_ff,
                                      .a = a->hidden + at,
                                      .b = a->up + at,
                                      .y = g->up,
                                      .z = g->mlp_key},
                              .weight = open,
                              .d_weight = g->open,
                              .d_step = 1};

    if (!weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SHARED_DOWN), d_value, n,
                                  false, g->mlp_key, err))
        return false;
    rows_run(&keys.job, n);
    for (size_t i = 0; i < n; i++)
        g->open[i] *= open[i] * (1 - open[i]);
    return weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SHARED_GATE), g->mlp_key, n,
                                    true, d_in, err) &&
           weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SHARED_UP), g->up, n, true,
                                    d_in, err) &&
           weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SHARED_ROUTER), g->open, n,
                                    true, d_in, err);
}

/* a: the router's weights; y: d of those in use, 0 of the others, which becomes d of the router's products.
 */
static void route_backward_row(const struct row_job *job, size_t row)
{
    const struct expert_job *e = expert_job_of(job);
    const struct expert_config *c = &job->pass->model->config.experts;
    const real *route = job->a + row * c->n, *weight = e->rows->weight + row * c->used;
    const uint32_t *chosen = e->rows->chosen + row * c->used;
    real *d = job->y + row * c->n;
    double sum = 0, along = 0, all = 0;

    for (size_t i = 0; i < c->used; i++) {
        sum += (double)route[chosen[i]];
        along += (double)weight[i] * (double)d[chosen[i]];
    }
    for (size_t i = 0; c->normalised && i < c->used; i++)
        d[chosen[i]] = (real)(((double)d[chosen[i]] - along) / sum);
    for (size_t i = 0; i < c->n; i++)
        all += (double)route[i] * (double)d[i];
    for (size_t i = 0; i < c->n; i++)
        d[i] = (real)((double)route[i] * ((double)d[i] - all));
}

bool experts_backward(struct pass *pass, size_t layer, const struct activations *a, size_t first, size_t n,
                      const real *d_value, real *d_in, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    const struct expert_rows *e = &pass->experts;
    struct gradients *g = &pass->gradient;
    const real *route = a->route + first * c->experts.n;
    struct expert_job job = {.job = {.row = route_backward_row, .pass = pass, .a = route, .y = g->route},
                             .rows = e};

    group_rows(pass, route, n);
    memset(d_in, 0, n * c->width * sizeof *d_in);
    memset(g->route, 0, n * c->experts.n * sizeof *g->route);
    for (size_t expert = 0; expert < c->experts.n; expert++)
        if (e->first[expert] < e->first[expert + 1] &&
            !expert_backward(pass, layer, a, first, expert, d_value, d_in, err))
            return false;
    rows_run(&job.job, n);
    return weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_ROUTER), g->route, n, true,
                                    d_in, err) &&
           (!c->experts.shared_ff || shared_backward(pass, layer, a, first, n, d_value, d_in, err));
}
