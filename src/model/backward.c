/* Gradients with respect to activations only: every weight is a constant. With g the gradient of a layer's
 * output x'', over the rows that ran again (forward.c has the equations):
 *
 *   g' = state'(g)
 *   dn' = dhidden Wg + dup Wu,   dkey = dvalue Wd,   dvalue = post'(r g')
 *   dmid = g' + norm'(dn'), of a parallel layer g';   g'' = mid'(dmid)
 *   dx = g'' + norm'(dn), of a parallel layer + norm'(dn')
 *   dn = dq Wq + dk Wk + dv Wv,   (dq, dk, dv) = attention'(post'(r g'') Wo)
 *
 * dk and dv are those of rows that ran again: earlier positions are constants. In the last layer the rows
 * that leave (places) are a part of those that enter. */
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "memory.h"
#include "pass_state.h"

void pass_norm_backward(const struct model_config *config, const real *x, const real *w, const real *dy,
                        size_t n, real *dx)
{
    if (config->norm == NORM_LAYER)
        ops_layer_norm_backward(x, w, config->norm_eps, dy, n, dx);
    else
        ops_rms_norm_backward(x, w, config->norm == NORM_RMS_PLUS_ONE, config->norm_eps, dy, n, dx);
}

/* Row r of dy belongs to row r of x and dx, or with a batch to the row that its r-th is a part of. */
static void norm_backward_row(const struct row_job *job, size_t row)
{
    const real *w = pass_vector(job->pass, job->layer, job->weight), *dy = job->b + row * job->width;
    size_t at = (job->batch ? job->batch->parent[row] : row) * job->width;

    if (w)
        pass_norm_backward(&job->pass->model->config, job->a + at, w, dy, job->width, job->y + at);
    for (size_t i = 0; !w && i < job->width; i++)
        job->y[at + i] += dy[i];
}

/* dx += gradient of a norm at x, given dy [n, width]; of none, dy itself. */
static void norm_backward(const struct pass *pass, size_t layer, enum role weight, const struct batch *part,
                          const real *x, const real *dy, size_t n, real *dx)
{
    rows_run(&(struct row_job){.row = norm_backward_row,
                               .pass = pass,
                               .batch = part,
                               .layer = layer,
                               .width = pass->model->config.width,
                               .weight = weight,
                               .a = x,
                               .b = dy,
                               .y = dx},
             n);
}

/* g->x through a norm of the stream, where there is one. */
static void stream_backward(struct pass *pass, size_t layer, enum role role, const real *sum, size_t n)
{
    size_t size = n * pass->model->config.width * sizeof(real);
    struct gradients *g = &pass->gradient;

    if (!pass_vector(pass, layer, role))
        return;
    memcpy(g->branch, g->x, size);
    memset(g->x, 0, size);
    norm_backward(pass, layer, role, NULL, sum, g->branch, n, g->x);
}

static void scale_gradient_row(const struct row_job *job, size_t row)
{
    real scale = (real)job->pass->model->config.residual_scale, *y = job->y + row * job->width;

    for (size_t i = 0; i < job->width; i++)
        y[i] = scale * job->a[row * job->width + i];
}

/* From the gradient of what was added to the stream to that of the branch's raw output: through the factor
 * and the norm after it. It lies in the returned rows. */
static const real *add_backward(struct pass *pass, size_t layer, enum role post, const real *raw, size_t n)
{
    size_t width = pass->model->config.width;
    struct gradients *g = &pass->gradient;
    const real *dy = g->x;

    if (pass->model->config.residual_scale != 1) {
        dy = pass_vector(pass, layer, post) ? g->normed : g->branch;
        rows_run(&(struct row_job){.row = scale_gradient_row,
                                   .pass = pass,
                                   .width = width,
                                   .a = g->x,
                                   .y = pass_vector(pass, layer, post) ? g->normed : g->branch},
                 n);
    }
    if (!pass_vector(pass, layer, post))
        return dy;
    memset(g->branch, 0, n * width * sizeof *g->branch);
    norm_backward(pass, layer, post, NULL, raw, dy, n, g->branch);
    return g->branch;
}

/* z: d key in, d hidden out; y: d up. */
static void activate_backward_row(const struct row_job *job, size_t row)
{
    enum activation kind = job->pass->model->config.activation;
    const real *hidden = job->a + row * job->width, *up = job->b ? job->b + row * job->width : NULL;
    real *d_key = job->z + row * job->width, *d_up = up ? job->y + row * job->width : NULL;

    if (up) {
        ops_activation(kind, hidden, job->width, d_up);
        for (size_t i = 0; i < job->width; i++) {
            d_up[i] *= d_key[i];
            d_key[i] *= up[i];
        }
    }
    ops_activation_backward(kind, hidden, d_key, job->width, d_key);
}

