/* slerp: the point t of the way along the great circle between two tensors, each seen as one vector. Source 0
 * is the base (t = 0).
 *
 *   c = <x0, x1> / (|x0| |x1|), a norm below 1e-8 counting as 1;  W = arccos c
 *   out = sin((1-t) W) / sin W x0 + sin(t W) / sin W x1           if |c| <= 0.9995
 *   out = (1-t) x0 + t x1                                         else ("lerp")
 *
 * Shoemake 1985, "Animating rotation with quaternion curves"; the thresholds are mergekit's, which computes
 * the same in f32. */
#include "merge_method.h"

#include <math.h>

#include "row_kernels.h"

enum { T };
enum { SQUARE_0, SQUARE_1, PRODUCT, N_SUMS }; /* as add_products gives them */

static const double least_norm = 1e-8, straight = 0.9995;

static const struct merge_parameter parameters[] = {
    [T] = {.name = "t",
           .scope = PARAMETER_WHOLE,
           .kind = PARAMETER_NUMBER,
           .required = true,
           .least = 0,
           .most = 1,
           .help = "how far from the base (0) to the other model (1)"},
};

static void add_sums(const struct merge_block *b, double *sums)
{
    row_kernels_best()->add_products(b->in[0], b->in[1], b->n, sums);
}

static double cosine(const double *sums)
{
    double norm_0 = sqrt(sums[SQUARE_0]), norm_1 = sqrt(sums[SQUARE_1]);

    return sums[PRODUCT] / ((norm_0 < least_norm ? 1 : norm_0) * (norm_1 < least_norm ? 1 : norm_1));
}

static const char *branch(const struct merge_block *b)
{
    return fabs(cosine(b->sums)) > straight ? "lerp" : "slerp";
}

static void rows(const struct merge_block *b, double *out)
{
    double c = cosine(b->sums), t = b->values[T], a0 = 1 - t, a1 = t;

    if (fabs(c) <= straight) {
        double angle = acos(c), sine = sin(angle);
        a0 = sin((1 - t) * angle) / sine;
        a1 = sin(t * angle) / sine;
    }
    row_kernels_best()->combine(a0, b->in[0], a1, b->in[1], b->n, out);
}

static void rows_mergekit(const struct merge_block *b, double *out)
{
    float c = (float)cosine(b->sums), t = (float)b->values[T], a0 = 1 - t, a1 = t;

    if (fabs((double)c) <= straight) {
        float angle = acosf(c), sine = sinf(angle);
        a0 = sinf(a0 * angle) / sine;
        a1 = sinf(t * angle) / sine;
    }
    for (size_t j = 0; j < b->n; j++)
        out[j] = (double)(a0 * (float)b->in[0][j] + a1 * (float)b->in[1][j]);
    merge_round_step(b->dtype, out, b->n);
}

const struct merge_method merge_slerp = {
    .name = "slerp",
    .summary = "spherical interpolation between two models",
    .source = "Shoemake 1985, Animating rotation with quaternion curves",
    .parameters = parameters,
    .n_parameters = sizeof parameters / sizeof *parameters,
    .least_models = 2,
    .most_models = 2,
    .base = BASE_ONE_OF,
    .branch = branch,
    .n_sums = N_SUMS,
    .add_sums = add_sums,
    .rows = rows,
    .rows_mergekit = rows_mergekit,
};
