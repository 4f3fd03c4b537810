/* The mixer of a Mamba layer (Gu and Dao 2023, arXiv 2312.00752), which stands where other layers have
 * attention and MLP. With d channels, s numbers of state a channel, and n the norm of the stream:
 *
 *   u, z = n Win                              [rows, d] each
 *   u_t = act(b + sum over j of w_j u_(t - k + 1 + j))      a causal convolution of k places, channel by
 * channel r, B, C = u Wx                            [rows, rank], [rows, s], [rows, s] dt = softplus(r Wdt +
 * bdt)                [rows, d] h_t = exp(dt A) h_(t - 1) + dt B_t u_t,   A = -exp(A_log)      [d, s] key =
 * (C_t . h_t + D u_t) silu(z)         value = key Wout
 *
 * What the next token needs of a sequence is h and the last k - 1 rows of u before the convolution: they are
 * kept for each layer and sequence, [d, s + k - 1]. Channels are independent but for the products, so a task
 * is some channels of one sequence. */
#include <math.h>
#include <string.h>

#include "forward.h"
#include "pass_state.h"

enum { CHANNELS_OF_A_TASK = 32, MOST_KERNEL = 64, MOST_STATE = 1024 };

size_t scan_state_size(const struct model_config *config)
{
    return config->ff * (config->scan.state + config->scan.kernel - 1);
}

struct scan_job {
    const struct pass *pass;
    const struct batch *batch;
    size_t layer, n_blocks; /* of channels */
};

struct channels { /* those of a task, and the rows of its sequence */
    size_t first, end, row, n_rows, position;
    real *state; /* of the sequence, [d, s + k - 1] */
};

static struct channels channels_of(const struct scan_job *job, size_t task)
{
    const struct model_config *c = &job->pass->model->config;
    size_t sequence = task / job->n_blocks, first = task % job->n_blocks * CHANNELS_OF_A_TASK;
    size_t row = job->batch->first[sequence], n = job->batch->first[sequence + 1] - row;

    return (struct channels){
        .first = first,
        .end = first + CHANNELS_OF_A_TASK < c->ff ? first + CHANNELS_OF_A_TASK : c->ff,
        .row = row,
        .n_rows = n,
        .position = n ? job->batch->position[row] : 0,
        .state = pass_scan_state(job->pass, job->layer, sequence),
    };
}

/* ---- convolution ---- */

static void convolve(const struct scan_job *job, const struct channels *of, size_t channel)
{
    const struct pass *pass = job->pass;
    const struct model_config *c = &pass->model->config;
    size_t k = c->scan.kernel, d = c->ff;
    const real *bias = pass_vector(pass, job->layer, ROLE_SCAN_CONV_BIAS);
    real w[MOST_KERNEL], seen[MOST_KERNEL] = {0};
    real *tail = of->state + channel * (c->scan.state + k - 1) + c->scan.state;

    weight_rows(pass_weight(pass, job->layer, ROLE_SCAN_CONV), channel, 1, w);
    if (of->position > 0)
        memcpy(seen, tail, (k - 1) * sizeof *seen);
    for (size_t t = of->row; t < of->row + of->n_rows; t++) {
        double sum = bias ? (double)bias[channel] : 0;

        seen[k - 1] = pass->scan.in[t * 2 * d + channel];
        for (size_t j = 0; j < k; j++)
            sum += (double)w[j] * (double)seen[j];
        pass->scan.u[t * d + channel] = (real)sum;
        memmove(seen, seen + 1, (k - 1) * sizeof *seen);
    }
    memcpy(tail, seen, (k - 1) * sizeof *tail);
}

static void convolve_task(void *user, size_t task, unsigned worker)
{
    const struct scan_job *job = user;
    struct channels of = channels_of(job, task);

    (void)worker;
    for (size_t channel = of.first; of.n_rows && channel < of.end; channel++)
        convolve(job, &of, channel);
}

/* ---- scan ---- */

