#include "suite.h"

#include <math.h>
#include <string.h>

#include "ops.h"
#include "random.h"

/* Built twice: with float, where values are compared with f64 formulas, and with double, where central
 * differences check the derivatives. */
enum { N = 133 };

static double value_bound(void)
{
    return sizeof(real) == 4 ? 4e-7 : 1e-14; /* a few units in the last place of values around 1 */
}

static double difference_bound(void)
{
    return sizeof(real) == 4 ? 2e-2 : 1e-7; /* a float's central difference has few digits */
}

static double difference_step(void)
{
    return sizeof(real) == 4 ? 1e-2 : 1e-5;
}

static real x[N], w[N], b[N], dy[N];

static void setup(void)
{
    for (uint64_t i = 0; i < N; i++) {
        x[i] = (real)(random_normal((struct random_key){5, 0}, i) * 2 + .3);
        w[i] = (real)(random_normal((struct random_key){5, 1}, i) * .2 + 1);
        b[i] = (real)random_normal((struct random_key){5, 2}, i);
        dy[i] = (real)random_normal((struct random_key){5, 3}, i);
    }
}

START_TEST(norms_follow_their_formulas)
{
    double mean = 0, var = 0, square = 0;
    real y[N];

    for (size_t i = 0; i < N; i++)
        mean += (double)x[i] / N, square += (double)x[i] * (double)x[i] / N;
    for (size_t i = 0; i < N; i++)
        var += ((double)x[i] - mean) * ((double)x[i] - mean) / N;
    ops_layer_norm(x, w, b, 1e-5, N, y);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol((double)y[i],
                                ((double)x[i] - mean) / sqrt(var + 1e-5) * (double)w[i] + (double)b[i],
                                5 * value_bound());
    ops_layer_norm(x, w, NULL, 1e-5, N, y);
    ck_assert_double_eq_tol((double)y[7], ((double)x[7] - mean) / sqrt(var + 1e-5) * (double)w[7],
                            5 * value_bound());
    for (int offset = 0; offset < 2; offset++) {
        ops_rms_norm(x, w, offset, 1e-6, N, y);
        for (size_t i = 0; i < N; i++)
            ck_assert_double_eq_tol((double)y[i],
                                    (double)x[i] / sqrt(square + 1e-6) * (offset + (double)w[i]),
                                    10 * value_bound());
    }
}
END_TEST

enum norm { LAYER, RMS, RMS_ONE, NORMS };

/* sum dy . norm(x), in f64. */
static double norm_sum(int norm, const real *at)
{
    real y[N];
    double sum = 0;

    if (norm == LAYER)
        ops_layer_norm(at, w, b, 1e-5, N, y);
    else
        ops_rms_norm(at, w, norm == RMS_ONE, 1e-6, N, y);
    for (size_t i = 0; i < N; i++)
        sum += (double)y[i] * (double)dy[i];
    return sum;
}

START_TEST(norm_gradients_are_central_differences)
{
    real dx[N], at[N];
    double h = difference_step();

    for (size_t i = 0; i < N; i++)
        dx[i] = 1; /* gradients are added */
    if (_i == LAYER)
        ops_layer_norm_backward(x, w, 1e-5, dy, N, dx);
    else
        ops_rms_norm_backward(x, w, _i == RMS_ONE, 1e-6, dy, N, dx);
    for (size_t i = 0; i < N; i++) {
        double up, down;
        memcpy(at, x, sizeof at);
        at[i] = (real)((double)x[i] + h);
        up = norm_sum(_i, at);
        at[i] = (real)((double)x[i] - h);
        down = norm_sum(_i, at);
        ck_assert_double_eq_tol((double)dx[i] - 1, (up - down) / (2 * h), difference_bound());
    }
}
END_TEST

