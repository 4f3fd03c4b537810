/* The values of two tensors of one shape, compared element by element. */
#ifndef LANCET_DIFF_VALUES_H
#define LANCET_DIFF_VALUES_H

#include "diff.h"

/* Whether all n bytes are the same. Stops soon after the first difference. */
bool diff_same_bytes(const struct context *context, const struct tensor *a, const struct tensor *b,
                     bool *same, struct error *err);

/* Figures of B against A; both dtypes can be read. *rounded: all values of the side with the wider dtype,
 * rounded to the dtype of the other, are the other's. */
bool diff_values(const struct context *context, const struct tensor *a, const struct tensor *b,
                 struct diff_figures *out, bool *rounded, struct error *err);

#endif
