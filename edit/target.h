/* The target vector: a delta that, added to the value at the subject's last token, makes the model say the
 * target.
 *
 *     loss(delta) = nll(delta) + kl(delta) + decay |delta| / |v0|^2
 *
 * minimised by Adam from delta = 0 (docs/editing.md 2; the stop test leaves the decay
 * out). N steps are N evaluations and at most N - 1 updates. After an update delta is clamped to `clamp`
 * |v0|. */
#ifndef LANCET_TARGET_H
#define LANCET_TARGET_H

#include "context.h"
#include "real.h"
#include "settings.h"

struct target_problem {
    void *user;
    size_t width;
    double v0_norm;
    /* nll and kl (times its factor) at delta [width]. */
    bool (*loss)(void *user, const real *delta, double *nll, double *kl, struct error *err);
    /* The gradient [width] of nll + kl where loss was last called. */
    bool (*gradient)(void *user, real *gradient, struct error *err);
};

struct target_loss { /* one evaluation */
    double total, nll, kl, decay;
};

struct target {
    double *delta;    /* [width] */
    double *gradient; /* [width] of the total at delta = 0; zeros when the first evaluation was the last */
    struct target_loss *steps; /* [n_steps] evaluations, the last is the one after which the loop stopped */
    size_t n_steps;
};

/* ERROR_NUMERIC when the loss is not finite, or when the first gradient is at rounding level: then the target
 * cannot be reached from there. */
bool target_optimise(const struct context *context, const struct target_problem *problem,
                     const struct settings *settings, struct target *out, struct error *err);
void target_release(struct target *target);

#endif
