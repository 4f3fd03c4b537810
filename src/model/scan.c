/* The mixer of a Mamba layer (Gu and Dao 2023, arXiv 2312.00752), which stands where other layers have
 * attention and MLP. With d channels, s numbers of state a channel, and n the norm of the stream:
 *
 *   x, z = n Win                                             [rows, d] each
 *   c_t = b + sum over j of w_j x_(t - k + 1 + j)            convolution of k places, channel by channel
 *   u = act(c)
 *   r, B, C = u Wx                                           [rows, rank], [rows, s], [rows, s]
 *   dt = softplus(r Wdt + bdt)                               [rows, d]
 *   h_t = exp(dt_t A) h_(t - 1) + dt_t B_t u_t               [d, s], A = -exp(A_log)
 *   y = C_t . h_t + D u_t          key = y silu(z)           value = key Wout
 *
 * What the next token needs of a sequence is h and the last k - 1 rows of x: they are kept for each layer and
 * sequence, [d, s + k - 1]. Channels are independent but for the products, so a task is some channels of one
 * sequence. Rows that are run again (pass_resume) begin with what the earlier ones left and leave it alone.
 *
 * Backward, with dkey given and g_t the gradient of h_t:
 *
 *   dy = dkey silu(z)              dz = dkey y silu'(z)
 *   g_t = dy_t C_t + exp(dt_(t + 1) A) g_(t + 1)
 *   dC_t = dy_t h_t                dB_t = dt_t u_t g_t       each added up over the channels
 *   ddt_t = g_t . (A exp(dt_t A) h_(t - 1) + B_t u_t)        through softplus and Wdt to dr
 *   du_t = D dy_t + dt_t B_t . g_t, and the products with Wx of dr, dB, dC
 *   dx_t = sum over j of w_j dc_(t + k - 1 - j), dc = du act'(c)
 *
 * and dx, dz through Win. The states h_t of a channel are computed again from the first. */
#include <math.h>
#include <string.h>

#include "forward.h"
#include "pass_state.h"

enum { CHANNELS_OF_A_TASK = 32 };

size_t scan_state_size(const struct model_config *config)
{
    return config->ff * (config->scan.state + config->scan.kernel - 1);
}

size_t scan_blocks(const struct model_config *config)
{
    return (config->ff + CHANNELS_OF_A_TASK - 1) / CHANNELS_OF_A_TASK;
}

size_t scan_longest(const struct model_config *config)
{
    return POOL_SCRATCH / sizeof(real) / config->scan.state - 1;
}

struct scan_job {
    const struct pass *pass;
    const struct batch *batch;
    const struct activations *a;
    size_t layer;
    const real *d_key; /* backward */
};

struct channels { /* those of a task, and the rows of its sequence */
    size_t block, first, end, row, n_rows, position;
    real *state; /* of the sequence, [d, s + k - 1] */
};

static struct channels channels_of(const struct scan_job *job, size_t task)
{
    const struct model_config *c = &job->pass->model->config;
    size_t sequence = task / scan_blocks(c), block = task % scan_blocks(c),
           first = block * CHANNELS_OF_A_TASK;
    size_t row = job->batch->first[sequence], n = job->batch->first[sequence + 1] - row;

