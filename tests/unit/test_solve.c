/* The identities of docs/editing.md 3 on random matrices. */
#include "suite.h"

#include <math.h>
#include <string.h>

#include "linalg.h"
#include "memory.h"
#include "random.h"
#include "solve.h"

enum { F = 24, D = 9 };

static double draw(uint64_t stream, size_t i)
{
    return random_normal((struct random_key){5, stream}, i);
}

/* C = mean of k k^T over 60 random keys. */
static double *random_covariance(void)
{
    double *c = memory_zeroed(F * F, sizeof(*c));
    for (size_t t = 0; t < 60; t++)
        for (size_t i = 0; i < F; i++)
            for (size_t j = 0; j < F; j++)
                c[i * F + j] += draw(1, t * F + i) * draw(1, t * F + j) / 60;
    return c;
}

static void random_vector(uint64_t stream, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = draw(stream, i);
}

struct fixture {
    struct solver solver;
    double mean[F], bare[F], change[D];
    struct update u;
};

static void solve_with(struct fixture *f, const char *method, double *c, double ridge)
{
    struct error err = {0};
    random_vector(2, F, f->mean);
    random_vector(3, F, f->bare);
    for (size_t i = 0; i < F; i++)
        f->bare[i] = f->mean[i] + 0.3 * f->bare[i];
    random_vector(4, D, f->change);
    ck_assert_msg(solver_init(c, F, ridge, &f->solver, &err), "%s", err.text);
    ck_assert_msg(
        solve_update(&f->solver, edit_method_find(method), f->mean, f->bare, f->change, D, &f->u, &err), "%s",
        err.text);
}

static void release(struct fixture *f)
{
    update_release(&f->u);
    solver_release(&f->solver);
}

static const char *const methods[] = {"r-rome", "p-rome", "rome"};

START_TEST(the_update_makes_the_change_at_its_key)
{
    struct fixture f;
    solve_with(&f, methods[_i], random_covariance(), 1e-3);
    const double *key = strcmp(methods[_i], "r-rome") == 0 ? f.mean : f.bare;
    ck_assert_mem_eq(f.u.key, key, sizeof(f.mean));
    double along = linalg_dot(f.u.left, key, F);
    for (size_t i = 0; i < D; i++)
        ck_assert_double_eq_tol(f.u.right[i] * along, f.change[i], 1e-12);
    ck_assert_double_eq_tol(linalg_norm(f.u.left, F), 1, 1e-14);
    release(&f);
}
END_TEST

/* Delta = e (C^-1 k)^T / (k^T C^-1 k): the length of u cancels. */
START_TEST(the_update_is_the_one_of_least_covariance_length)
{
    struct fixture f;
    solve_with(&f, "r-rome", random_covariance(), 1e-3);
    double denominator = linalg_dot(f.mean, f.u.solved, F);
    ck_assert_double_gt(denominator, 0);
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < F; j++)
            ck_assert_double_eq_tol(f.u.right[i] * f.u.left[j], f.change[i] * f.u.solved[j] / denominator,
                                    1e-12);
    release(&f);
}
END_TEST

/* (lambda C + k k^T)^-1 k = C^-1 k / (lambda + k^T C^-1 k): MEMIT for one request, by Sherman-Morrison. */
START_TEST(one_memit_request_has_the_same_direction)
{
    struct fixture f;
    const double lambda = 7;
    double *c = random_covariance(), *m = random_covariance();
    struct error err = {0};
    solve_with(&f, "r-rome", c, 0);
    for (size_t i = 0; i < F; i++)
        for (size_t j = 0; j < F; j++)
            m[i * F + j] = lambda * m[i * F + j] + f.mean[i] * f.mean[j];
    double x[F];
    memcpy(x, f.mean, sizeof(x));
    ck_assert(linalg_factor(m, F, 0, &err) && linalg_solve(m, F, x, 1, &err));
    double denominator = lambda + linalg_dot(f.mean, f.u.solved, F);
    for (size_t i = 0; i < F; i++)
        ck_assert_double_eq_tol(x[i], f.u.solved[i] / denominator, 1e-10);
    free(m);
    release(&f);
}
END_TEST

START_TEST(the_solution_solves_c_with_its_ridge)
{
    struct fixture f;
    const double ridge = 0.05;
    double *c = random_covariance(), trace = 0;
    solve_with(&f, "p-rome", random_covariance(), ridge);
    for (size_t i = 0; i < F; i++)
        trace += c[i * F + i];
    for (size_t i = 0; i < F; i++) {
        double sum = ridge * trace / F * f.u.solved[i];
        for (size_t j = 0; j < F; j++)
            sum += c[i * F + j] * f.u.solved[j];
        ck_assert_double_eq_tol(sum, f.bare[i], 1e-10);
    }
    free(c);
    release(&f);
}
END_TEST

START_TEST(the_identity_leaves_the_key_as_it_is)
{
    struct fixture f;
    solve_with(&f, "r-rome", NULL, 0);
    ck_assert_mem_eq(f.u.solved, f.mean, sizeof(f.mean));
    ck_assert_double_eq_tol(f.u.cosine, 1, 1e-12);
    release(&f);
}
END_TEST

START_TEST(cosines_tell_how_far_the_keys_are_apart)
{
    struct fixture f;
    solve_with(&f, "rome", NULL, 0);
    double expected = linalg_dot(f.mean, f.bare, F) / (linalg_norm(f.mean, F) * linalg_norm(f.bare, F));
    ck_assert_double_eq_tol(f.u.cosine_c, expected, 1e-12);
    ck_assert_double_eq_tol(f.u.cosine, expected, 1e-12);
    release(&f);
}
END_TEST

START_TEST(a_covariance_that_is_not_positive_is_refused)
{
    double *c = random_covariance();
    struct solver solver;
    struct error err = {0};
    c[5 * F + 5] = -1;
    ck_assert(!solver_init(c, F, 1e-3, &solver, &err));
    ck_assert_int_eq(err.kind, ERROR_NUMERIC);
}
END_TEST

START_TEST(a_key_of_zeros_is_refused)
{
    double zero[F] = {0}, change[D] = {1};
    struct solver solver = {.n = F};
    struct update u;
    struct error err = {0};
    for (size_t i = 0; i < n_edit_methods; i++) {
        ck_assert(!solve_update(&solver, &edit_methods[i], zero, zero, change, D, &u, &err));
        ck_assert_int_eq(err.kind, ERROR_NUMERIC);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solve");
    TCase *tests = tcase_create("solve");
    tcase_add_loop_test(tests, the_update_makes_the_change_at_its_key, 0, 3);
    tcase_add_test(tests, the_update_is_the_one_of_least_covariance_length);
    tcase_add_test(tests, one_memit_request_has_the_same_direction);
    tcase_add_test(tests, the_solution_solves_c_with_its_ridge);
    tcase_add_test(tests, the_identity_leaves_the_key_as_it_is);
    tcase_add_test(tests, cosines_tell_how_far_the_keys_are_apart);
    tcase_add_test(tests, a_covariance_that_is_not_positive_is_refused);
    tcase_add_test(tests, a_key_of_zeros_is_refused);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