/* Norms of a row of queries or keys: y is the gradient of their output, and becomes that of x. */
static void head_norms_backward(const struct row_job *job, const real *x, const real *w, real *room, real *y)
{
    const struct model_config *c = &job->pass->model->config;
    size_t piece = c->qk_norm == QK_NORM_ROW ? job->width : c->head_dim,
           step = c->qk_norm == QK_NORM_HEADS ? piece : 0;

    memcpy(room, y, job->width * sizeof *room);
    memset(y, 0, job->width * sizeof *y);
    for (size_t at = 0, i = 0; at < job->width; at += piece, i += step)
        pass_norm_backward(c, x + at, w + i, room + at, piece, y + at);
}

/* Rope and norms of queries or keys backward: y [n, width] is the gradient of what attention used, and
 * becomes that of the projection's output; a is that output. z: room for a row. */
static void heads_backward_row(const struct row_job *job, size_t row)
{
    const struct model_config *c = &job->pass->model->config;
    const real *w = pass_vector(job->pass, job->layer, job->weight);
    real *y = job->y + row * job->width;
    struct rotary rotary;

    if (pass_rotary(job->pass, job->layer, job->batch->sequence[row], job->batch->position[row], &rotary))
        for (size_t at = 0; at < job->width; at += c->head_dim)
            ops_rotate(y + at, rotary.cosine, rotary.sine, c->rotary_dim / 2, c->rope == ROPE_INTERLEAVED,
                       true);
    if (w)
        head_norms_backward(job, job->a + row * job->width, w, job->z + row * job->width, y);
}

static void heads_backward(const struct pass *pass, size_t layer, const struct batch *batch, enum role norm,
                           const real *raw, size_t width, real *y)
{
    if (pass->model->config.qk_norm || pass->model->config.rope != ROPE_NONE)
        rows_run(&(struct row_job){.row = heads_backward_row,
                                   .pass = pass,
                                   .batch = batch,
                                   .layer = layer,
                                   .width = width,
                                   .weight = norm,
                                   .a = raw,
                                   .y = y,
                                   .z = pass->mix},
                 batch->n);
}

static bool multiply(const struct pass *pass, size_t layer, enum role role, const real *dy, size_t n,
                     bool accumulate, real *dx, struct error *err)
{
    return weight_matmul_transposed(pass->context, pass_weight(pass, layer, role), dy, n, accumulate, dx,
                                    err);
}

static bool dense_backward(struct pass *pass, size_t layer, size_t n, const struct activations *a,
                           const real *d_value, real *d_in, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    struct gradients *g = &pass->gradient;

    if (!multiply(pass, layer, ROLE_DOWN, d_value, n, false, g->mlp_key, err))
        return false;
    rows_run(&(struct row_job){.row = activate_backward_row,
                               .pass = pass,
                               .width = c->ff,
                               .a = a->hidden,
                               .b = c->gated ? a->up : NULL,
                               .y = g->up,
                               .z = g->mlp_key},
             n);
    if (!multiply(pass, layer, c->gated ? ROLE_GATE : ROLE_UP, g->mlp_key, n, false, d_in, err) ||
        (c->gated && !multiply(pass, layer, ROLE_UP, g->up, n, true, d_in, err)))
        return false;
    return true;
}

/* In the pieces in which they went forward. */
static bool experts_rows_backward(struct pass *pass, size_t layer, size_t n, const struct activations *a,
                                  const real *d_value, real *d_in, struct error *err)
{
    size_t width = pass->model->config.width, now;

    for (size_t first = 0; first < n; first += now) {
        now = n - first < pass->mlp_rows ? n - first : pass->mlp_rows;
        if (!experts_backward(pass, layer, a, first, now, d_value + first * width, d_in + first * width, err))
            return false;
    }
    return true;
}

/* g->x [out]: gradient of the layer's output in, of its middle state out. That of the MLP's input goes with
 * it, or in a parallel layer waits in g->parallel. */
static bool mlp_backward(struct pass *pass, size_t layer, const struct batch *out,
                         const struct activations *a, struct error *err)
{
    struct gradients *g = &pass->gradient;
    real *d_in = pass_is_parallel(pass) ? g->parallel : g->normed;
    const real *d_value;

    stream_backward(pass, layer, ROLE_STATE_NORM, a->sum, out->n);
    d_value = add_backward(pass, layer, ROLE_MLP_POST_NORM, a->value, out->n);
    if (!(pass_has_experts(pass, layer) ? experts_rows_backward : dense_backward)(pass, layer, out->n, a,
                                                                                  d_value, d_in, err))
        return false;
    if (!pass_is_parallel(pass))
        norm_backward(pass, layer, ROLE_MLP_NORM, NULL, a->mid, d_in, out->n, g->x);
    return true;
}