    return (struct channels){
        .block = block,
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
    real w[CONFIG_MAX_SCAN_KERNEL], seen[CONFIG_MAX_SCAN_KERNEL] = {0};
    real *tail = of->state + channel * (c->scan.state + k - 1) + c->scan.state;

    weight_rows(pass_weight(pass, job->layer, ROLE_SCAN_CONV), channel, 1, w);
    if (of->position > 0)
        memcpy(seen, tail, (k - 1) * sizeof *seen);
    for (size_t t = of->row; t < of->row + of->n_rows; t++) {
        double sum = bias ? (double)bias[channel] : 0;

        seen[k - 1] = job->a->scan_in[t * 2 * d + channel];
        for (size_t j = 0; j < k; j++)
            sum += (double)w[j] * (double)seen[j];
        job->a->scan_conv[t * d + channel] = (real)sum;
        memmove(seen, seen + 1, (k - 1) * sizeof *seen);
    }
    if (!pass->keep)
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

/* A [s] of a channel, and h before the first of the task's rows; returns where h is carried. */
static real *begin_channel(const struct scan_job *job, const struct channels *of, size_t channel, real *decay,
                           real *h)
{
    const struct model_config *c = &job->pass->model->config;
    size_t s = c->scan.state;
    real *state = of->state + channel * (s + c->scan.kernel - 1);

    weight_rows(pass_weight(job->pass, job->layer, ROLE_SCAN_DECAY), channel, 1, decay);
    for (size_t i = 0; i < s; i++)
        decay[i] = (real)-exp((double)decay[i]);
    memset(h, 0, s * sizeof *h);
    if (of->position > 0)
        memcpy(h, state, s * sizeof *h);
    return state;
}

struct moment { /* what a channel has at row t */
    double u, dt, z;
    const real *b, *c; /* [s] */
};

static struct moment moment_of(const struct scan_job *job, size_t channel, size_t t)
{
    const struct model_config *c = &job->pass->model->config;
    size_t s = c->scan.state, d = c->ff;
    const real *parameters = job->a->scan_parameters + t * (c->scan.rank + 2 * s) + c->scan.rank;

    return (struct moment){
        .u = (double)job->pass->scan.u[t * d + channel],
        .dt = softplus((double)job->a->scan_step[t * d + channel]),
        .z = (double)job->a->scan_in[t * 2 * d + d + channel],
        .b = parameters,
        .c = parameters + s,
    };
}

/* h from row t - 1 to row t; h may be `before`. Returns C . h. */
static double advance(const struct moment *m, const real *decay, size_t s, const real *before, real *h)
{
    double sum = 0;

    for (size_t i = 0; i < s; i++) {
        h[i] = (real)(exp(m->dt * (double)decay[i]) * (double)before[i] + m->dt * (double)m->b[i] * m->u);
        sum += (double)m->c[i] * (double)h[i];
    }
    return sum;
}

static void scan(const struct scan_job *job, const struct channels *of, size_t channel)
{
    const struct pass *pass = job->pass;
    size_t s = pass->model->config.scan.state, d = pass->model->config.ff;
    double skip = (double)pass_vector(pass, job->layer, ROLE_SCAN_SKIP)[channel];
    real decay[CONFIG_MAX_SCAN_STATE], h[CONFIG_MAX_SCAN_STATE],
        *state = begin_channel(job, of, channel, decay, h);

    for (size_t t = of->row; t < of->row + of->n_rows; t++) {
        struct moment m = moment_of(job, channel, t);
        double y = skip * m.u + advance(&m, decay, s, h, h);

        pass->scan.key[t * d + channel] = (real)(y * silu(m.z));
    }
    if (!pass->keep)
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
    ops_activation(job->pass->model->config.activation, job->a + row * job->width, job->width,
                   job->y + row * job->width);
}

static void activate(const struct pass *pass, const struct activations *a, size_t n)
{
    rows_run(&(struct row_job){.row = activate_row,
                               .pass = pass,
                               .width = pass->model->config.ff,
                               .a = a->scan_conv,
                               .y = pass->scan.u},
             n);
}

/* The first `width` numbers of each row of a [rows, total]. */
static void narrow_row(const struct row_job *job, size_t row)
{
    memcpy(job->y + row * job->width, job->a + row * job->total, job->width * sizeof(real));
}

/* From the norm of the stream to the key of each row. */
static void make_keys(const struct pass *pass, size_t layer, const struct batch *batch,
                      const struct activations *a)
{
    const struct model_config *c = &pass->model->config;
    size_t n = batch->n, n_tasks = pass->n_sequences * scan_blocks(c);
    struct scan_job job = {.pass = pass, .batch = batch, .a = a, .layer = layer};

    pass_matmul(pass, layer, ROLE_SCAN_IN, pass->normed, n, a->scan_in);
    pool_run(pass->context->pool, n_tasks, convolve_task, &job);
    activate(pass, a, n);
    pass_matmul(pass, layer, ROLE_SCAN_PARAMETERS, pass->scan.u, n, a->scan_parameters);
    rows_run(&(struct row_job){.row = narrow_row,
                               .pass = pass,
                               .width = c->scan.rank,
                               .total = c->scan.rank + 2 * c->scan.state,
                               .a = a->scan_parameters,
                               .y = pass->scan.narrow},
             n);
    pass_matmul(pass, layer, ROLE_SCAN_STEP, pass->scan.narrow, n, a->scan_step);
    pool_run(pass->context->pool, n_tasks, scan_task, &job);
}

void scan_forward(const struct pass *pass, size_t layer, const struct batch *in, const struct batch *out,
                  const struct activations *a)
{
    const struct model_config *c = &pass->model->config;

    forward_norm(pass, layer, ROLE_MLP_NORM, a->x, in->n, pass->normed);
    pass_tap(pass, SITE_MLP_IN, layer, pass->normed, in, 0, in->n, c->width);
    make_keys(pass, layer, in, a);
    forward_keep_keys(pass, layer, in, pass->scan.key, 0, in->n);
    if (out != in) {
        batch_pick(out, a->x, c->width, a->mid);
        batch_pick(out, pass->scan.key, c->ff, pass->scan.key);
    } else if (a->mid != a->x) {
        memcpy(a->mid, a->x, in->n * c->width * sizeof *a->mid);
    }
    pass_tap(pass, SITE_MLP_KEY, layer, pass->scan.key, out, 0, out->n, c->ff);
    if (out->n == 0 || forward_ends_at_key(pass, layer))
        return;
    pass_matmul(pass, layer, ROLE_DOWN, pass->scan.key, out->n, a->value);
    pass_tap(pass, SITE_MLP_VALUE, layer, a->value, out, 0, out->n, c->width);
}

/* ---- backward ---- */

/* The sums over the channels of a task: d B and d C of its rows, [rows of the batch, 2 s]. */
static real *parts_of(const struct scan_job *job, const struct channels *of)
{
    return job->pass->scan.gradient.parts +
           of->block * job->batch->n * 2 * job->pass->model->config.scan.state;
}

/* Row t, from the states before and at it; g [s] is exp(dt A) of the next row times its g, and becomes that
 * of this one. */
static void step_backward(const struct scan_job *job, const struct channels *of, size_t channel, size_t t,
                          const real *decay, const real *h, double *g)
{
    const struct pass *pass = job->pass;
    size_t s = pass->model->config.scan.state, d = pass->model->config.ff;
    double skip = (double)pass_vector(pass, job->layer, ROLE_SCAN_SKIP)[channel];
    double d_key = (double)job->d_key[t * d + channel], raw = (double)job->a->scan_step[t * d + channel];
    struct moment m = moment_of(job, channel, t);
    double open = 1 / (1 + exp(-m.z)), y = skip * m.u, d_y = d_key * m.z * open, d_u = skip * d_y, d_dt = 0;
    const real *before = h, *at = h + s;
    real *d_b = parts_of(job, of) + t * 2 * s, *d_c = d_b + s;

    for (size_t i = 0; i < s; i++) {
        double a = exp(m.dt * (double)decay[i]);

        y += (double)m.c[i] * (double)at[i];
        g[i] += d_y * (double)m.c[i];
        d_c[i] += (real)(d_y * (double)at[i]);
        d_b[i] += (real)(m.dt * m.u * g[i]);
        d_dt += g[i] * ((double)decay[i] * a * (double)before[i] + (double)m.b[i] * m.u);
        d_u += m.dt * (double)m.b[i] * g[i];
        g[i] *= a;
    }
    pass->gradient.up[t * d + channel] = (real)d_u;
    pass->scan.gradient.step[t * d + channel] = (real)(d_dt / (1 + exp(-raw)));
    pass->scan.gradient.in[t * 2 * d + d + channel] = (real)(d_key * y * open * (1 + m.z * (1 - open)));
}

/* history [rows + 1, s] of the worker: the states before each row, and after the last. */
static void scan_channel_backward(const struct scan_job *job, const struct channels *of, size_t channel,
                                  real *history)
{
    size_t s = job->pass->model->config.scan.state;
    real decay[CONFIG_MAX_SCAN_STATE];
    double g[CONFIG_MAX_SCAN_STATE] = {0};

    begin_channel(job, of, channel, decay, history);
    for (size_t i = 0; i < of->n_rows; i++) {
        struct moment m = moment_of(job, channel, of->row + i);

        advance(&m, decay, s, history + i * s, history + (i + 1) * s);
    }
    for (size_t i = of->n_rows; i-- > 0;)
        step_backward(job, of, channel, of->row + i, decay, history + i * s, g);
}

static void scan_backward_task(void *user, size_t task, unsigned worker)
{
    const struct scan_job *job = user;
    struct channels of = channels_of(job, task);
    size_t width = 2 * job->pass->model->config.scan.state;

    memset(parts_of(job, &of) + of.row * width, 0, of.n_rows * width * sizeof(real));
    for (size_t channel = of.first; of.n_rows && channel < of.end; channel++)
        scan_channel_backward(job, &of, channel, pool_scratch(job->pass->context->pool, worker));
}

/* d r, d B, d C of a row: the parts of all tasks, by number, behind the room for d r. */
static void sum_parts_row(const struct row_job *job, size_t row)
{
    const struct model_config *c = &job->pass->model->config;
    size_t width = 2 * c->scan.state, n_blocks = scan_blocks(c);
    real *y = job->y + row * job->width + c->scan.rank;

    memset(y, 0, width * sizeof *y);
    for (size_t block = 0; block < n_blocks; block++)
        for (size_t i = 0; i < width; i++)
            y[i] += job->a[(block * job->batch->n + row) * width + i];
}

static void widen_row(const struct row_job *job, size_t row)
{
    memcpy(job->y + row * job->total, job->a + row * job->width, job->width * sizeof(real));
}

static void activate_backward_row(const struct row_job *job, size_t row)
{
    real *y = job->y + row * job->width;

    ops_activation_backward(job->pass->model->config.activation, job->a + row * job->width, y, job->width, y);
}

/* gradient.up is d c. A row goes into those of the next k - 1 tokens, too. */
static void convolve_backward(const struct scan_job *job, const struct channels *of, size_t channel)
{
    const struct pass *pass = job->pass;
    size_t k = pass->model->config.scan.kernel, d = pass->model->config.ff;
    real w[CONFIG_MAX_SCAN_KERNEL];

    weight_rows(pass_weight(pass, job->layer, ROLE_SCAN_CONV), channel, 1, w);
    for (size_t i = 0; i < of->n_rows; i++) {
        double sum = 0;

        for (size_t ahead = 0; ahead < k && i + ahead < of->n_rows; ahead++)
            sum += (double)w[k - 1 - ahead] * (double)pass->gradient.up[(of->row + i + ahead) * d + channel];
        pass->scan.gradient.in[(of->row + i) * 2 * d + channel] = (real)sum;
    }
}

static void convolve_backward_task(void *user, size_t task, unsigned worker)
{
    const struct scan_job *job = user;
    struct channels of = channels_of(job, task);

    (void)worker;
    for (size_t channel = of.first; of.n_rows && channel < of.end; channel++)
        convolve_backward(job, &of, channel);
}

bool scan_backward(struct pass *pass, size_t layer, const struct batch *batch, const struct activations *a,
                   const real *d_key, real *d_in, struct error *err)
{
    const struct model_config *c = &pass->model->config;
    const struct scan_gradients *g = &pass->scan.gradient;
    size_t n = batch->n, n_tasks = pass->n_sequences * scan_blocks(c),
           n_parameters = c->scan.rank + 2 * c->scan.state;
    struct scan_job job = {.pass = pass, .batch = batch, .a = a, .layer = layer, .d_key = d_key};
    real *d_u = pass->gradient.up;

    activate(pass, a, n);
    pool_run(pass->context->pool, n_tasks, scan_backward_task, &job);
    rows_run(&(struct row_job){.row = sum_parts_row,
                               .pass = pass,
                               .batch = batch,
                               .width = n_parameters,
                               .a = g->parts,
                               .y = g->parameters},
             n);
    if (!weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SCAN_STEP), g->step, n, false,
                                  pass->scan.narrow, err))
        return false;
    rows_run(&(struct row_job){.row = widen_row,
                               .pass = pass,
                               .width = c->scan.rank,
                               .total = n_parameters,
                               .a = pass->scan.narrow,
                               .y = g->parameters},
             n);
    if (!weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SCAN_PARAMETERS),
                                  g->parameters, n, true, d_u, err))
        return false;
    rows_run(
        &(struct row_job){
            .row = activate_backward_row, .pass = pass, .width = c->ff, .a = a->scan_conv, .y = d_u},
        n);
    pool_run(pass->context->pool, n_tasks, convolve_backward_task, &job);
    return weight_matmul_transposed(pass->context, pass_weight(pass, layer, ROLE_SCAN_IN), g->in, n, false,
                                    d_in, err);
}
