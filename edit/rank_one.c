#include "rank_one.h"

#include <string.h>

#include "linalg.h"
#include "memory.h"

/* e of method.h: what the output at the key is to change by. */
static bool wanted_change(const struct edit_method *method, const struct rank_one *e, double **out,
                          struct error *err)
{
    size_t n = e->states.n_value;
    double *change = memory_array(n, sizeof(double));
    if (!change)
        return error_memory(err, "solving for the update");
    for (size_t i = 0; i < n; i++) {
        change[i] = e->target.delta[i];
        if (method->from_mean_value)
            change[i] += e->states.values[i] - e->states.value_mean[i];
    }
    *out = change;
    return true;
}

bool rank_one_compute(const struct context *context, const struct model *model, const struct edit_rows *rows,
                      size_t layer, const struct edit_method *method, const struct settings *settings,
                      const struct solver *solver, struct rank_one *out, struct error *err)
{
    struct rank_one e = {.layer = layer};
    struct objective *objective = NULL;
    double *change = NULL;
    bool ok = objective_open(context, model, rows, layer, settings->value[SETTING_KL], &objective, err) &&
              objective_states(objective, &e.states, err);
    if (ok) {
        struct target_problem problem = objective_problem(objective);
        e.v0_norm = problem.v0_norm;
        ok = target_optimise(context, &problem, settings, &e.target, err);
    }
    objective_close(objective);
    ok = ok && wanted_change(method, &e, &change, err) &&
         solve_update(solver, method, e.states.key_mean, e.states.keys, change, e.states.n_value, &e.update,
                      err) &&
         site_norm(model, layer, model->overlay, &e.weight_norm, err);
    free(change);
    if (ok)
        *out = e;
    else
        rank_one_release(&e);
    return ok;
}

void rank_one_release(struct rank_one *edit)
{
    subject_states_release(&edit->states);
    target_release(&edit->target);
    update_release(&edit->update);
}

bool rank_one_apply(struct model *model, const struct rank_one *edit, struct error *err)
{
    const struct weight *site = model_site(model, edit->layer);
    const double *out = edit->update.right, *in = edit->update.left;
    bool ok = overlay_add(model->overlay, site->tensor, 1, site->transposed ? in : out,
                          site->transposed ? out : in, err);
    if (ok)
        model_refresh(model);
    return ok;
}

enum { ROW_BLOCK = 16 };

bool site_norm(const struct model *model, size_t layer, const struct overlay *overlay, double *out,
               struct error *err)
{
    const struct tensor *t = model_site(model, layer)->tensor;
    size_t n_rows = (size_t)t->shape[0], n = (size_t)t->shape[1];
    double *rows = memory_array(n * ROW_BLOCK, sizeof(double));
    double sum = 0;
    bool ok = rows || error_memory(err, "measuring a weight");
    for (size_t first = 0; ok && first < n_rows; first += ROW_BLOCK) {
        size_t count = n_rows - first < ROW_BLOCK ? n_rows - first : ROW_BLOCK;
        ok = overlay_rows(overlay, t, first, count, rows, err);
        if (ok)
            sum += linalg_dot(rows, rows, n * count);
    }
    free(rows);
    *out = sqrt(sum);
    return ok;
}

bool site_change_along(const struct model *model, size_t layer, const double *key, double *out,
                       struct error *err)
{
    const struct weight *site = model_site(model, layer);
    const struct tensor *t = site->tensor;
    size_t n_rows = (size_t)t->shape[0], n = (size_t)t->shape[1];
    double *new_row = memory_array(n, sizeof(double)), *old_row = memory_array(n, sizeof(double));
    bool ok = (new_row && old_row) || error_memory(err, "measuring a change");
    memset(out, 0, model->config.width * sizeof(double));
    for (size_t row = 0; ok && row < n_rows; row++) {
        ok = overlay_rows(model->overlay, t, row, 1, new_row, err) &&
             overlay_rows(NULL, t, row, 1, old_row, err);
        for (size_t i = 0; ok && i < n; i++) {
            double change = new_row[i] - old_row[i];
            if (site->transposed)
                out[i] += key[row] * change;
            else
                out[row] += key[i] * change;
        }
    }
    free(new_row);
    free(old_row);
    return ok;
}
