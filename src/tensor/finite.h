/* Whether a tensor holds numbers only. */
#ifndef LANCET_FINITE_H
#define LANCET_FINITE_H

#include "checkpoint.h"

struct finite_count {
    uint64_t nans, infinities;
    uint64_t first; /* element that is the first of them; the number of elements when there is none */
};

/* Reads the whole tensor, on the context's pool. A dtype that cannot hold NaN, or that lancet does not read,
 * counts none. */
bool finite_count(const struct context *context, const struct tensor *tensor, struct finite_count *out,
                  struct error *err);

#endif