/* Rows of a part of a batch back among the rows of the whole: to [in] += from [out]. */
static void put_back(const struct batch *out, const real *from, size_t width, real *to)
{
    for (size_t row = 0; row < out->n; row++)
        for (size_t i = 0; i < width; i++)
            to[out->parent[row] * width + i] += from[row * width + i];
}

/* Moves the rows of g->x from where `out` has them to where `in` has them; rows that did not leave get 0. */
static void spread(struct pass *pass, const struct batch *in, const struct batch *out)
{
    size_t width = pass->model->config.width;
    struct gradients *g = &pass->gradient;

    memcpy(g->picked, g->x, out->n * width * sizeof(real));
    memset(g->x, 0, in->n * width * sizeof(real));
    put_back(out, g->picked, width, g->x);
}

/* g->x: gradient of the middle state of rows `out` in, of the layer's input of rows `in` out. */
static bool attention_half_backward(struct pass *pass, size_t layer, const struct batch *in,
                                    const struct batch *out, const struct activations *a, struct error *err)
{
    size_t width = pass->model->config.width;
    struct gradients *g = &pass->gradient;
    real *d_picked = in == out ? g->normed : g->picked;
    const real *d_out;

    stream_backward(pass, layer, ROLE_MID_NORM, a->mid_sum, out->n);
    d_out = add_backward(pass, layer, ROLE_ATTENTION_POST_NORM, a->attention, out->n);
    if (!multiply(pass, layer, ROLE_ATTENTION_OUT, d_out, out->n, false, g->mix, err))
        return false;
    attention_backward(pass, layer, out, in, a->query, g->mix, g->query, g->key, g->value);
    heads_backward(pass, layer, out, ROLE_QUERY_NORM, a->query_raw, pass->q_width, g->query);
    heads_backward(pass, layer, in, ROLE_KEY_NORM, a->key_raw, pass->kv_width, g->key);
    if (in != out)
        spread(pass, in, out);
    if (!multiply(pass, layer, ROLE_KEY, g->key, in->n, false, g->normed, err) ||
        !multiply(pass, layer, ROLE_VALUE, g->value, in->n, true, g->normed, err) ||
        !multiply(pass, layer, ROLE_QUERY, g->query, out->n, in == out, d_picked, err))
        return false;
    if (in != out)
        put_back(out, d_picked, width, g->normed);
    norm_backward(pass, layer, ROLE_ATTENTION_NORM, NULL, a->x, g->normed, in->n, g->x);
    if (pass_is_parallel(pass))
        norm_backward(pass, layer, ROLE_MLP_NORM, in == out ? NULL : out, a->x, g->parallel, out->n, g->x);
    return true;
}

/* The same of a layer that is a mixer: from the gradient of its output, of rows `out`, to that of its input.
 */
static bool mixer_backward(struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                           const struct activations *a, struct error *err)
{
    size_t ff = pass->model->config.ff;
    struct gradients *g = &pass->gradient;
    const real *d_value, *d_key = g->mlp_key;

    stream_backward(pass, layer, ROLE_STATE_NORM, a->sum, out->n);
    d_value = add_backward(pass, layer, ROLE_MLP_POST_NORM, a->value, out->n);
    if (!multiply(pass, layer, ROLE_DOWN, d_value, out->n, false, g->mlp_key, err))
        return false;
    if (in != out) {
        memset(pass->scan.key, 0, in->n * ff * sizeof(real));
        put_back(out, g->mlp_key, ff, pass->scan.key);
        d_key = pass->scan.key;
        spread(pass, in, out);
    }
    if (!scan_backward(pass, layer, in, a, d_key, g->normed, err))
        return false;
    norm_backward(pass, layer, ROLE_MLP_NORM, NULL, a->x, g->normed, in->n, g->x);
    return true;
}

static bool layer_backward(struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                           const struct activations *a, struct error *err)
{
    return pass->model->config.scan.state ? mixer_backward(pass, layer, in, out, a, err)
                                          : mlp_backward(pass, layer, out, a, err) &&
                                                attention_half_backward(pass, layer, in, out, a, err);
}

/* Rows of a part of places, with their place in the top batch. */
static bool top_row(const struct pass *pass, const struct place *place, size_t *row, struct error *err)
{
    if (place->sequence < pass->n_sequences &&
        batch_find(pass->top_batch, place->sequence, place->position, row))
        return true;
    return error_set(err, ERROR_USAGE, "gradients of position %zu of sequence %zu were not prepared",
                     place->position, place->sequence);
}

/* The gradient of the logits before their factor and cap, n rows of them, in `room` [n, vocabulary]: a cap
 * passes on 1 - (logit / cap)^2, so the logits are computed again. */
