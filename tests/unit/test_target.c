/* The loop on functions whose minimum and course are known. */
#include "suite.h"

#include <math.h>
#include <string.h>

#include "target.h"

enum { N = 4 };

struct bowl { /* nll = sum a_i (x_i - m_i)^2 + floor, kl = 0 */
    double a[N], m[N], floor;
    double at[N];
    size_t n_losses, n_gradients;
};

static bool bowl_loss(void *user, const real *delta, double *nll, double *kl, struct error *err)
{
    struct bowl *b = user;
    (void)err;
    b->n_losses++;
    *nll = b->floor;
    *kl = 0;
    for (size_t i = 0; i < N; i++) {
        b->at[i] = (double)delta[i];
        *nll += b->a[i] * (b->at[i] - b->m[i]) * (b->at[i] - b->m[i]);
    }
    return true;
}

static bool bowl_gradient(void *user, real *gradient, struct error *err)
{
    struct bowl *b = user;
    (void)err;
    b->n_gradients++;
    for (size_t i = 0; i < N; i++)
        gradient[i] = (real)(2 * b->a[i] * (b->at[i] - b->m[i]));
    return true;
}

static struct target_problem problem_of(struct bowl *b)
{
    return (struct target_problem){
        .user = b, .width = N, .v0_norm = 2, .loss = bowl_loss, .gradient = bowl_gradient};
}

static struct settings settings_of(double lr, double steps, double stop, double clamp, double decay)
{
    struct settings s = {{0}};
    s.value[SETTING_LR] = lr;
    s.value[SETTING_STEPS] = steps;
    s.value[SETTING_ENOUGH] = steps;
    s.value[SETTING_STOP] = stop;
    s.value[SETTING_CLAMP] = clamp;
    s.value[SETTING_DECAY] = decay;
    return s;
}

static const struct context context;

START_TEST(finds_the_minimum)
{
    struct bowl b = {.a = {1, 2, 0.5, 3}, .m = {1, -0.5, 0.25, 0}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.05, 2000, 1e-8, 100, 0);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq_tol(t.delta[i], b.m[i], 2e-3);
    ck_assert_uint_lt(t.n_steps, 2000);
    target_release(&t);
}
END_TEST

START_TEST(n_steps_are_n_evaluations_and_one_update_fewer)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {9, 9, 9, 9}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 7, 0, 100, 0);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    ck_assert_uint_eq(t.n_steps, 7);
    ck_assert_uint_eq(b.n_losses, 7);
    ck_assert_uint_eq(b.n_gradients, 6);
    target_release(&t);
}
END_TEST

START_TEST(the_first_step_of_adam_has_the_length_of_lr)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {9, -9, 9, 9}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 2, 0, 100, 0);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    ck_assert_double_eq_tol(t.delta[0], 0.5, 1e-6);
    ck_assert_double_eq_tol(t.delta[1], -0.5, 1e-6);
    ck_assert_double_eq_tol(t.gradient[0], -18, 1e-5);
    target_release(&t);
}
END_TEST

START_TEST(two_steps_of_adam_as_torch_makes_them)
{
    /* torch.optim.Adam([x], lr=.5) on (x - 9)^2 from 0, two steps: x = .5, then .99809 (computed by hand
     * below). */
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {9, 9, 9, 9}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 3, 0, 100, 0);
    struct target t;
    struct error err = {0};
    double g1 = -18, g2 = -17;
    double m = 0.9 * 0.1 * g1 + 0.1 * g2, v = 0.999 * 0.001 * g1 * g1 + 0.001 * g2 * g2;
    double expected = 0.5 - 0.5 * (m / (1 - 0.81)) / (sqrt(v / (1 - 0.998001)) + 1e-8);
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    ck_assert_double_eq_tol(t.delta[0], expected, 1e-6);
    target_release(&t);
}
END_TEST

START_TEST(stops_when_the_loss_without_decay_is_small)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {0.1, 0.1, 0.1, 0.1}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.01, 100, 0.03, 100, 1);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    const struct target_loss *last = &t.steps[t.n_steps - 1];
    ck_assert_uint_lt(t.n_steps, 100);
    ck_assert_double_lt(last->nll + last->kl, 0.03);
    ck_assert_double_gt(last->total, 0.03); /* with the decay the loop would have gone on */
    ck_assert_double_eq_tol(last->total, last->nll + last->kl + last->decay, 1e-12);
    ck_assert_double_ge(t.steps[t.n_steps - 2].nll, 0.03);
    target_release(&t);
}
END_TEST