/* As torch.nn.functional.softplus. */
static double softplus(double x)
{
    return x > 20 ? x : log1p(exp(x));
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static void scan(const struct scan_job *job, const struct channels *of, size_t channel)
{
    const struct pass *pass = job->pass;
    const struct model_config *c = &pass->model->config;
    size_t s = c->scan.state, d = c->ff, n_parameters = c->scan.rank + 2 * s;
    double skip = (double)pass_vector(pass, job->layer, ROLE_SCAN_SKIP)[channel];
    real decay[MOST_STATE], h[MOST_STATE] = {0};
    real *state = of->state + channel * (s + c->scan.kernel - 1);

    weight_rows(pass_weight(pass, job->layer, ROLE_SCAN_DECAY), channel, 1, decay);
    for (size_t i = 0; i < s; i++)
        decay[i] = (real)-exp((double)decay[i]);
    if (of->position > 0)
        memcpy(h, state, s * sizeof *h);
    for (size_t t = of->row; t < of->row + of->n_rows; t++) {
        const real *b = pass->scan.parameters + t * n_parameters + c->scan.rank, *out = b + s;
        double u = (double)pass->scan.u[t * d + channel],
               dt = softplus((double)pass->scan.step[t * d + channel]), y = skip * u;

        for (size_t i = 0; i < s; i++) {
            h[i] = (real)(exp(dt * (double)decay[i]) * (double)h[i] + dt * (double)b[i] * u);
            y += (double)out[i] * (double)h[i];
        }
        pass->scan.key[t * d + channel] = (real)(y * silu((double)pass->scan.in[t * 2 * d + d + channel]));
    }
    memcpy(state, h, s * sizeof *state);
}

static void scan_task(void *user, size_t task, unsigned worker)
{
    const struct scan_job *job = user;
    struct channels of = channels_of(job, task);

    (void)worker;
    for (size_t channel = of.first; of.n_rows && channel < of.end; channel++)
        scan(job, &of, channel);
}

/* ---- the mixer ---- */

static void activate_row(const struct row_job *job, size_t row)
{
    ops_activation(job->pass->model->config.activation, job->y + row * job->width, job->width,
                   job->y + row * job->width);
}

/* The first `width` numbers of each row of a [rows, total]. */
static void narrow_row(const struct row_job *job, size_t row)
{
    memcpy(job->y + row * job->width, job->a + row * job->total, job->width * sizeof(real));
}

/* From the norm of the stream to the key of each row. */
static void make_keys(const struct pass *pass, size_t layer, const struct batch *batch)
{
    const struct model_config *c = &pass->model->config;
    size_t n = batch->n, n_parameters = c->scan.rank + 2 * c->scan.state;
    struct scan_job job = {.pass = pass,
                           .batch = batch,
                           .layer = layer,
                           .n_blocks = (c->ff + CHANNELS_OF_A_TASK - 1) / CHANNELS_OF_A_TASK};

    pass_matmul(pass, layer, ROLE_SCAN_IN, pass->normed, n, pass->scan.in);
    pool_run(pass->context->pool, pass->n_sequences * job.n_blocks, convolve_task, &job);
    rows_run(&(struct row_job){.row = activate_row, .pass = pass, .width = c->ff, .y = pass->scan.u}, n);
    pass_matmul(pass, layer, ROLE_SCAN_PARAMETERS, pass->scan.u, n, pass->scan.parameters);
    rows_run(&(struct row_job){.row = narrow_row,
                               .pass = pass,
                               .width = c->scan.rank,
                               .total = n_parameters,
                               .a = pass->scan.parameters,
                               .y = pass->scan.narrow},
             n);
    pass_matmul(pass, layer, ROLE_SCAN_STEP, pass->scan.narrow, n, pass->scan.step);
    pool_run(pass->context->pool, pass->n_sequences * job.n_blocks, scan_task, &job);
}

void scan_forward(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                  const struct activations *a)
{
    const struct model_config *c = &pass->model->config;

    forward_norm(pass, layer, ROLE_MLP_NORM, a->x, in->n, pass->normed);
    pass_tap(pass, SITE_MLP_IN, layer, pass->normed, in, 0, in->n, c->width);
    make_keys(pass, layer, in);
    batch_pick(out, a->x, c->width, a->mid);
    batch_pick(out, pass->scan.key, c->ff, pass->scan.key);
    pass_tap(pass, SITE_MLP_KEY, layer, pass->scan.key, out, 0, out->n, c->ff);
    if (out->n == 0 || forward_ends_at_key(pass, layer))
        return;
    pass_matmul(pass, layer, ROLE_DOWN, pass->scan.key, out->n, a->value);
    pass_tap(pass, SITE_MLP_VALUE, layer, a->value, out, 0, out->n, c->width);
}