static double activation_formula(int kind, double v)
{
    double cubic = sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v);

    switch (kind) {
    case ACTIVATION_GELU:
        return v * .5 * erfc(-v / sqrt(2));
    case ACTIVATION_GELU_TANH:
        return .5 * v * (1 + tanh(cubic));
    case ACTIVATION_SILU:
        return v / (1 + exp(-v));
    case ACTIVATION_RELU:
        return v > 0 ? v : 0;
    default:
        return v / (1 + exp(-1.702 * v));
    }
}

/* Over the whole range, far tails included, in a length that is no multiple of a vector. */
START_TEST(activations_follow_their_formulas)
{
    enum { POINTS = 4003 };
    static real in[POINTS], out[POINTS];

    for (size_t i = 0; i < POINTS; i++)
        in[i] = (real)((double)i / 50 - 40);
    ops_activation((enum activation)_i, in, POINTS, out);
    for (size_t i = 0; i < POINTS; i++) {
        double want = activation_formula(_i, (double)in[i]);
        ck_each(fabs((double)out[i] - want) <= value_bound() * (fabs(want) + 1), "at %g: %.9g, not %.9g",
                (double)in[i], (double)out[i], want);
    }
}
END_TEST

START_TEST(activation_gradients_are_central_differences)
{
    enum { POINTS = 403 };
    static real in[POINTS], one[POINTS], dx[POINTS];
    double h = 1e-5;

    for (size_t i = 0; i < POINTS; i++) {
        in[i] = (real)((double)i / 20 - 10.013);
        one[i] = 2;
    }
    ops_activation_backward((enum activation)_i, in, one, POINTS, dx);
    for (size_t i = 0; i < POINTS; i++) {
        double v = (double)in[i], want = (activation_formula(_i, v + h) - activation_formula(_i, v - h)) / h;
        ck_assert_double_eq_tol((double)dx[i], want, sizeof(real) == 4 ? 2e-6 : 1e-9);
    }
}
END_TEST

START_TEST(special_values_pass_through_activations)
{
    real in[5] = {(real)NAN, (real)INFINITY, (real)-INFINITY, 0, (real)1e30}, out[5];

    ops_activation((enum activation)_i, in, 5, out);
    ck_assert(isnan(out[0]) || _i == ACTIVATION_RELU);
    ck_assert(isinf(out[1]) && out[3] == 0 && (double)out[4] > 9e29);
}
END_TEST

START_TEST(names_of_activations)
{
    static const struct {
        const char *name;
        enum activation kind;
    } names[] = {{"gelu", ACTIVATION_GELU},  {"gelu_new", ACTIVATION_GELU_TANH},
                 {"silu", ACTIVATION_SILU},  {"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
                 {"swish", ACTIVATION_SILU}, {"gelu_fast", ACTIVATION_GELU_TANH},
                 {"relu", ACTIVATION_RELU},  {"quick_gelu", ACTIVATION_QUICK_GELU}};
    enum activation kind = ACTIVATION_COUNT;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert(activation_parse(names[i].name, &kind));
        ck_assert_int_eq(kind, names[i].kind);
    }
    ck_assert(!activation_parse("mish", &kind));
    ck_assert_int_eq(kind, ACTIVATION_QUICK_GELU);
}
END_TEST

START_TEST(softmax_is_a_distribution)
{
    static real wide[1001], shifted[1001];
    double sum = 0, log_sum;

    for (size_t i = 0; i < 1001; i++) {
        wide[i] = (real)(random_normal((struct random_key){6, 0}, i) * 5);
        shifted[i] =
            wide[i] + 64; /* exact in float at this size only to 2^-18: probabilities move by as much */
    }
    log_sum = ops_log_sum_exp(wide, 1001);
    ck_assert_double_eq_tol(ops_log_sum_exp(shifted, 1001), log_sum + 64, 1e-5);
    for (size_t i = 0; i < 1001; i++)
        sum += exp((double)wide[i] - log_sum);
    ck_assert_double_eq_tol(sum, 1, value_bound());
    memcpy(shifted, wide, sizeof wide);
    ops_softmax(wide, 1001);
    sum = 0;
    for (size_t i = 0; i < 1001;
         i++) { /* the difference from the maximum is rounded, so errors grow with it */
        double want = exp((double)shifted[i] - log_sum);
        ck_each(fabs((double)wide[i] - want) <= value_bound() * (2 - log(want)) * want,
                "element %zu: %g, not %g", i, (double)wide[i], want);
        sum += (double)wide[i];
    }
    ck_assert_double_eq_tol(sum, 1, 1e-6);
}
END_TEST

