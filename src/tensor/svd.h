/* The largest singular values of a matrix that is only ever read in blocks (Halko, Martinsson, Tropp:
 * "Finding structure with randomness", SIAM Review 53, 2011, algorithms 4.4 and 5.1). */
#ifndef LANCET_SVD_H
#define LANCET_SVD_H

#include <stddef.h>
#include <stdint.h>

#include "context.h"

struct svd_matrix {
    uint64_t rows, columns;
    /* Rows [row, row + n_rows) of columns [column, column + n_columns), finite, as out [n_rows, n_columns].
     * Called by several threads at once. */
    void (*block)(const void *user, uint64_t row, size_t n_rows, uint64_t column, size_t n_columns,
                  double *out);
    const void *user;
};

struct svd_residual {   /* of the matrix less its first i components */
    double norm;        /* Frobenius */
    double row, column; /* largest norm of a row, of a column */
};

struct svd {
    size_t n;
    double *values;                 /* [n], largest first */
    struct svd_residual *residuals; /* [n + 1] */
};

/* The first n components (at most the shorter side, which must fit in an int); those that matter should be
 * fewer than n by ten or so. The same bits for any number of threads. Values below 1e-7 of the first are
 * noise of the arithmetic. */
bool svd_largest(const struct context *context, const struct svd_matrix *matrix, size_t n, uint64_t seed,
                 struct svd *out, struct error *err);
void svd_release(struct svd *svd);

#endif
