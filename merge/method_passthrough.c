/* passthrough: out = scale x of the one model that a tensor has. Without a scale (or with 1) its bytes are
 * copied. It stacks layers of one or several models (slices). mergekit rounds the scaled value to the dtype
 * of the tensor. */
#include "merge_method.h"

#include <math.h>

#include "row_kernels.h"

enum { SCALE };

static const struct merge_parameter parameters[] = {
    [SCALE] = {.name = "scale",
               .scope = PARAMETER_MODEL,
               .kind = PARAMETER_NUMBER,
               .standard = 1,
               .least = -INFINITY,
               .most = INFINITY,
               .help = "factor on the model's tensor"},
};

static void rows(const struct merge_block *b, double *out)
{
    row_kernels_best()->scale(b->weights[0], b->in[0], b->n, out);
}

static void rows_mergekit(const struct merge_block *b, double *out)
{
    double scale = (double)(float)b->weights[0];

    for (size_t j = 0; j < b->n; j++)
        out[j] = scale * b->in[0][j];
    merge_round_step(b->dtype, out, b->n);
}

const struct merge_method merge_passthrough = {
    .name = "passthrough",
    .summary = "tensors as they are, for stacking layers",
    .source = "mergekit",
    .parameters = parameters,
    .n_parameters = sizeof parameters / sizeof *parameters,
    .least_models = 1,
    .most_models = 1,
    .base = BASE_UNUSED,
    .rows = rows,
    .rows_mergekit = rows_mergekit,
};
