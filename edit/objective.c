#include "objective.h"

#include <string.h>

#include "loss.h"
#include "memory.h"
#include "ops.h"

struct objective {
    const struct context *context;
    const struct model *model;
    const struct edit_rows *rows;
    double kl_factor;
    size_t vocabulary, width;
    struct pass *pass;
    bool fresh;           /* pass_run's result still stands: delta = 0 */
    struct place *places; /* [n_contexts * n_target + 1], the KL row's last */
    size_t n_places;
    real *logits;     /* [n_places, vocabulary] */
    double *base;     /* [vocabulary] log p0 of the KL row */
    double *log_sums; /* [n_places] */
    double *losses;   /* [n_places] */
    real *gradients;  /* [n_contexts + 1, width] */
    bool has_base;
};

static struct place *make_places(const struct edit_rows *rows)
{
    size_t n = rows->n_contexts * rows->n_target;
    struct place *places = memory_array(n + 1, sizeof(*places));
    for (size_t i = 0; places && i < n; i++) {
        size_t row = i / rows->n_target;
        places[i] = (struct place){row, rows->rows[row].length - rows->n_target + i % rows->n_target};
    }
    if (places)
        places[n] = (struct place){rows->n_contexts, rows->subject[rows->n_contexts]};
    return places;
}

bool objective_open(const struct context *context, const struct model *model, const struct edit_rows *rows,
                    size_t layer, double kl_factor, struct objective **out, struct error *err)
{
    struct objective *o = memory_zeroed(1, sizeof(*o));
    if (!o)
        return error_memory(err, "preparing an edit");
    size_t n_rows = rows->n_contexts + 1;
    o->context = context;
    o->model = model;
    o->rows = rows;
    o->kl_factor = kl_factor;
    o->vocabulary = model->config.vocabulary;
    o->width = model->config.width;
    o->n_places = rows->n_contexts * rows->n_target + 1;
    o->fresh = true;
    o->places = make_places(rows);
    o->logits = memory_array(o->n_places, o->vocabulary * sizeof(real));
    o->base = memory_array(o->vocabulary, sizeof(double));
    o->log_sums = memory_array(o->n_places, sizeof(double));
    o->losses = memory_array(o->n_places, sizeof(double));
    o->gradients = memory_array(n_rows * o->width, sizeof(real));
    bool ok = (o->places && o->logits && o->base && o->log_sums && o->losses && o->gradients) ||
              error_memory(err, "preparing an edit");
    struct pass_options options = {.resumable = true,
                                   .resume_layer = layer,
                                   .from = rows->subject,
                                   .places = o->places,
                                   .n_places = o->n_places};
    ok =
        ok && pass_new(context, model, rows->rows, n_rows, &options, &o->pass, err) && pass_run(o->pass, err);
    if (ok)
        *out = o;
    else
        objective_close(o);
    return ok;
}

void objective_close(struct objective *o)
{
    if (!o)
        return;
    pass_free(o->pass);
    free(o->places);
    free(o->logits);
    free(o->base);
    free(o->log_sums);
    free(o->losses);
    free(o->gradients);
    free(o);
}

static uint32_t target_of(const struct objective *o, size_t place)
{
    return o->rows->target[place % o->rows->n_target];
}

/* One place: its log sum, and -log p(target) or the divergence. */
static void score_place(void *user, size_t task, unsigned worker)
{
    struct objective *o = user;
    const real *x = o->logits + task * o->vocabulary;
    double log_sum = ops_log_sum_exp(x, o->vocabulary), sum = 0;
    (void)worker;
    o->log_sums[task] = log_sum;
    if (task + 1 < o->n_places) {
        o->losses[task] = log_sum - (double)x[target_of(o, task)];
        return;
    }
    for (size_t i = 0; i < o->vocabulary; i++) {
        double log_p = (double)x[i] - log_sum;
        if (!o->has_base)
            o->base[i] = log_p;
        else
            sum += (double)real_exp((real)log_p) * (log_p - o->base[i]);
    }
    o->losses[task] = sum;
}

static bool objective_loss(void *user, const real *delta, double *nll, double *kl, struct error *err)
{
    struct objective *o = user;
    if (!o->fresh && !pass_resume(o->pass, delta, o->rows->subject, err))
        return false;
    o->fresh = false;
    if (!pass_logits(o->pass, o->places, o->n_places, o->logits, err))
        return false;
    pool_run(o->context->pool, o->n_places, score_place, o);
    o->has_base = true;
    double sum = 0;
    for (size_t i = 0; i + 1 < o->n_places; i++)
        sum += o->losses[i];
    *nll = sum / (double)(o->n_places - 1);
    *kl = o->kl_factor * o->losses[o->n_places - 1];
    return true;
}