START_TEST(softmax_of_masked_rows)
{
    real row[11], all[3] = {(real)-INFINITY, (real)-INFINITY, (real)-INFINITY}, bad[9] = {0, 1, (real)NAN};

    for (size_t i = 0; i < 11; i++)
        row[i] = i < 3 ? 1 : (real)-INFINITY;
    ops_softmax(row, 11);
    for (size_t i = 0; i < 11; i++)
        ck_assert_double_eq_tol((double)row[i], i < 3 ? 1. / 3 : 0, 1e-7);
    ck_assert(row[5] == 0);
    ops_softmax(all, 3);
    ck_assert(all[0] == 0 && all[1] == 0 && all[2] == 0);
    ck_assert(ops_log_sum_exp(row, 0) == -INFINITY);
    ops_softmax(bad, 9); /* NaN is never hidden */
    ck_assert(isnan(bad[0]) && isnan(bad[8]));
    ck_assert(isnan(ops_log_sum_exp(bad, 9)));
}
END_TEST

START_TEST(rotation_and_its_inverse)
{
    real head[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8], cosine[4], sine[4];

    for (size_t i = 0; i < 4; i++) {
        cosine[i] = (real)cos(.3 * (double)(i + 1));
        sine[i] = (real)sin(.3 * (double)(i + 1));
    }
    memcpy(back, head, sizeof back);
    ops_rotate(back, cosine, sine, 4, _i, false);
    ck_assert_double_eq_tol((double)back[0], cos(.3) - (_i ? 2 : 5) * sin(.3), 1e-6);
    ck_assert_double_eq_tol((double)back[_i ? 1 : 4], (_i ? 2 : 5) * cos(.3) + sin(.3), 1e-6);
    ck_assert_double_eq_tol((double)back[_i ? 6 : 3],
                            _i ? 7 * cos(1.2) - 8 * sin(1.2) : 4 * cos(1.2) - 8 * sin(1.2), 1e-5);
    ops_rotate(back, cosine, sine, 4, _i, true); /* transposed is inverse */
    for (size_t i = 0; i < 8; i++)
        ck_assert_double_eq_tol((double)back[i], (double)head[i], 2e-6);
}
END_TEST

START_TEST(caps_bend_towards_their_limit)
{
    real values[] = {0, 1, -3, 50, -1e6f};
    static const double want[] = {0, 0.98687660112452, -2.6852478349901765, 4.9999999793884635, -5};

    ops_cap(values, 5, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_double_eq_tol((double)values[i], want[i], 1e-6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *tc = tcase_create("ops");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, norms_follow_their_formulas);
    tcase_add_loop_test(tc, norm_gradients_are_central_differences, 0, NORMS);
    tcase_add_loop_test(tc, activations_follow_their_formulas, 0, ACTIVATION_COUNT);
    tcase_add_loop_test(tc, activation_gradients_are_central_differences, 0, ACTIVATION_COUNT);
    tcase_add_loop_test(tc, special_values_pass_through_activations, 0, ACTIVATION_COUNT);
    tcase_add_test(tc, names_of_activations);
    tcase_add_test(tc, softmax_is_a_distribution);
    tcase_add_test(tc, softmax_of_masked_rows);
    tcase_add_loop_test(tc, rotation_and_its_inverse, 0, 2);
    tcase_add_test(tc, caps_bend_towards_their_limit);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
