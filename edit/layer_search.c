#include "layer_search.h"

#include <math.h>

#include "linalg.h"

size_t layer_candidates(size_t n_layers, size_t ff, uint64_t bytes, size_t out[LAYER_CANDIDATES])
{
    uint64_t each = (uint64_t)ff * ff * sizeof(double);
    uint64_t fit = each ? bytes / each : LAYER_CANDIDATES;
    size_t most = fit < 1 ? 1 : fit < LAYER_CANDIDATES ? (size_t)fit : LAYER_CANDIDATES;
    size_t last = n_layers > 1 ? n_layers - 2 : 0, n = 0;
    if (last < most) {
        for (size_t layer = 0; layer <= last; layer++)
            out[n++] = layer;
        return n;
    }
    if (most == 1) { /* gpt2-xl 17 of 48, gpt-j 5 of 28, llama 5 of 32: about a sixth of the depth */
        out[0] = n_layers / 6;
        return 1;
    }
    size_t span = 2 * n_layers / 3 < most - 1 ? most - 1 : 2 * n_layers / 3;
    for (size_t i = 0; i < most; i++)
        out[n++] = i * span / (most - 1);
    return n;
}

static void judge(const struct probe *probe, const struct probe_result *before,
                  const struct probe_result *after, struct layer_score *s)
{
    double target = exp(-after->nll), kept = 0;
    size_t n_asked = 0;
    for (size_t i = 0; i < probe->n_held_out; i++)
        target += exp(-after->held_out[i]);
    s->target = target / (double)(1 + probe->n_held_out);
    for (size_t i = 0; i < probe->n_neighbours; i++) {
        if (before->neighbours[i].answer == probe->target[0])
            continue;
        n_asked++;
        kept += 1 / (1 + exp(after->neighbours[i].target_log - after->neighbours[i].answer_log));
    }
    s->kept = n_asked ? kept / (double)n_asked : 1;
    double drift = after->prose_nll - before->prose_nll;
    s->prose = drift > 0 ? exp(-drift) : 1; /* also without prose, where drift is NaN */
    double both = s->target + s->kept > 0 ? 2 * s->target * s->kept / (s->target + s->kept) : 0;
    s->score = both * s->prose * exp(-s->size / 40);
}

/* One trial; an edit that cannot be made there is a failed candidate, not an error. */
static bool try_layer(const struct context *context, struct model *model, const struct edit_rows *rows,
                      const struct probe *probe, const struct probe_result *before,
                      const struct edit_method *method, const struct settings *settings,
                      const struct solver *solver, struct layer_score *score, struct error *err)
{
    struct rank_one edit = {0};
    struct probe_result after;
    if (!rank_one_compute(context, model, rows, score->layer, method, settings, solver, &edit, err)) {
        score->failed = err->kind == ERROR_NUMERIC;
        return score->failed;
    }
    score->size = linalg_norm(edit.update.right, edit.update.n_out) / edit.weight_norm;
    bool ok = rank_one_apply(model, &edit, err) && probe_run(context, model, probe, before, &after, err);
    if (ok)
        judge(probe, before, &after, score);
    overlay_clear(model->overlay);
    model_refresh(model);
    rank_one_release(&edit);
    return ok;
}

bool layer_search(const struct context *context, struct model *model, const struct edit_rows *rows,
                  const struct probe *probe, const struct probe_result *before,
                  const struct edit_method *method, const struct settings *settings, const size_t *layers,
                  const struct solver *solvers, size_t n, struct layer_score *scores, size_t *best,
                  struct error *err)
{
    struct context quiet = *context; /* the trials' own progress would run over ours */
    size_t found = n;
    quiet.progress = NULL;
    for (size_t i = 0; i < n; i++) {
        scores[i] = (struct layer_score){.layer = layers[i]};
        context_progress(context, "trying layers", i, n);
        if (!try_layer(&quiet, model, rows, probe, before, method, settings, &solvers[i], &scores[i], err))
            return false;
        if (!scores[i].failed && (found == n || scores[i].score > scores[found].score))
            found = i;
    }
    context_progress(context, "trying layers", n, n);
    if (found == n)
        return error_prefix(err, "no layer can be edited");
    *best = found;
    return true;
}
