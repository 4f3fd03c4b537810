/* apply: out = b + sum s_i t_i, the model b with task vectors t_i added. Source 0 is the model; its scale is
 * not used. The same sum, in the same order, as task_arithmetic's with weights s_i. */
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
               .help = "factor on the task vector"},
};

static void rows(const struct merge_block *b, double *out)
{
    const struct row_kernels *k = row_kernels_best();

    for (size_t j = 0; j < b->n; j++)
        out[j] = 0;
    for (size_t i = 1; i < b->n_sources; i++)
        k->add_scaled(b->weights[i], b->in[i], b->n, out);
    k->add_scaled(1, b->in[0], b->n, out);
}

const struct merge_method merge_apply = {
    .name = "apply",
    .summary = "a model with task vectors added to it",
    .source = "Ilharco et al. 2023, Editing models with task arithmetic",
    .parameters = parameters,
    .n_parameters = sizeof parameters / sizeof *parameters,
    .least_models = 1,
    .most_models = SIZE_MAX,
    .base = BASE_REQUIRED,
    .hidden = true,
    .rows = rows,
};
