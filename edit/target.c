#include "target.h"

#include <string.h>

#include "linalg.h"
#include "memory.h"

/* A healthy gradient changes the loss by 1e-3 and more over a step of |v0|; rounding noise by 1e-7 of the
 * logits. */
static const double rounding_level = 1e-5;

/* -log p of a target that counts as reached: p = 0.9. */
static const double reached = 0.1;

struct adam {               /* torch's form, betas 0.9 and 0.999, eps 1e-8 */
    double *first, *second; /* [n] */
    size_t n;
    unsigned step;
};

static void adam_step(struct adam *adam, double lr, const double *gradient, double *x)
{
    adam->step++;
    double correct_first = 1 - pow(0.9, adam->step), correct_second = 1 - pow(0.999, adam->step);
    for (size_t i = 0; i < adam->n; i++) {
        double g = gradient[i];
        adam->first[i] = 0.9 * adam->first[i] + 0.1 * g;
        adam->second[i] = 0.999 * adam->second[i] + 0.001 * g * g;
        x[i] -= lr * (adam->first[i] / correct_first) / (sqrt(adam->second[i] / correct_second) + 1e-8);
    }
}

static void clamp(double *delta, size_t n, double radius)
{
    double norm = linalg_norm(delta, n);
    if (norm > radius)
        for (size_t i = 0; i < n; i++)
            delta[i] *= radius / norm;
}

struct loop {
    const struct target_problem *problem;
    const struct settings *settings;
    struct adam adam;
    real *delta, *gradient; /* [width], as the engine wants them */
    double *total_gradient; /* [width] */
};

static bool evaluate(struct loop *loop, const double *delta, struct target_loss *out, struct error *err)
{
    const struct target_problem *p = loop->problem;
    for (size_t i = 0; i < p->width; i++)
        loop->delta[i] = (real)delta[i];
    if (!p->loss(p->user, loop->delta, &out->nll, &out->kl, err))
        return false;
    out->decay =
        loop->settings->value[SETTING_DECAY] * linalg_norm(delta, p->width) / (p->v0_norm * p->v0_norm);
    out->total = out->nll + out->kl + out->decay;
    if (!isfinite(out->total))
        return error_set(err, ERROR_NUMERIC, "the loss of the edit is not finite (nll %g, kl %g, decay %g)",
                         out->nll, out->kl, out->decay);
    return true;
}

/* The gradient of the total; that of |delta| is 0 at delta = 0, as in torch. */
static bool differentiate(struct loop *loop, const double *delta, struct error *err)
{
    const struct target_problem *p = loop->problem;
    if (!p->gradient(p->user, loop->gradient, err))
        return false;
    double norm = linalg_norm(delta, p->width);
    double decay = norm > 0 ? loop->settings->value[SETTING_DECAY] / (norm * p->v0_norm * p->v0_norm) : 0;
    for (size_t i = 0; i < p->width; i++)
        loop->total_gradient[i] = (double)loop->gradient[i] + decay * delta[i];
    return true;
}

static bool check_first_gradient(const struct loop *loop, struct error *err)
{
    double reach = linalg_norm(loop->total_gradient, loop->problem->width) * loop->problem->v0_norm;
    if (reach >= rounding_level)
        return true;
    if (!isfinite(reach))
        return error_set(err, ERROR_NUMERIC, "the gradient of the target's probability is not finite");
    return error_set(
        err, ERROR_NUMERIC,
        "the gradient of the target's probability with respect to delta is zero (%.1e of the loss, which "
        "is rounding noise): nothing after the subject sees what this layer writes there",
        reach);
}

/* Whether evaluation number `it` (from 0) is the last one. */
static bool is_last(const struct settings *s, const struct target_loss *loss, size_t it)
{
    size_t n = it + 1;
    return loss->nll + loss->kl < s->value[SETTING_STOP] || n == (size_t)s->value[SETTING_STEPS] ||
           (n >= (size_t)s->value[SETTING_ENOUGH] && loss->nll < reached);
}

static bool run(const struct context *context, struct loop *loop, struct target *out, struct error *err)
{
    const struct settings *s = loop->settings;
    size_t n = loop->problem->width, steps = (size_t)s->value[SETTING_STEPS];
    for (size_t it = 0; it < steps; it++) {
        struct target_loss *loss = &out->steps[it];
        if (!context_continue(context, err) || !evaluate(loop, out->delta, loss, err))
            return false;
        out->n_steps = it + 1;
        context_progress(context, "finding the target vector", it + 1, steps);
        if (is_last(s, loss, it))
            return true;
        if (!differentiate(loop, out->delta, err))
            return false;
        if (it == 0) {
            memcpy(out->gradient, loop->total_gradient, n * sizeof(double));
            if (!check_first_gradient(loop, err))
                return false;
        }
        adam_step(&loop->adam, s->value[SETTING_LR], loop->total_gradient, out->delta);
        clamp(out->delta, n, s->value[SETTING_CLAMP] * loop->problem->v0_norm);
    }
    return true;
}

bool target_optimise(const struct context *context, const struct target_problem *problem,
                     const struct settings *settings, struct target *out, struct error *err)
{
    size_t n = problem->width;
    struct target target = {.delta = memory_zeroed(n, sizeof(double)),
                            .gradient = memory_zeroed(n, sizeof(double)),
                            .steps =
                                memory_zeroed((size_t)settings->value[SETTING_STEPS], sizeof *target.steps)};
    struct loop loop = {.problem = problem,
                        .settings = settings,
                        .adam = {memory_zeroed(n, sizeof(double)), memory_zeroed(n, sizeof(double)), n, 0},
                        .delta = memory_array(n, sizeof(real)),
                        .gradient = memory_array(n, sizeof(real)),
                        .total_gradient = memory_array(n, sizeof(double))};
    bool ok = target.delta && target.gradient && target.steps && loop.adam.first && loop.adam.second &&
              loop.delta && loop.gradient && loop.total_gradient;
    if (!ok)
        error_memory(err, "finding the target vector");
    else if (!(problem->v0_norm > 0) || !isfinite(problem->v0_norm))
        ok = error_set(err, ERROR_NUMERIC, "the value at the subject has the norm %g", problem->v0_norm);
    else
        ok = run(context, &loop, &target, err);
    free(loop.adam.first);
    free(loop.adam.second);
    free(loop.delta);
    free(loop.gradient);
    free(loop.total_gradient);
    if (ok)
        *out = target;
    else
        target_release(&target);
    return ok;
}

void target_release(struct target *target)
{
    free(target->delta);
    free(target->gradient);
    free(target->steps);
    *target = (struct target){0};
}
