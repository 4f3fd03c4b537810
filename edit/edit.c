#include "edit.h"

#include <string.h>
#include <time.h>

#include "continuation.h"
#include "edit_gates.h"
#include "edit_site.h"
#include "linalg.h"
#include "memory.h"

enum { SAYS_TOKENS = 8 };
static const uint64_t search_bytes = 1u << 30; /* for the covariances of a layer search */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void edit_item_name(const struct edit_item *item, struct str *out)
{
    const struct edit_request *q = item->request;
    if (q->prompt) {
        str_append(out, "\"");
        str_append_escaped(out, q->prompt, strlen(q->prompt));
        str_append(out, "\"");
    } else {
        str_printf(out, "record %zu", q->number);
    }
}

/* Puts the request in front of a sentence about it, where there are several. */
static bool about(const struct edit *edit, const struct edit_item *item, struct error *err)
{
    if (edit->n_items > 1)
        error_prefix(err, "record %zu", item->request->number);
    return false;
}

/* ---- contexts, rows, and what the model says now ---- */

static bool open_contexts(const struct edit *edit, enum script script, struct context_set *out,
                          struct error *err)
{
    const struct edit_options *o = edit->options;
    size_t n = (size_t)edit->settings.value[SETTING_CONTEXTS];
    if (!o->contexts && edit->requests->ids)
        return context_set_fixed(SCRIPT_OTHER, 1, out, err);
    if (!o->contexts)
        return context_set_fixed(script, n, out, err);
    if (strcmp(o->contexts, "sampled") != 0)
        return context_set_read(edit->context, o->contexts, out, err);
    if (!edit->tokenizer)
        return error_set(err, ERROR_USAGE, "--contexts sampled: the model has no tokenizer");
    return context_set_sample(edit->context, edit->model, edit->tokenizer, n, o->seed, out, err);
}

/* One set per script for the fixed ones, one in all for the others; sets are kept in edit->sets. */
static bool contexts_for(struct edit *edit, const struct edit_request *q, size_t by_script[SCRIPT_KANA + 1],
                         const struct context_set **out, struct error *err)
{
    enum script script = SCRIPT_OTHER;
    if (!edit->options->contexts && q->prompt)
        script = script_of_text(q->prompt, strlen(q->prompt));
    if (!by_script[script]) {
        if (!open_contexts(edit, script, &edit->sets[edit->n_sets], err))
            return false;
        by_script[script] = ++edit->n_sets;
    }
    *out = &edit->sets[by_script[script] - 1];
    return true;
}

static struct sequence bare_prompt(const struct edit_item *item)
{
    struct sequence row = item->rows.rows[0];
    row.length -= item->rows.n_target - 1;
    return row;
}

static bool listen(const struct edit *edit, const struct edit_item *item, struct str *out, struct error *err)
{
    struct sequence prompt = bare_prompt(item);
    return !edit->tokenizer || edit->requests->ids ||
           continuation_greedy(edit->context, edit->model, edit->tokenizer, &prompt, SAYS_TOKENS, out, err);
}

/* Ids of a request, and those of a tokenizer that does not belong to the model. The last one of a target is
 * in no row. */
static bool check_target(const struct edit *edit, const struct edit_rows *rows, struct error *err)
{
    size_t vocabulary = edit->model->config.vocabulary;
    for (size_t i = 0; i < rows->n_target; i++)
        if (rows->target[i] >= vocabulary)
            return error_set(err, ERROR_USAGE,
                             "token id %u of the target is not below the vocabulary, which is %zu",
                             rows->target[i], vocabulary);
    return true;
}

static bool prepare_item(struct edit *edit, struct edit_item *item, size_t by_script[SCRIPT_KANA + 1],
                         struct error *err)
{
    const struct tokenizer *tokenizer = edit->requests->ids ? NULL : edit->tokenizer;
    const struct context_set *contexts;
    bool held_out = item->reason == LAYER_SEARCHED;
    if (!contexts_for(edit, item->request, by_script, &contexts, err) ||
        !edit_rows_build(tokenizer, item->request, edit->requests->bos, contexts, &item->rows, err) ||
        !check_target(edit, &item->rows, err) ||
        !probe_build(tokenizer, item->request, &item->rows, edit->model->config.context, held_out,
                     &item->probe, err) ||
        !probe_run(edit->context, edit->model, &item->probe, NULL, &item->before, err) ||
        !listen(edit, item, &item->says_before, err))
        return about(edit, item, err);
    item->contexts = contexts->name;
    item->nothing_to_do = item->before.is_answer;
    return true;
}

