/* From keys and a wanted change of the output to the factors of the update (docs/editing.md 3):
 *
 *     u = (C + ridge mean(diag C) I)^-1 k / |..|       r = e / (k' . u)       Delta = r u^T
 */
#ifndef LANCET_SOLVE_H
#define LANCET_SOLVE_H

#include "context.h"
#include "method.h"

struct solver {     /* the factor of C, used for every edit of one layer */
    double *factor; /* [n, n] lower; NULL: the identity */
    size_t n;
};

/* c [n, n] is taken over (malloc'ed) and overwritten by its factor; NULL for the identity. ERROR_NUMERIC when
 * it is not positive definite. */
bool solver_init(double *c, size_t n, double ridge, struct solver *out, struct error *err);
void solver_release(struct solver *solver);

struct update { /* of one down projection: Delta = right left^T */
    size_t n_in, n_out;
    double *solved;  /* [n_in] C^-1 k */
    double *left;    /* [n_in] u, of length 1 */
    double *right;   /* [n_out] r */
    double *key;     /* [n_in] k', on which the change is exact */
    double *change;  /* [n_out] e */
    double cosine;   /* of k' and u */
    double cosine_c; /* of the bare and the mean key in the metric of C^-1; 1 when both sides use one key */
};

/* keys: mean and bare [n_in]; change [n_out]. ERROR_NUMERIC when k' . u is zero. */
bool solve_update(const struct solver *solver, const struct edit_method *method, const double *key_mean,
                  const double *key_bare, const double *change, size_t n_out, struct update *out,
                  struct error *err);
void update_release(struct update *update);

#endif
