/* Dense f64 linear algebra through LAPACK and BLAS, row-major, symmetric matrices full. */
#ifndef LANCET_LINALG_H
#define LANCET_LINALG_H

#include <stddef.h>

#include "context.h"
#include "real.h"

/* C [n, n] += sum over the m rows of K [m, n] of k k^T, in f64, the same bits for any number of threads. */
bool linalg_add_outer(const struct context *context, double *c, const real *rows, size_t m, size_t n,
                      struct error *err);
/* Cholesky of A + ridge * mean(diag A) * I in place (lower). ERROR_NUMERIC names the pivot when it is not positive
 * definite or not finite. */
bool linalg_factor(double *a, size_t n, double ridge, struct error *err);
/* Solves A x = b for n_columns right-hand sides, b [n_columns][n] in place, with the factor above. */
bool linalg_solve(const double *factor, size_t n, double *b, size_t n_columns, struct error *err);
double linalg_dot(const double *a, const double *b, size_t n);
double linalg_norm(const double *a, size_t n);

#endif