static bool prepare_items(struct edit *edit, struct error *err)
{
    size_t by_script[SCRIPT_KANA + 1] = {0};
    for (size_t i = 0; i < edit->n_items; i++) {
        context_progress(edit->context, "asking the model", i, edit->n_items);
        if (!context_continue(edit->context, err) || !prepare_item(edit, &edit->items[i], by_script, err))
            return false;
    }
    return true;
}

/* ---- layers and covariances ---- */

static bool choose_reason(struct edit *edit, struct error *err)
{
    const struct model_config *config = &edit->model->config;
    const struct known_site *known =
        known_site_find(edit->model->architecture->model_type, config->n_layers, config->width);
    const struct edit_options *o = edit->options;
    if (o->layer_given && o->layer >= config->n_layers)
        return error_set(err, ERROR_USAGE, "layer %llu is out of range: the model has layers 0 to %zu",
                         (unsigned long long)o->layer, config->n_layers - 1);
    for (size_t i = 0; i < edit->n_items; i++) {
        struct edit_item *item = &edit->items[i];
        item->reason = o->layer_given ? LAYER_GIVEN : known ? LAYER_KNOWN : LAYER_SEARCHED;
        item->layer = o->layer_given ? (size_t)o->layer : known ? known->layer : 0;
        item->known_source = known ? known->source : NULL;
    }
    return true;
}

/* In the last block only the subject's own position sees delta: when the prompt goes on after it, nothing
 * that is scored does. target_optimise would find the gradient to be zero; this says so before any work. */
static bool check_reach(const struct edit *edit, const struct edit_item *item, struct error *err)
{
    if (item->reason == LAYER_SEARCHED || item->nothing_to_do)
        return true;
    const struct edit_rows *rows = &item->rows;
    if (item->layer + 1 < edit->model->config.n_layers ||
        rows->subject[0] + rows->n_target >= rows->rows[0].length)
        return true;
    return error_set(
        err, ERROR_NUMERIC,
        "layer %zu is the last one and the prompt goes on after the subject: the gradient of the target's "
        "probability with respect to delta is zero there, no edit of it can reach the answer",
        item->layer);
}

/* A search looks at layers that can be edited, where there are any. */
static bool check_layers(const struct edit *edit, struct error *err)
{
    size_t layers[CONFIG_MAX_LAYERS], n_layers = edit_site_layers(edit->model, layers);
    for (size_t i = 0; i < edit->n_items; i++) {
        const struct edit_item *item = &edit->items[i];
        bool given = item->reason != LAYER_SEARCHED || n_layers == 0;
        if (!check_reach(edit, item, err) ||
            (given && !item->nothing_to_do &&
             !edit_site_check(edit->context, edit->model, &item->rows.rows[0], item->rows.subject[0],
                              item->layer, err)))
            return about(edit, item, err);
    }
    return true;
}

static const struct solver *solver_of(const struct edit *edit, size_t layer)
{
    for (size_t i = 0; i < edit->n_solvers; i++)
        if (edit->solver_layers[i] == layer)
            return &edit->solvers[i];
    return NULL;
}

/* Candidates among the layers that can be edited. */
static size_t choose_candidates(const struct model *model, size_t out[LAYER_CANDIDATES])
{
    size_t layers[CONFIG_MAX_LAYERS], n_layers = edit_site_layers(model, layers);
    size_t n = layer_candidates(n_layers, model->config.ff, search_bytes, out);
    for (size_t i = 0; i < n; i++)
        out[i] = layers[out[i]];
    return n;
}