/* d loss / d logits of one place, in place of the logits: (p - onehot) / n, or factor p (log p - log p0 -
 * KL). */
static void differentiate_place(void *user, size_t task, unsigned worker)
{
    struct objective *o = user;
    real *x = o->logits + task * o->vocabulary;
    real log_sum = (real)o->log_sums[task], share = (real)(1.0 / (double)(o->n_places - 1));
    (void)worker;
    if (task + 1 < o->n_places) {
        for (size_t i = 0; i < o->vocabulary; i++)
            x[i] = share * real_exp(x[i] - log_sum);
        x[target_of(o, task)] -= share;
        return;
    }
    for (size_t i = 0; i < o->vocabulary; i++) {
        double log_p = (double)x[i] - o->log_sums[task];
        x[i] = (real)(o->kl_factor * (double)real_exp((real)log_p) * (log_p - o->base[i] - o->losses[task]));
    }
}

static bool objective_gradient(void *user, real *gradient, struct error *err)
{
    struct objective *o = user;
    pool_run(o->context->pool, o->n_places, differentiate_place, o);
    if (!pass_backward(o->pass, o->places, o->n_places, o->logits, o->rows->subject, o->gradients, err))
        return false;
    for (size_t i = 0; i < o->width; i++) {
        double sum = 0;
        for (size_t row = 0; row <= o->rows->n_contexts; row++)
            sum += (double)o->gradients[row * o->width + i];
        gradient[i] = (real)sum;
    }
    return true;
}

struct target_problem objective_problem(struct objective *o)
{
    const real *value = pass_value(o->pass, 0, o->rows->subject[0]);
    double sum = 0;
    for (size_t i = 0; i < o->width; i++)
        sum += (double)value[i] * (double)value[i];
    return (struct target_problem){.user = o,
                                   .width = o->width,
                                   .v0_norm = sqrt(sum),
                                   .loss = objective_loss,
                                   .gradient = objective_gradient};
}

static void gather(double *rows, double *mean, size_t row, size_t n_rows, size_t n, const real *x)
{
    for (size_t i = 0; i < n; i++) {
        rows[row * n + i] = (double)x[i];
        mean[i] += (double)x[i] / (double)n_rows;
    }
}

bool objective_states(const struct objective *o, struct subject_states *out, struct error *err)
{
    size_t n = o->rows->n_contexts, n_key = o->model->config.ff, n_value = o->width;
    struct subject_states s = {.n_contexts = n,
                               .n_key = n_key,
                               .n_value = n_value,
                               .keys = memory_zeroed(n * n_key, sizeof(double)),
                               .values = memory_zeroed(n * n_value, sizeof(double)),
                               .key_mean = memory_zeroed(n_key, sizeof(double)),
                               .value_mean = memory_zeroed(n_value, sizeof(double))};
    if (!s.keys || !s.values || !s.key_mean || !s.value_mean) {
        subject_states_release(&s);
        return error_memory(err, "collecting the keys of an edit");
    }
    for (size_t row = 0; row < n; row++) {
        size_t at = o->rows->subject[row];
        gather(s.keys, s.key_mean, row, n, n_key, pass_key(o->pass, row, at));
        gather(s.values, s.value_mean, row, n, n_value, pass_value(o->pass, row, at));
    }
    *out = s;
    return true;
}

void subject_states_release(struct subject_states *s)
{
    free(s->keys);
    free(s->values);
    free(s->key_mean);
    free(s->value_mean);
    *s = (struct subject_states){0};
}

bool objective_nll(const struct context *context, const struct model *model, const struct edit_rows *rows,
                   double *bare, double *mean, struct error *err)
{
    size_t vocabulary = model->config.vocabulary;
    struct pass *pass = NULL;
    struct place *places = make_places(rows);
    struct pass_options options = {.places = places, .n_places = rows->n_contexts * rows->n_target};
    real *logits = memory_array(rows->n_target, vocabulary * sizeof(real));
    double sum = 0;
    bool ok = (places && logits) || error_memory(err, "measuring an edit");
    ok = ok && pass_new(context, model, rows->rows, rows->n_contexts, &options, &pass, err) &&
         pass_run(pass, err);
    for (size_t row = 0; ok && row < rows->n_contexts; row++) {
        ok = pass_logits(pass, places + row * rows->n_target, rows->n_target, logits, err);
        if (!ok)
            break;
        double nll = loss_nll(logits, rows->n_target, vocabulary, rows->target, NULL);
        if (row == 0)
            *bare = nll;
        sum += nll / (double)rows->n_contexts;
    }
    *mean = sum;
    pass_free(pass);
    free(places);
    free(logits);
    return ok;
}
