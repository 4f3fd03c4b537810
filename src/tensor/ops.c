#include "ops.h"

#include <string.h>

#include "exponential.h"

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

/* ---- activations ----
 *
 * SiLU, quick GELU and tanh GELU are all x s(g), s the logistic function: g = x, 1.702 x, and 2 u with
 * u = sqrt(2 / pi) (x + 0.044715 x^3), since (1 + tanh u) / 2 = s(2 u). Derivative: s + x s (1 - s) g'. */

enum { PIECE = 256 };

static const double tanh_scale = 0.79788456080286535588, tanh_cubic = 0.044715;

static bool is_gated(enum activation kind)
{
    return kind == ACTIVATION_SILU || kind == ACTIVATION_QUICK_GELU || kind == ACTIVATION_GELU_TANH;
}

/* t = exp(-g(x)) */
static void gate_exponential(enum activation kind, const real *x, size_t n, real *t)
{
    if (kind != ACTIVATION_GELU_TANH) {
        exponential(x, n, kind == ACTIVATION_SILU ? -1 : (real)-1.702, 0, t);
        return;
    }
    for (size_t i = 0; i < n; i++)
        t[i] = x[i] + (real)tanh_cubic * x[i] * x[i] * x[i];
    exponential(t, n, (real)(-2 * tanh_scale), 0, t);
}

static void gate_slope(enum activation kind, const real *x, const real *dy, size_t n, real *t, real *dx)
{
    real linear = kind == ACTIVATION_SILU         ? 1
                  : kind == ACTIVATION_QUICK_GELU ? (real)1.702
                                                  : (real)(2 * tanh_scale);
    real cubic = kind == ACTIVATION_GELU_TANH ? (real)(6 * tanh_scale * tanh_cubic) : 0;

    gate_exponential(kind, x, n, t);
    for (size_t i = 0; i < n; i++) {
        real s = 1 / (1 + t[i]), rest = t[i] < 1 ? t[i] * s : 1 - s; /* 1 - s without cancellation */

        dx[i] = dy[i] * (s + x[i] * s * rest * (linear + cubic * x[i] * x[i]));
    }
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

void ops_activation(enum activation kind, const real *x, size_t n, real *y)
{
    real t[PIECE];

    for (size_t at = 0; is_gated(kind) && at < n; at += PIECE) {
        size_t end = n - at < PIECE ? n - at : PIECE;

        gate_exponential(kind, x + at, end, t);
        for (size_t i = 0; i < end; i++)
            y[at + i] = x[at + i] / (1 + t[i]);
    }
    for (size_t i = 0; !is_gated(kind) && i < n; i++)
        y[i] = kind == ACTIVATION_GELU ? gelu(x[i]) : x[i] > 0 ? x[i] : 0;
}

void ops_activation_backward(enum activation kind, const real *x, const real *dy, size_t n, real *dx)
{
    real t[PIECE];

    for (size_t at = 0; is_gated(kind) && at < n; at += PIECE)
        gate_slope(kind, x + at, dy + at, n - at < PIECE ? n - at : PIECE, t, dx + at);
    for (size_t i = 0; !is_gated(kind) && i < n; i++)
        dx[i] = dy[i] * (kind == ACTIVATION_GELU ? gelu_slope(x[i]) : x[i] > 0);
}

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

/* ---- softmax ---- */

void ops_cap(real *x, size_t n, double cap)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)cap * real_tanh(x[i] / (real)cap);
}

/* Partial results of fixed places let the compiler use vectors. */
enum { LANES = 8 };

/* NaN when there is one. */
static real row_maximum(const real *x, size_t n)
{
    real lane[LANES], max = (real)-INFINITY;
    bool is_nan = false;
    size_t i = 0;

    for (size_t j = 0; j < LANES; j++)
        lane[j] = max;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
            is_nan |= x[i + j] != x[i + j];
        }
    for (; i < n; i++) {
        max = x[i] > max ? x[i] : max;
        is_nan |= x[i] != x[i];
    }
    for (size_t j = 0; j < LANES; j++)
        max = lane[j] > max ? lane[j] : max;
    return is_nan ? (real)NAN : max;
}

/* In f64. */
static double row_sum(const real *x, size_t n)
{
    double lane[LANES] = {0}, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += (double)x[i + j];
    for (; i < n; i++)
        sum += (double)x[i];
    for (size_t j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

void ops_softmax(real *x, size_t n)
{
    real max = row_maximum(x, n), inverse;

    if (max == (real)-INFINITY) {
        memset(x, 0, n * sizeof *x);
        return;
    }
    exponential(x, n, 1, -max, x);
    inverse = (real)(1 / row_sum(x, n));
    for (size_t i = 0; i < n; i++)
        x[i] *= inverse;
}

double ops_log_sum_exp(const real *x, size_t n)
{
    real max = row_maximum(x, n), e[PIECE];
    double sum = 0;

    if (max == (real)-INFINITY)
        return -INFINITY;
    for (size_t at = 0; at < n; at += PIECE) {
        size_t width = n - at < PIECE ? n - at : PIECE;

        exponential(x + at, width, 1, -max, e);
        sum += row_sum(e, width);
    }
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
