/* task_arithmetic: out = b + lambda sum w_i (x_i - b), the sum divided by sum w_i with normalize. Ilharco et
 * al. 2023, "Editing models with task arithmetic". Source 0 is the base b; its weight is not used.
 *
 * mergekit rounds each of d = x - b, w, d w, the sum over models, the quotient, the product with lambda and
 * the sum with b to the dtype of the tensors, and divides by 1 where |sum w_i| < 1e-8. */
#include "merge_method.h"

#include <math.h>

#include "row_kernels.h"

enum { WEIGHT, LAMBDA, NORMALIZE };

static const struct merge_parameter parameters[] = {
    [WEIGHT] = {.name = "weight",
                .scope = PARAMETER_MODEL,
                .kind = PARAMETER_NUMBER,
                .required = true,
                .least = -INFINITY,
                .most = INFINITY,
                .help = "how much of this model's difference to the base"},
    [LAMBDA] = {.name = "lambda",
                .scope = PARAMETER_WHOLE,
                .kind = PARAMETER_NUMBER,
                .standard = 1,
                .least = -INFINITY,
                .most = INFINITY,
                .help = "factor on the sum of the differences"},
    [NORMALIZE] = {.name = "normalize",
                   .scope = PARAMETER_WHOLE,
                   .kind = PARAMETER_BOOL,
                   .standard = 0,
                   .least = 0,
                   .most = 1,
                   .help = "divide by the sum of the weights"},
};

static const char *fault(const struct merge_block *b)
{
    return b->values[NORMALIZE] != 0 ? merge_divisor_fault(b, 1) : NULL;
}

static void rows(const struct merge_block *b, double *out)
{
    const struct row_kernels *k = row_kernels_best();
    double total = 0;

    for (size_t j = 0; j < b->n; j++)
        out[j] = 0;
    for (size_t i = 1; i < b->n_sources; i++) {
        k->add_difference(b->weights[i], b->in[i], b->in[0], b->n, out);
        total += b->weights[i];
    }
    if (b->values[NORMALIZE] != 0)
        k->divide(total, b->n, out);
    if (b->values[LAMBDA] != 1)
        k->scale(b->values[LAMBDA], out, b->n, out);
    k->add_scaled(1, b->in[0], b->n, out);
}

static void rows_mergekit(const struct merge_block *b, double *out)
{
    const double *base = b->in[0];
    float lambda = (float)b->values[LAMBDA];
    double step[MERGE_BLOCK], total = 0, w;

    for (size_t j = 0; j < b->n; j++)
        out[j] = 0;
    for (size_t i = 1; i < b->n_sources; i++) {
        w = b->weights[i];
        merge_round_step(b->dtype, &w, 1);
        for (size_t j = 0; j < b->n; j++)
            step[j] = b->in[i][j] - base[j];
        merge_round_step(b->dtype, step, b->n);
        for (size_t j = 0; j < b->n; j++)
            step[j] *= w;
        merge_round_step(b->dtype, step, b->n);
        for (size_t j = 0; j < b->n; j++)
            out[j] = (double)(float)(out[j] + step[j]);
        total = (double)(float)(total + w);
    }
    merge_round_step(b->dtype, out, b->n);
    merge_round_step(b->dtype, &total, 1);
    if (b->values[NORMALIZE] != 0) {
        for (size_t j = 0; j < b->n; j++)
            out[j] /= fabs(total) < 1e-8 ? 1 : total;
        merge_round_step(b->dtype, out, b->n);
    }
    for (size_t j = 0; j < b->n; j++)
        out[j] *= (double)lambda;
    merge_round_step(b->dtype, out, b->n);
    for (size_t j = 0; j < b->n; j++)
        out[j] += base[j];
    merge_round_step(b->dtype, out, b->n);
}

const struct merge_method merge_task_arithmetic = {
    .name = "task_arithmetic",
    .summary = "the base and a weighted sum of the models' differences to it",
    .source = "Ilharco et al. 2023, Editing models with task arithmetic",
    .parameters = parameters,
    .n_parameters = sizeof parameters / sizeof *parameters,
    .least_models = 1,
    .most_models = SIZE_MAX,
    .base = BASE_REQUIRED,
    .fault = fault,
    .rows = rows,
    .rows_mergekit = rows_mergekit,
};
