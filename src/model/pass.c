/* Running a pass. A resumable one runs its rows in two parts, so that a run and a resume repeat each other's
 * bits: first every row up to the MLP of the restart layer and the earlier positions on to the top, then the
 * active rows from there. */
#include "pass.h"

#include <math.h>
#include <string.h>

#include "fetch.h"
#include "forward.h"
#include "pass_state.h"
#include "quote.h"

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
    [SITE_ROUTER] = "router",
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
                             quote(pass->model->checkpoint->path).text, quote(tensor->name).text);
        return error_set(err, ERROR_NUMERIC, "%s: the state after layer %zu is not finite at token %lu",
                         quote(pass->model->checkpoint->path).text, pass->n_layers - 1,
                         (unsigned long)batch->position[i / width]);
    }
    return true;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
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
    forward_finish(pass, first - 1, batch, pass->resume_mid, pass->moved, pass->resume_sum, x);
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
    forward_finish(pass, layer, &pass->prefix, a->mid, a->value, a->sum, a->x);
}

static void fetch_weight(const struct weight *weight)
{
    if (weight->tensor)
        fetch_mapped(weight->tensor->data, weight->tensor->bytes);
}

/* What the layer reads from the file, or after the last layer the head, so that the disk works meanwhile. */
static void fetch_layer(const struct pass *pass, size_t layer)
{
    const struct model *model = pass->model;

    if (layer == pass->n_layers)
        fetch_weight(&model->global[ROLE_HEAD]);
    for (size_t role = 0; layer < pass->n_layers && role < ROLE_COUNT; role++) {
        fetch_weight(&model->layer[layer][role]);
        for (size_t i = 1; i < model->list[layer][role].n; i++)
            fetch_weight(&model->list[layer][role].items[i]);
    }
}

/* Every row up to the top, or of a resumable pass the earlier positions, which the last layer leaves as keys
 * and values. */
static bool run_whole(struct pass *pass, const struct batch **top, struct error *err)
{
    size_t resume = pass->options.resumable ? pass->options.resume_layer : pass->n_layers;
    struct activations *a = &pass->scratch;

    *top = &pass->whole;
    fetch_layer(pass, 0);
    forward_embed(pass, &pass->whole, a->x);
    for (size_t layer = 0; layer < pass->n_layers; layer++) {
        const struct batch *in = layer > resume ? &pass->prefix : &pass->whole;

        if (!context_continue(pass->context, err))
            return false;
        fetch_layer(pass, layer + 1);
        if (layer == resume) {
            run_resume_layer(pass);
            continue;
        }
        if (layer + 1 == pass->n_layers)
            *top = pass->options.resumable ? &pass->none : pass->scored.n < in->n ? &pass->scored : in;
        if (in->n)
            forward_layer(pass, layer, in, layer + 1 == pass->n_layers ? *top : in, a, a->x);
    }
    return true;
}

bool pass_run(struct pass *pass, struct error *err)
{
    const struct batch *top;

    pass->ran = false;
    pass->keep = false;
    if (!run_whole(pass, &top, err))
        return false;
    if (!(pass->options.resumable ? run_active(pass, NULL, NULL, err)
                                  : end_with(pass, pass->scratch.x, top, err)))
        return false;
    if (pass->options.keys_only) /* what lies there is the middle of the last layer */
        pass->top_batch = &pass->none;
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
                             (unsigned long)ids[s], quote(pass->model->checkpoint->path).text,
                             pass->model->config.vocabulary);
        if (!pass_grow_rope(pass, s, err))
            return false;
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

enum { LOGITS_PIECE = 4096 };

/* Factor and cap of a piece of logits. */
static void finish_logits(const struct row_job *job, size_t piece)
{
    const struct model_config *c = &job->pass->model->config;
    size_t n = min_size(job->width, job->total - piece * job->width);
    real *x = job->y + piece * job->width;

    if (c->logit_scale != 1)
        for (size_t i = 0; i < n; i++)
            x[i] *= (real)c->logit_scale;
    if (c->logit_cap != 0)
        ops_cap(x, n, c->logit_cap);
}

/* Of an encoder's head; y may be x. */
static void activate_head_row(const struct row_job *job, size_t row)
{
    ops_activation(job->pass->model->config.head_activation, job->y + row * job->width, job->width,
                   job->y + row * job->width);
}

/* A projection before the head is small: its rows lie where the logits will. */
void pass_head(const struct pass *pass, const real *states, size_t n, real *normed, real *logits)
{
    const struct model_config *c = &pass->model->config;
    size_t total = n * c->vocabulary;

    forward_norm(pass, 0, ROLE_FINAL_NORM, states, n, normed);
    if (pass_weight(pass, 0, ROLE_HEAD_IN)) {
        pass_matmul(pass, 0, ROLE_HEAD_IN, normed, n, logits);
        memcpy(normed, logits, n * c->embedding_width * sizeof *normed);
    }
    if (c->features & FEATURE_MASKED_HEAD) {
        rows_run(&(struct row_job){.row = activate_head_row, .pass = pass, .width = c->width, .y = normed},
                 n);
        forward_norm(pass, 0, ROLE_HEAD_NORM, normed, n, normed);
    }
    pass_matmul(pass, 0, ROLE_HEAD, normed, n, logits);
    if (c->logit_scale != 1 || c->logit_cap != 0)
        rows_run(
            &(struct row_job){
                .row = finish_logits, .pass = pass, .width = LOGITS_PIECE, .total = total, .y = logits},
            (total + LOGITS_PIECE - 1) / LOGITS_PIECE);
}

bool pass_logits(struct pass *pass, const struct place *places, size_t n, real *logits, struct error *err)
{
    size_t width = pass->model->config.width, vocabulary = pass->model->config.vocabulary;
    size_t most = pass->whole.n, row;

    if (!pass->ran)
        return error_set(err, ERROR_USAGE, "logits were asked for before a pass was run");
    if (!model_can(pass->model, ABLE_LOGITS, err))
        return false;
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
        pass_head(pass, pass->add, now, pass->normed, logits + first * vocabulary);
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
    return pass_has_experts(pass, pass->options.resume_layer)
               ? NULL
               : kept_row(pass, pass->resume_key, pass->model->config.ff, sequence, position);
}
