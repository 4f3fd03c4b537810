#include "merge_method.h"

#include <math.h>
#include <string.h>

#include "rows.h"

extern const struct merge_method merge_linear, merge_slerp, merge_task_arithmetic, merge_passthrough,
    merge_difference, merge_apply;

const struct merge_method *const merge_methods[] = {
    &merge_linear, &merge_slerp, &merge_task_arithmetic, &merge_passthrough, &merge_difference,
    &merge_apply,  NULL,
};

const struct merge_method *merge_method_find(const char *name)
{
    for (size_t i = 0; merge_methods[i]; i++)
        if (strcmp(merge_methods[i]->name, name) == 0)
            return merge_methods[i];
    return NULL;
}

void merge_round_step(enum dtype dtype, double *x, size_t n)
{
    uint16_t halves[MERGE_BLOCK];

    for (size_t i = 0; i < n && dtype != DTYPE_F64; i++)
        x[i] = (double)(float)x[i];
    if (dtype != DTYPE_BF16 && dtype != DTYPE_F16)
        return;
    rows_from_f64(dtype, x, n, halves);
    rows_to_f64(dtype, halves, n, x);
}

const char *merge_divisor_fault(const struct merge_block *block, size_t first)
{
    double sum = 0, size = 0;

    for (size_t i = first; i < block->n_sources; i++) {
        sum += block->weights[i];
        size += fabs(block->weights[i]);
    }
    if (!isfinite(sum))
        return "its weights are normalised and their sum is not finite";
    return fabs(sum) <= 1e-12 * size ? "its weights sum to 0 and are normalised" : NULL;
}
