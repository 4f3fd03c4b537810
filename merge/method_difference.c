/* difference: out = x - b, the task vector of the one model. Source 0 is the base b. */
#include "merge_method.h"

static void rows(const struct merge_block *b, double *out)
{
    for (size_t j = 0; j < b->n; j++)
        out[j] = b->in[1][j] - b->in[0][j];
}

const struct merge_method merge_difference = {
    .name = "difference",
    .summary = "what a model adds to its base",
    .source = "Ilharco et al. 2023, Editing models with task arithmetic",
    .least_models = 1,
    .most_models = 1,
    .base = BASE_REQUIRED,
    .hidden = true,
    .rows = rows,
};