/* The solvers of every layer that may be edited, all from the unedited model. */
static bool open_solvers(struct edit *edit, struct error *err)
{
    const struct edit_options *o = edit->options;
    size_t layers[LAYER_CANDIDATES] = {edit->items[0].layer}, n = 1;
    if (edit->items[0].reason == LAYER_SEARCHED)
        n = choose_candidates(edit->model, layers);
    struct covariance_source source = {.identity = edit->settings.value[SETTING_IDENTITY] != 0,
                                       .file = o->covariance,
                                       .corpus = o->corpus,
                                       .seed = o->seed,
                                       .tokens = (size_t)edit->settings.value[SETTING_TOKENS],
                                       .window = (size_t)edit->settings.value[SETTING_WINDOW]};
    edit->solvers = memory_zeroed(n, sizeof(*edit->solvers));
    edit->solver_layers = memory_array(n, sizeof(*edit->solver_layers));
    if (!edit->solvers || !edit->solver_layers)
        return error_memory(err, "preparing an edit");
    if (!covariance_solvers(edit->context, edit->model, edit->tokenizer, &source,
                            edit->settings.value[SETTING_RIDGE], layers, n, edit->solvers, err))
        return false;
    memcpy(edit->solver_layers, layers, n * sizeof(*layers));
    edit->n_solvers = n;
    return true;
}

static bool search_layers(struct edit *edit, struct error *err)
{
    for (size_t i = 0; i < edit->n_items; i++) {
        struct edit_item *item = &edit->items[i];
        size_t best;
        if (item->reason != LAYER_SEARCHED || item->nothing_to_do)
            continue;
        if (!layer_search(edit->context, edit->model, &item->rows, &item->probe, &item->before,
                          edit->options->method, &edit->settings, edit->solver_layers, edit->solvers,
                          edit->n_solvers, item->scores, &best, err))
            return about(edit, item, err);
        item->n_scores = edit->n_solvers;
        item->layer = item->scores[best].layer;
    }
    return true;
}

/* ---- the edits ---- */

static bool apply_item(struct edit *edit, struct edit_item *item, struct error *err)
{
    if (item->nothing_to_do)
        return true;
    if (!rank_one_compute(edit->context, edit->model, &item->rows, item->layer, edit->options->method,
                          &edit->settings, solver_of(edit, item->layer), &item->edit, err) ||
        !rank_one_apply(edit->model, &item->edit, err))
        return about(edit, item, err);
    item->relative_norm =
        linalg_norm(item->edit.update.right, item->edit.update.n_out) / item->edit.weight_norm;
    for (size_t i = 0; i < edit->n_sites; i++)
        if (edit->site_layers[i] == item->layer)
            return true;
    const struct weight *site = model_site(edit->model, item->layer);
    edit->site_layers[edit->n_sites] = item->layer;
    edit->sites[edit->n_sites++] = (struct change_site){
        .tensor = site->tensor, .transposed = site->transposed, .key = item->edit.update.key};
    return true;
}

static bool apply_items(struct edit *edit, struct error *err)
{
    for (size_t i = 0; i < edit->n_items; i++)
        if (!context_continue(edit->context, err) || !apply_item(edit, &edit->items[i], err))
            return false;
    return true;
}

/* ---- rounding and checks ---- */

/* What all updates of one layer together are to change at a key, [width]. */
static void intended_change(const struct edit *edit, size_t layer, const double *key, double *out)
{
    size_t width = edit->model->config.width;
    memset(out, 0, width * sizeof(double));
    for (size_t i = 0; i < edit->n_items; i++) {
        const struct update *u = &edit->items[i].edit.update;
        if (edit->items[i].nothing_to_do || edit->items[i].layer != layer)
            continue;
        double along = linalg_dot(u->left, key, u->n_in);
        for (size_t j = 0; j < width; j++)
            out[j] += along * u->right[j];
    }
}

/* Share of the intended change along the request's key that the rounded bytes make. */
static bool measure_realised(struct edit *edit, struct edit_item *item, struct error *err)
{
    size_t width = edit->model->config.width;
    double *intended = memory_array(width, sizeof(double)), *made = memory_array(width, sizeof(double));
    bool ok = (intended && made) || error_memory(err, "measuring a change");
    if (ok) {
        intended_change(edit, item->layer, item->edit.update.key, intended);
        ok = site_change_along(edit->model, item->layer, item->edit.update.key, made, err);
    }
    if (ok)
        item->realised = linalg_dot(made, intended, width) / linalg_dot(intended, intended, width);
    free(intended);
    free(made);
    return ok;
}

