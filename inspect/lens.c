#include "lens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choices.h"
#include "logits.h"
#include "memory.h"
#include "ops.h"
#include "pass.h"
#include "quote.h"
#include "size.h"

struct lens_pass { /* what the tap works with */
    const struct context *context;
    struct pass *pass;
    struct lens *lens;
    size_t width, vocabulary;
    size_t block;    /* rows of logits at a time */
    real *states;    /* [n_tokens, width] of one layer, at the positions shown */
    real *normed;    /* [block, width] */
    real *logits;    /* [block, vocabulary] */
    size_t n_states; /* rows so far */
    size_t layer;    /* index of the layer, among those shown */
    size_t row;      /* where the block begins */
};

/* ---- one row of logits ---- */

static struct lens_target place_of(const real *logits, size_t n, uint32_t id)
{
    struct lens_target target = {.rank = 1, .logit = (double)logits[id]};
    for (size_t i = 0; i < n; i++)
        target.rank += logits[i] > logits[id] || (logits[i] == logits[id] && i < id);
    target.probability = exp(target.logit - ops_log_sum_exp(logits, n));
    return target;
}

static void row_task(void *user, size_t row, unsigned worker)
{
    const struct lens_pass *p = user;
    struct lens *lens = p->lens;
    const real *logits = p->logits + row * p->vocabulary;
    size_t cell = p->layer * lens->n_tokens + p->row + row;
    (void)worker;
    next_tokens(logits, p->vocabulary, lens->n_top, lens->top + cell * lens->n_top);
    if (lens->targets)
        lens->targets[cell] = place_of(logits, p->vocabulary, lens->target);
}

/* ---- a layer ---- */

static void read_layer(struct lens_pass *p)
{
    for (p->row = 0; p->row < p->n_states; p->row += p->block) {
        size_t left = p->n_states - p->row, n = left < p->block ? left : p->block;
        if (p->context->cancel && *p->context->cancel) /* the pass ends there */
            return;
        pass_head(p->pass, p->states + p->row * p->width, n, p->normed, p->logits);
        pool_run(p->context->pool, n, row_task, p);
    }
    context_progress(p->context, "looking through the lens", p->layer + 1, p->lens->n_layers);
    p->layer++;
}

/* States come row by row in order of position, maybe in several calls. */
static void on_state(void *user, const struct tap_view *view)
{
    struct lens_pass *p = user;
    const struct lens *lens = p->lens;
    if (p->layer == lens->n_layers || view->layer != lens->layers[p->layer])
        return;
    for (size_t i = 0; i < view->n_rows; i++) {
        size_t position = view->row_position[i];
        if (position >= lens->first && position - lens->first < lens->n_tokens)
            memcpy(p->states + p->n_states++ * p->width, view->data + i * p->width,
                   p->width * sizeof *p->states);
    }
    if (p->n_states < lens->n_tokens)
        return;
    read_layer(p);
    p->n_states = 0;
}

static bool run_pass(struct lens_pass *p, const struct model *model, const struct prompt *prompt,
                     struct error *err)
{
    const struct lens *lens = p->lens;
    size_t last = lens->layers[lens->n_layers - 1];
    struct sequence sequence = {.ids = prompt->ids, .length = prompt->tokens.n};
    struct tap tap = {.site = SITE_STATE, .last_layer = last, .call = on_state, .user = p};
    struct place *places = memory_array(lens->n_tokens, sizeof *places);
    if (!places)
        return error_memory(err, "looking through the lens");
    for (size_t i = 0; i < lens->n_tokens; i++)
        places[i] = (struct place){.sequence = 0, .position = lens->first + i};
    struct pass_options how = {
        .n_layers = last + 1, .taps = &tap, .n_taps = 1, .places = places, .n_places = lens->n_tokens};
    bool ok = pass_new(p->context, model, &sequence, 1, &how, &p->pass, err) && pass_run(p->pass, err) &&
              context_continue(p->context, err);
    pass_free(p->pass);
    free(places);
    return ok;
}

static bool fill(const struct context *context, const struct model *model, const struct prompt *prompt,
                 struct lens *lens, struct error *err)
{
    size_t width = model->config.width, vocabulary = model->config.vocabulary;
    struct lens_pass p = {
        .context = context,
        .lens = lens,
        .width = width,
        .vocabulary = vocabulary,
        .block = logits_block(vocabulary, lens->n_tokens),
    };
    p.states = memory_aligned(lens->n_tokens, width * sizeof *p.states);
    p.normed = memory_aligned(p.block, width * sizeof *p.normed);
    p.logits = memory_aligned(p.block, vocabulary * sizeof *p.logits);
    bool ok = p.states && p.normed && p.logits ? run_pass(&p, model, prompt, err)
                                               : error_memory(err, "looking through the lens");
    free(p.logits);
    free(p.normed);
    free(p.states);
    return ok;
}

/* ---- what is shown ---- */

static bool choose(const struct model *model, const struct prompt *prompt, const struct lens_wish *wish,
                   struct lens *lens, struct error *err)
{
    const struct model_config *c = &model->config;
    size_t n = prompt->tokens.n, cells = 0;
    if (n > c->context)
        return error_set(err, ERROR_USAGE, "a prompt has %zu tokens, but the context of %s is %zu", n,
                         quote(model->checkpoint->path).text, c->context);
    if (wish->target && *wish->target >= c->vocabulary)
        return error_set(err, ERROR_USAGE, "token id %lu is not below the vocabulary of %s, which is %zu",
                         (unsigned long)*wish->target, quote(model->checkpoint->path).text, c->vocabulary);
    if (!choose_numbers("--layers", "layer", wish->layers, c->n_layers, &lens->layers, &lens->n_layers,
                        err) ||
        !choose_tokens(wish->tokens, n, &lens->first, &lens->n_tokens, err))
        return false;
    if (!wish->tokens && n > LENS_TOKENS) {
        lens->first = n - LENS_TOKENS;
        lens->n_tokens = LENS_TOKENS;
    }
    lens->n_top = wish->top < c->vocabulary ? wish->top : c->vocabulary;
    if (size_mul(lens->n_layers, lens->n_tokens, &cells) && size_mul(cells, lens->n_top, &n))
        lens->top = memory_array(n, sizeof *lens->top);
    if (lens->top && wish->target) {
        lens->target = *wish->target;
        lens->targets = memory_array(cells, sizeof *lens->targets);
    }
    return (lens->top && (lens->targets || !wish->target)) || error_memory(err, "looking through the lens");
}

bool lens_run(const struct context *context, const struct opened *opened, const struct prompt *prompt,
              const struct lens_wish *wish, struct lens *out, struct error *err)
{
    struct lens lens = {0};
    bool ok =
        choose(opened->model, prompt, wish, &lens, err) && fill(context, opened->model, prompt, &lens, err);
    if (ok)
        *out = lens;
    else
        lens_release(&lens);
    return ok;
}

void lens_release(struct lens *lens)
{
    if (!lens)
        return;
    free(lens->layers);
    free(lens->top);
    free(lens->targets);
    *lens = (struct lens){0};
}

const struct next_token *lens_top(const struct lens *lens, size_t i, size_t k)
{
    return lens->top + (i * lens->n_tokens + k) * lens->n_top;
}

const struct lens_target *lens_target(const struct lens *lens, size_t i, size_t k)
{
    return lens->targets ? lens->targets + i * lens->n_tokens + k : NULL;
}