START_TEST(a_small_loss_is_enough_after_a_while)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {0.4, 0.4, 0.4, 0.4}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.05, 100, 1e-6, 100, 0);
    struct target t;
    struct error err = {0};
    s.value[SETTING_ENOUGH] = 3;
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    ck_assert_uint_gt(t.n_steps, 3); /* at the third, 4 (.4 - .1)^2 is too much still */
    ck_assert_double_lt(t.steps[t.n_steps - 1].nll, 0.1);
    ck_assert_double_ge(t.steps[t.n_steps - 2].nll, 0.1);
    target_release(&t);
}
END_TEST

START_TEST(a_target_that_is_reached_at_once_needs_no_gradient)
{
    struct bowl b = {.a = {1, 1, 1, 1}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 10, 0.05, 4, 0.5);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    ck_assert_uint_eq(t.n_steps, 1);
    ck_assert_uint_eq(b.n_gradients, 0);
    for (size_t i = 0; i < N; i++)
        ck_assert_double_eq(t.delta[i], 0);
    target_release(&t);
}
END_TEST

START_TEST(delta_stays_inside_the_clamp)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {9, 9, 9, 9}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 50, 0, 0.3, 0);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += t.delta[i] * t.delta[i];
    ck_assert_double_eq_tol(sqrt(sum), 0.6, 1e-9);
    target_release(&t);
}
END_TEST

START_TEST(decay_is_the_length_over_the_square_of_the_value)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {9, 9, 9, 9}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 2, 0, 100, 3);
    struct target t;
    struct error err = {0};
    ck_assert_msg(target_optimise(&context, &p, &s, &t, &err), "%s", err.text);
    ck_assert_double_eq(t.steps[0].decay, 0);
    ck_assert_double_eq_tol(t.steps[1].decay, 3 * 1.0 / 4,
                            1e-6); /* |delta| = 4 x .5^2 under the root, |v0| = 2 */
    target_release(&t);
}
END_TEST

START_TEST(a_gradient_at_rounding_level_is_refused)
{
    struct bowl b = {.a = {1e-7, 1e-7, 1e-7, 1e-7}, .m = {1, 1, 1, 1}, .floor = 3};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 10, 0.05, 4, 0.5);
    struct target t;
    struct error err = {0};
    ck_assert(!target_optimise(&context, &p, &s, &t, &err));
    ck_assert_int_eq(err.kind, ERROR_NUMERIC);
    ck_assert_ptr_nonnull(
        strstr(err.text, "gradient of the target's probability with respect to delta is zero"));
}
END_TEST

START_TEST(a_loss_that_is_not_finite_is_refused)
{
    struct bowl b = {.a = {1, 1, 1, 1}, .floor = NAN};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 10, 0.05, 4, 0.5);
    struct target t;
    struct error err = {0};
    ck_assert(!target_optimise(&context, &p, &s, &t, &err));
    ck_assert_int_eq(err.kind, ERROR_NUMERIC);
}
END_TEST

START_TEST(cancelling_ends_the_loop)
{
    static const volatile sig_atomic_t cancel = 1;
    struct context cancelled = {.cancel = &cancel};
    struct bowl b = {.a = {1, 1, 1, 1}, .m = {9, 9, 9, 9}};
    struct target_problem p = problem_of(&b);
    struct settings s = settings_of(0.5, 10, 0.05, 4, 0.5);
    struct target t;
    struct error err = {0};
    ck_assert(!target_optimise(&cancelled, &p, &s, &t, &err));
    ck_assert_int_eq(err.kind, ERROR_CANCELLED);
    ck_assert_uint_eq(b.n_losses, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("target");
    TCase *tests = tcase_create("target");
    tcase_add_test(tests, finds_the_minimum);
    tcase_add_test(tests, n_steps_are_n_evaluations_and_one_update_fewer);
    tcase_add_test(tests, the_first_step_of_adam_has_the_length_of_lr);
    tcase_add_test(tests, two_steps_of_adam_as_torch_makes_them);
    tcase_add_test(tests, stops_when_the_loss_without_decay_is_small);
    tcase_add_test(tests, a_small_loss_is_enough_after_a_while);
    tcase_add_test(tests, a_target_that_is_reached_at_once_needs_no_gradient);
    tcase_add_test(tests, delta_stays_inside_the_clamp);
    tcase_add_test(tests, decay_is_the_length_over_the_square_of_the_value);
    tcase_add_test(tests, a_gradient_at_rounding_level_is_refused);
    tcase_add_test(tests, a_loss_that_is_not_finite_is_refused);
    tcase_add_test(tests, cancelling_ends_the_loop);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
