/* Figures of one tensor, over all of its elements, read in blocks on the pool. */
#ifndef LANCET_STATISTICS_H
#define LANCET_STATISTICS_H

#include "checkpoint.h"

struct tensor_statistics {
    /* Of the finite elements; NaN where there is none (norm: 0). `std` is that of the population. */
    double min, max, mean, std, norm;
    uint64_t finite, zeros, nans, infinities;
};

bool tensor_statistics_apply(const struct tensor *tensor); /* whether its dtype can be read */
/* The same bits for any number of threads. */
bool tensor_statistics(const struct context *context, const struct tensor *tensor,
                       struct tensor_statistics *out, struct error *err);

#endif