static bool check_items(struct edit *edit, struct error *err)
{
    for (size_t i = 0; i < edit->n_items; i++) {
        struct edit_item *item = &edit->items[i];
        if (item->nothing_to_do)
            continue;
        context_progress(edit->context, "checking the edit", i, edit->n_items);
        if (!context_continue(edit->context, err) || !measure_realised(edit, item, err) ||
            !probe_run(edit->context, edit->model, &item->probe, &item->before, &item->after, err) ||
            !listen(edit, item, &item->says_after, err))
            return about(edit, item, err);
        edit_judge(edit, item);
    }
    return true;
}

/* ---- all of it ---- */

static bool allocate(struct edit *edit, struct error *err)
{
    size_t n = edit->requests->n;
    edit->items = memory_zeroed(n, sizeof(*edit->items));
    edit->sites = memory_zeroed(n, sizeof(*edit->sites));
    edit->site_layers = memory_zeroed(n, sizeof(*edit->site_layers));
    edit->sets = memory_zeroed(SCRIPT_KANA + 1, sizeof(*edit->sets));
    if (!edit->items || !edit->sites || !edit->site_layers || !edit->sets)
        return error_memory(err, "preparing an edit");
    edit->n_items = n;
    for (size_t i = 0; i < n; i++)
        edit->items[i].request = &edit->requests->items[i];
    return true;
}

static bool take_settings(struct edit *edit, struct error *err)
{
    const struct edit_options *o = edit->options;
    settings_default(o->method->name, edit->model->architecture->model_type, &edit->settings);
    for (size_t i = 0; i < o->n_assignments; i++)
        if (!settings_set(&edit->settings, o->assignments[i], err))
            return false;
    return true;
}

static bool anything_to_do(const struct edit *edit)
{
    for (size_t i = 0; i < edit->n_items; i++)
        if (!edit->items[i].nothing_to_do)
            return true;
    return false;
}

bool edit_prepare(const struct context *context, struct model *model, const struct tokenizer *tokenizer,
                  const struct request_list *requests, const struct edit_options *options, struct edit *out,
                  struct error *err)
{
    *out = (struct edit){
        .context = context, .model = model, .tokenizer = tokenizer, .requests = requests, .options = options};
    double start = now();
    if (!take_settings(out, err) || !allocate(out, err) || !choose_reason(out, err) ||
        !prepare_items(out, err))
        return false;
    if (!anything_to_do(out))
        return true;
    double asked = now();
    if (!check_layers(out, err) || !open_solvers(out, err))
        return false;
    double solved = now();
    if (!search_layers(out, err))
        return false;
    double searched = now();
    if (!apply_items(out, err))
        return false;
    double applied = now();
    if (!change_round(context, model, out->sites, out->n_sites, err) || !check_items(out, err))
        return false;
    out->seconds_covariance = solved - asked;
    out->seconds_search = searched - solved;
    out->seconds_edit = applied - searched;
    out->seconds_checks = now() - applied + asked - start;
    return true;
}

void edit_release(struct edit *edit)
{
    for (size_t i = 0; i < edit->n_items; i++) {
        struct edit_item *item = &edit->items[i];
        rank_one_release(&item->edit);
        probe_release(&item->probe);
        edit_rows_release(&item->rows);
        str_release(&item->says_before);
        str_release(&item->says_after);
    }
    for (size_t i = 0; i < edit->n_sets; i++)
        context_set_release(&edit->sets[i]);
    for (size_t i = 0; i < edit->n_solvers; i++)
        solver_release(&edit->solvers[i]);
    free(edit->items);
    free(edit->sites);
    free(edit->site_layers);
    free(edit->sets);
    free(edit->solvers);
    free(edit->solver_layers);
    *edit = (struct edit){0};
}

bool edit_passed(const struct edit *edit)
{
    for (size_t i = 0; i < edit->n_items; i++)
        if (!gate_all_passed(&edit->items[i].gates))
            return false;
    return true;
}

void edit_refusal(const struct edit *edit, struct str *out)
{
    for (size_t i = 0; i < edit->n_items; i++) {
        const struct gate_list *gates = &edit->items[i].gates;
        for (size_t j = 0; j < gates->n; j++) {
            const struct gate *g = &gates->items[j];
            if (g->passed)
                continue;
            str_append(out, "the edit of ");
            edit_item_name(&edit->items[i], out);
            str_printf(out, " is refused: gate %s is %.4g, must be at %s %.4g", g->name, g->value,
                       g->at_most ? "most" : "least", g->limit);
            return;
        }
    }
}
