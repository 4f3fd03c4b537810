/* linear: out = sum w_i x_i, divided by sum w_i with normalize. "Model soups" (Wortsman et al. 2022) when all
 * weights are equal.
 *
 * mergekit 0.1.5 puts the weights in f32, adds with one fused multiply-add a model in f32, divides by the f32
 * sum of the weights, and rounds once. */
#include "merge_method.h"

#include <math.h>

#include "row_kernels.h"

enum { WEIGHT, NORMALIZE };

static const struct merge_parameter parameters[] = {
    [WEIGHT] = {.name = "weight",
                .scope = PARAMETER_MODEL,
                .kind = PARAMETER_NUMBER,
                .required = true,
                .least = -INFINITY,
                .most = INFINITY,
                .help = "how much of this model"},
    [NORMALIZE] = {.name = "normalize",
                   .scope = PARAMETER_WHOLE,
                   .kind = PARAMETER_BOOL,
                   .standard = 1,
                   .least = 0,
                   .most = 1,
                   .help = "divide by the sum of the weights"},
};

static const char *fault(const struct merge_block *b)
{
    return b->values[NORMALIZE] != 0 ? merge_divisor_fault(b, 0) : NULL;
}

static void rows(const struct merge_block *b, double *out)
{
    const struct row_kernels *k = row_kernels_best();
    const double *w = b->weights;
    double total = w[0];

    if (b->n_sources == 1)
        k->scale(w[0], b->in[0], b->n, out);
    else
        k->combine(w[0], b->in[0], w[1], b->in[1], b->n, out);
    for (size_t i = 1; i < b->n_sources; i++) {
        if (i > 1)
            k->add_scaled(w[i], b->in[i], b->n, out);
        total += w[i];
    }
    if (b->values[NORMALIZE] != 0 && total != 1)
        k->divide(total, b->n, out);
}

static void rows_mergekit(const struct merge_block *b, double *out)
{
    float total = 0;

    for (size_t i = 0; i < b->n_sources; i++)
        total += (float)b->weights[i];
    for (size_t j = 0; j < b->n; j++) {
        float sum = 0;
        for (size_t i = 0; i < b->n_sources; i++)
            sum = fmaf((float)b->weights[i], (float)b->in[i][j], sum);
        out[j] = (double)(b->values[NORMALIZE] != 0 ? sum / total : sum);
    }
    merge_round_step(b->dtype, out, b->n);
}

const struct merge_method merge_linear = {
    .name = "linear",
    .summary = "weighted mean of the models",
    .source = "Wortsman et al. 2022, Model soups",
    .parameters = parameters,
    .n_parameters = sizeof parameters / sizeof *parameters,
    .least_models = 1,
    .most_models = SIZE_MAX,
    .base = BASE_UNUSED,
    .fault = fault,
    .rows = rows,
    .rows_mergekit = rows_mergekit,
};
