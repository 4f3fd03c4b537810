#include "ops.h"

#include <string.h>

/* ---- norms ----
 *
 * LayerNorm, x^ = (x - mean) / s, s = sqrt(var + eps), y = x^ w + b, g = dy w:
 *   dx = (g - mean(g) - x^ mean(g x^)) / s
 * RMSNorm, s = sqrt(mean(x^2) + eps), y = x / s (offset + w), g = dy (offset + w):
 *   dx = (g - x mean(g x) / s^2) / s
 */

static void mean_and_scale(const real *x, size_t n, double eps, double *mean, double *inverse)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *inverse = 1 / sqrt(squares / (double)n + eps);
}

void ops_layer_norm(const real *x, const real *w, const real *b, double eps, size_t n, real *y)
{
    double mean, inverse;

    mean_and_scale(x, n, eps, &mean, &inverse);
    for (size_t i = 0; i < n; i++) {
        double normal = ((double)x[i] - mean) * inverse * (double)w[i];
        y[i] = (real)(b ? normal + (double)b[i] : normal);
    }
}

void ops_layer_norm_backward(const real *x, const real *w, double eps, const real *dy, size_t n, real *dx)
{
    double mean, inverse, sum_g = 0, sum_gx = 0;

    mean_and_scale(x, n, eps, &mean, &inverse);
    for (size_t i = 0; i < n; i++) {
        double g = (double)dy[i] * (double)w[i];
        sum_g += g;
        sum_gx += g * ((double)x[i] - mean) * inverse;
    }
    for (size_t i = 0; i < n; i++) {
        double g = (double)dy[i] * (double)w[i], normal = ((double)x[i] - mean) * inverse;
        dx[i] = (real)((double)dx[i] + (g - sum_g / (double)n - normal * sum_gx / (double)n) * inverse);
    }
}

/* Four partial sums let the compiler use vectors. */
static double inverse_rms(const real *x, size_t n, double eps)
{
    double sum[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t j = 0; i < n; i++, j++)
        sum[j] += (double)x[i] * (double)x[i];
    return 1 / sqrt(((sum[0] + sum[2]) + (sum[1] + sum[3])) / (double)n + eps);
}

void ops_rms_norm(const real *x, const real *w, double offset, double eps, size_t n, real *y)
{
    double inverse = inverse_rms(x, n, eps);

    for (size_t i = 0; i < n; i++)
        y[i] = (real)((double)x[i] * inverse * (offset + (double)w[i]));
}

void ops_rms_norm_backward(const real *x, const real *w, double offset, double eps, const real *dy, size_t n,
                           real *dx)
{
    double inverse = inverse_rms(x, n, eps), sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)dy[i] * (offset + (double)w[i]) * (double)x[i];
    sum *= inverse * inverse / (double)n;
    for (size_t i = 0; i < n; i++) {
        double g = (double)dy[i] * (offset + (double)w[i]);
        dx[i] = (real)((double)dx[i] + (g - (double)x[i] * sum) * inverse);
    }
}

/* ---- activations ---- */

static real sigmoid(real x)
{
    return 1 / (1 + real_exp(-x));
}

static real gelu(real x)
{
    return (real)0.5 * x * (1 + real_erf(x * (real)0.70710678118654752440));
}

static real gelu_slope(real x)
{
    real density = (real)0.39894228040143267794 * real_exp((real)-0.5 * x * x);

    return (real)0.5 * (1 + real_erf(x * (real)0.70710678118654752440)) + x * density;
}

static const double tanh_scale = 0.79788456080286535588, tanh_cubic = 0.044715;

static real gelu_tanh(real x)
{
    return (real)0.5 * x * (1 + real_tanh((real)tanh_scale * (x + (real)tanh_cubic * x * x * x)));
}

static real gelu_tanh_slope(real x)
{
    real t = real_tanh((real)tanh_scale * (x + (real)tanh_cubic * x * x * x));
    real inner = (real)tanh_scale * (1 + 3 * (real)tanh_cubic * x * x);

    return (real)0.5 * (1 + t) + (real)0.5 * x * (1 - t * t) * inner;
}

static real silu(real x)
{
    return x * sigmoid(x);
}

static real silu_slope(real x)
{
    real s = sigmoid(x);

    return s * (1 + x * (1 - s));
}

static real relu(real x)
{
    return x > 0 ? x : 0;
}

static real relu_slope(real x)
{
    return x > 0 ? 1 : 0;
}

static real quick_gelu(real x)
{
    return x * sigmoid((real)1.702 * x);
}

static real quick_gelu_slope(real x)
{
    real s = sigmoid((real)1.702 * x);

    return s * (1 + (real)1.702 * x * (1 - s));
}

static const struct {
    real (*value)(real x);
    real (*slope)(real x);
} activations[ACTIVATION_COUNT] = {
    [ACTIVATION_GELU] = {gelu, gelu_slope},
    [ACTIVATION_GELU_TANH] = {gelu_tanh, gelu_tanh_slope},
    [ACTIVATION_SILU] = {silu, silu_slope},
    [ACTIVATION_RELU] = {relu, relu_slope},
    [ACTIVATION_QUICK_GELU] = {quick_gelu, quick_gelu_slope},
};

bool activation_parse(const char *name, enum activation *out)
{
    static const struct {
        const char *name;
        enum activation kind;
    } names[] = {
        {"gelu", ACTIVATION_GELU},
        {"gelu_new", ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
        {"gelu_fast", ACTIVATION_GELU_TANH},
        {"silu", ACTIVATION_SILU},
        {"swish", ACTIVATION_SILU},
        {"relu", ACTIVATION_RELU},
        {"quick_gelu", ACTIVATION_QUICK_GELU},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].kind;
            return true;
        }
    return false;
}

void ops_activation(enum activation kind, const real *x, size_t n, real *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = activations[kind].value(x[i]);
}

void ops_activation_backward(enum activation kind, const real *x, const real *dy, size_t n, real *dx)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * activations[kind].slope(x[i]);
}

/* ---- softmax ---- */

static real row_maximum(const real *x, size_t n)
{
    real max = (real)-INFINITY;

    for (size_t i = 0; i < n; i++)
        if (x[i] > max || isnan(x[i]))
            max = x[i];
    return max;
}

void ops_softmax(real *x, size_t n)
{
    real max = row_maximum(x, n);
    double sum = 0;

    if (max == (real)-INFINITY) {
        memset(x, 0, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = real_exp(x[i] - max);
        sum += (double)x[i];
    }
    for (size_t i = 0; i < n; i++)
        x[i] = (real)((double)x[i] / sum);
}

double ops_log_sum_exp(const real *x, size_t n)
{
    real max = row_maximum(x, n);
    double sum = 0;

    if (max == (real)-INFINITY)
        return -INFINITY;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)max);
    return (double)max + log(sum);
}

void ops_rotate(real *head, const real *cosine, const real *sine, size_t half, bool interleaved,
                bool backward)
{
    size_t step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
    real sign = backward ? -1 : 1;

    for (size_t i = 0; i < half; i++) {
        real *a = head + i * step, *b = a + other, s = sign * sine[i], x = *a;

        *a = x * cosine[i] - *b * s;
        *b = *b * cosine[i] + x * s;
    }
}
