#include "solve.h"

#include <math.h>
#include <string.h>

#include "linalg.h"
#include "memory.h"

bool solver_init(double *c, size_t n, double ridge, struct solver *out, struct error *err)
{
    if (c && !linalg_factor(c, n, ridge, err)) {
        free(c);
        return error_prefix(err, "covariance of the MLP keys");
    }
    *out = (struct solver){.factor = c, .n = n};
    return true;
}

void solver_release(struct solver *solver)
{
    free(solver->factor);
    *solver = (struct solver){0};
}

/* x = C^-1 key, [n]. */
static bool apply_inverse(const struct solver *solver, const double *key, double *x, struct error *err)
{
    memcpy(x, key, solver->n * sizeof(double));
    return !solver->factor || linalg_solve(solver->factor, solver->n, x, 1, err);
}

/* Fills solved, left and the two cosines; scratch [n] is C^-1 k of the other key. */
static bool solve_direction(const struct solver *solver, const struct edit_method *method,
                            const double *key_mean, const double *key_bare, double *scratch, struct update *u,
                            struct error *err)
{
    bool mean = method->direction == EDIT_KEY_MEAN;
    const double *key = mean ? key_mean : key_bare, *other = mean ? key_bare : key_mean;
    size_t n = solver->n;
    if (!apply_inverse(solver, key, u->solved, err) || !apply_inverse(solver, other, scratch, err))
        return false;
    u->cosine_c =
        linalg_dot(other, u->solved, n) / sqrt(linalg_dot(key, u->solved, n) * linalg_dot(other, scratch, n));
    double norm = linalg_norm(u->solved, n);
    if (!(norm > 0) || !isfinite(norm))
        return error_set(err, ERROR_NUMERIC, "the key of the subject has the norm %g", linalg_norm(key, n));
    for (size_t i = 0; i < n; i++)
        u->left[i] = u->solved[i] / norm;
    return true;
}

bool solve_update(const struct solver *solver, const struct edit_method *method, const double *key_mean,
                  const double *key_bare, const double *change, size_t n_out, struct update *out,
                  struct error *err)
{
    size_t n = solver->n;
    const double *divisor = method->division == EDIT_KEY_MEAN ? key_mean : key_bare;
    struct update u = {.n_in = n,
                       .n_out = n_out,
                       .solved = memory_array(n, sizeof(double)),
                       .left = memory_array(n, sizeof(double)),
                       .right = memory_array(n_out, sizeof(double)),
                       .key = memory_array(n, sizeof(double)),
                       .change = memory_array(n_out, sizeof(double))};
    double *scratch = memory_array(n, sizeof(double));
    bool ok = u.solved && u.left && u.right && u.key && u.change && scratch;
    if (!ok)
        error_memory(err, "solving for the update");
    ok = ok && solve_direction(solver, method, key_mean, key_bare, scratch, &u, err);
    if (ok) {
        memcpy(u.key, divisor, n * sizeof(double));
        memcpy(u.change, change, n_out * sizeof(double));
        double along = linalg_dot(u.key, u.left, n);
        u.cosine = along / linalg_norm(u.key, n);
        if (along == 0 || !isfinite(along))
            ok = error_set(err, ERROR_NUMERIC,
                           "the key of the subject has no part along its direction (k.u = %g)", along);
        for (size_t i = 0; ok && i < n_out; i++)
            u.right[i] = change[i] / along;
    }
    free(scratch);
    if (ok)
        *out = u;
    else
        update_release(&u);
    return ok;
}

void update_release(struct update *update)
{
    free(update->solved);
    free(update->left);
    free(update->right);
    free(update->key);
    free(update->change);
    *update = (struct update){0};
}
