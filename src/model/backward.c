/* Gradients with respect to activations only: every weight is a constant. With g the gradient of a layer's
 * output x'', over the rows that ran again (forward.c has the equations):
 *
 *   dmid = g + norm'(dn'),   dn' = dhidden Wg + dup Wu,   dkey = dvalue Wd,   dvalue = post'(g)
 *   dx = dmid + norm'(dn),   dn  = dq Wq + dk Wk + dv Wv,   (dq, dk, dv) = attention'(dattention Wo)
 *
 * dk and dv are those of rows that ran again: earlier positions are constants. In the last layer the rows
 * that leave (places) are a part of those that enter. */
#include <string.h>

#include "forward.h"
#include "pass_state.h"

static void norm_backward_row(const struct row_job *job, size_t row)
{
    const struct model_config *c = &job->pass->model->config;
    const real *w = pass_vector(job->pass, job->layer, job->weight);
    size_t at = row * job->width;

    if (c->norm == NORM_LAYER)
        ops_layer_norm_backward(job->a + at, w, c->norm_eps, job->b + at, job->width, job->y + at);
    else
        ops_rms_norm_backward(job->a + at, w, c->norm == NORM_RMS_PLUS_ONE, c->norm_eps, job->b + at,
                              job->width, job->y + at);
}

/* dx [n, width] += gradient of norm at x, given dy. */
static void norm_backward(const struct pass *pass, size_t layer, enum role weight, const real *x,
                          const real *dy, size_t n, real *dx)
{
    rows_run(&(struct row_job){.row = norm_backward_row,
                               .pass = pass,
                               .layer = layer,
                               .width = pass->model->config.width,
                               .weight = weight,
                               .a = x,
                               .b = dy,
                               .y = dx},
             n);
}

/* Through a post norm where there is one: what the branch gets of dy lies in the returned rows. */
static const real *post_backward(const struct pass *pass, size_t layer, enum role role, const real *raw,
                                 const real *dy, size_t n, real *room)
{
    if (!pass_vector(pass, layer, role))
        return dy;
    memset(room, 0, n * pass->model->config.width * sizeof *room);
    norm_backward(pass, layer, role, raw, dy, n, room);
    return room;
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

/* Rope and norms of queries or keys backward: y [n, width] is the gradient of what attention used, and
 * becomes that of the projection's output; a is that output. z: room for a row. */
static void heads_backward_row(const struct row_job *job, size_t row)
{
    const struct pass *pass = job->pass;
    const struct model_config *c = &pass->model->config;
    size_t half = c->rotary_dim / 2, rope = c->rope_of[job->layer];
    real *y = job->y + row * job->width, *room = job->z + row * job->width;

    for (size_t at = 0; at < job->width; at += c->head_dim) {
        if (c->rope != ROPE_NONE)
            ops_rotate(y + at, pass->cosine[rope] + job->batch->position[row] * half,
                       pass->sine[rope] + job->batch->position[row] * half, half, c->rope == ROPE_INTERLEAVED,
                       true);
        if (!c->qk_norm)
            continue;
        memcpy(room + at, y + at, c->head_dim * sizeof *room);
        memset(y + at, 0, c->head_dim * sizeof *y);
        ops_rms_norm_backward(job->a + row * job->width + at, pass_vector(pass, job->layer, job->weight),
                              c->norm == NORM_RMS_PLUS_ONE, c->norm_eps, room + at, c->head_dim, y + at);
    }
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

/* g->x [out]: gradient of the layer's output in, of its middle state out. */
static bool mlp_backward(struct pass *pass, size_t layer, const struct batch *out,
                         const struct activations *a, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    struct gradients *g = &pass->gradient;
    const real *d_value = post_backward(pass, layer, ROLE_MLP_POST_NORM, a->value, g->x, out->n, g->branch);

    if (!multiply(pass, layer, ROLE_DOWN, d_value, out->n, false, g->mlp_key, err))
        return false;
    rows_run(&(struct row_job){.row = activate_backward_row,
                               .pass = pass,
                               .width = c->ff,
                               .a = a->hidden,
                               .b = c->gated ? a->up : NULL,
                               .y = g->up,
                               .z = g->mlp_key},
             out->n);
    if (!multiply(pass, layer, c->gated ? ROLE_GATE : ROLE_UP, g->mlp_key, out->n, false, g->normed, err) ||
        (c->gated && !multiply(pass, layer, ROLE_UP, g->up, out->n, true, g->normed, err)))
        return false;
    norm_backward(pass, layer, ROLE_MLP_NORM, a->mid, g->normed, out->n, g->x);
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
    const real *d_out =
        post_backward(pass, layer, ROLE_ATTENTION_POST_NORM, a->attention, g->x, out->n, g->branch);
    real *d_picked = in == out ? g->normed : g->picked;

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
    norm_backward(pass, layer, ROLE_ATTENTION_NORM, a->x, g->normed, in->n, g->x);
    return true;
}

/* g->x [top batch]: from the logits' gradient through head and final norm. */
static bool head_backward(struct pass *pass, const struct place *places, size_t n, const real *dlogits,
                          struct error *err)
{
    size_t width = pass->model->config.width, vocabulary = pass->model->config.vocabulary,
           most = pass->active.n, row;
    struct gradients *g = &pass->gradient;

    memset(g->x, 0, pass->top_batch->n * width * sizeof(real));
    if (n && !most)
        return error_set(err, ERROR_USAGE, "no position of this pass is run again");
    for (size_t first = 0; first < n; first += most) {
        size_t now = n - first < most ? n - first : most;

        if (!multiply(pass, 0, ROLE_HEAD, dlogits + first * vocabulary, now, false, g->normed, err))
            return false;
        for (size_t i = 0; i < now; i++) {
            const struct place *place = &places[first + i];

            if (place->sequence >= pass->n_sequences ||
                !batch_find(pass->top_batch, place->sequence, place->position, &row))
                return error_set(err, ERROR_USAGE,
                                 "gradients of position %zu of sequence %zu were not prepared",
                                 place->position, place->sequence);
            norm_backward(pass, 0, ROLE_FINAL_NORM, pass->top + row * width, g->normed + i * width, 1,
                          g->x + row * width);
        }
    }
    return true;
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

        if (!context_continue(pass->context, err) || !mlp_backward(pass, layer, out, a, err) ||
            !attention_half_backward(pass, layer, in, out, a, err))
            return false;
    }
    d_value = post_backward(pass, first - 1, ROLE_MLP_POST_NORM, pass->moved, pass->gradient.x, in->n,
                            pass->gradient.branch);
    for (size_t s = 0; s < pass->n_sequences; s++)
        if (at[s] != PASS_NOWHERE && batch_find(in, s, at[s], &row))
            memcpy(gradient + s * width, d_value + row * width, width * sizeof *gradient);
        else
            memset(gradient + s * width, 0, width * sizeof *gradient);
    return true;
}