static bool uncap(struct pass *pass, const struct place *places, size_t n, const real *dlogits, real *room,
                  struct error *err)
{
    const struct model_config *c = &pass->model->config;
    size_t width = c->width, row;
    struct gradients *g = &pass->gradient;

    for (size_t i = 0; c->logit_cap != 0 && i < n; i++) {
        if (!top_row(pass, &places[i], &row, err))
            return false;
        memcpy(g->branch + i * width, pass->top + row * width, width * sizeof *g->branch);
    }
    if (c->logit_cap != 0)
        pass_head(pass, g->branch, n, g->normed, room);
    for (size_t i = 0; i < n * c->vocabulary; i++) {
        double bent = c->logit_cap != 0 ? (double)room[i] / c->logit_cap : 0;

        room[i] = (real)((double)dlogits[i] * c->logit_scale * (1 - bent * bent));
    }
    return true;
}

/* Through the head of n rows: g->normed. */
static bool head_rows(struct pass *pass, const real *dlogits, size_t n, struct error *err)
{
    struct gradients *g = &pass->gradient;

    if (!pass_weight(pass, 0, ROLE_HEAD_IN))
        return multiply(pass, 0, ROLE_HEAD, dlogits, n, false, g->normed, err);
    return multiply(pass, 0, ROLE_HEAD, dlogits, n, false, g->branch, err) &&
           multiply(pass, 0, ROLE_HEAD_IN, g->branch, n, false, g->normed, err);
}

enum { BENT_ROWS = 16 }; /* logits that are computed again, at a time */

/* g->x [top batch]: from the logits' gradient through head and final norm. */
static bool head_backward(struct pass *pass, const struct place *places, size_t n, const real *dlogits,
                          struct error *err)
{
    const struct model_config *c = &pass->model->config;
    size_t width = c->width, most = pass->active.n, row;
    struct gradients *g = &pass->gradient;
    real *room = NULL;
    bool bent = c->logit_cap != 0 || c->logit_scale != 1, ok = false;

    memset(g->x, 0, pass->top_batch->n * width * sizeof(real));
    if (n && !most)
        return error_set(err, ERROR_USAGE, "no position of this pass is run again");
    if (bent && most > BENT_ROWS)
        most = BENT_ROWS;
    room = bent && n ? memory_array(most, c->vocabulary * sizeof *room) : NULL;
    if (bent && n && !room)
        return error_memory(err, "taking gradients");
    for (size_t first = 0; first < n; first += most) {
        size_t now = n - first < most ? n - first : most;
        const real *d = dlogits + first * c->vocabulary;

        if ((bent && !uncap(pass, places + first, now, d, room, err)) ||
            !head_rows(pass, bent ? room : d, now, err))
            goto out;
        for (size_t i = 0; i < now; i++) {
            if (!top_row(pass, &places[first + i], &row, err))
                goto out;
            norm_backward(pass, 0, ROLE_FINAL_NORM, NULL, pass->top + row * width, g->normed + i * width, 1,
                          g->x + row * width);
        }
    }
    ok = true;
out:
    free(room);
    return ok;
}

bool pass_backward(struct pass *pass, const struct place *places, size_t n, const real *dlogits,
                   const size_t *at, real *gradient, struct error *err)
{
    size_t width = pass->model->config.width, first = pass->options.resume_layer + 1, row;
    const struct batch *in = &pass->active;
    const real *d_value;

    if (!pass->options.resumable || !pass->ran)
        return error_set(err, ERROR_USAGE, "this pass keeps nothing to take gradients with");
    for (size_t s = 0; s < pass->n_sequences; s++)
        if (at[s] != PASS_NOWHERE && !batch_find(in, s, at[s], &row))
            return error_set(err, ERROR_USAGE, "position %zu of sequence %zu is not run again", at[s], s);
    if (!head_backward(pass, places, n, dlogits, err))
        return false;
    for (size_t layer = pass->n_layers; layer-- > first;) {
        const struct batch *out = layer + 1 == pass->n_layers ? pass->top_batch : in;
        const struct activations *a = &pass->kept[layer - first];

        if (!context_continue(pass->context, err) || !layer_backward(pass, layer, in, out, a, err))
            return false;
    }
    stream_backward(pass, first - 1, ROLE_STATE_NORM, pass->resume_sum, in->n);
    d_value = add_backward(pass, first - 1, ROLE_MLP_POST_NORM, pass->moved, in->n);
    for (size_t s = 0; s < pass->n_sequences; s++)
        if (at[s] != PASS_NOWHERE && batch_find(in, s, at[s], &row))
            memcpy(gradient + s * width, d_value + row * width, width * sizeof *gradient);
        else
            memset(gradient + s * width, 0, width * sizeof *gradient);
    return true;
}
