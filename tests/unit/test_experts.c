/* The choice of experts against torch.topk 2.13 on a CPU: weights are digits, among which many are equal. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pass.h"
#include "suite.h"

static const struct choice {
    size_t n, used;
    const char *weights;
    uint32_t chosen[8]; /* by number */
} choices[] = {
    {6, 3, "030103", {1, 3, 5}},
    {9, 3, "321223010", {0, 1, 5}},
    {8, 3, "32103312", {0, 4, 5}},
    {12, 3, "123313331102", {3, 5, 6}},
    {9, 5, "211200332", {0, 3, 6, 7, 8}},
    {9, 5, "031232120", {1, 3, 4, 5, 7}},
    {128,
     2,
     "0231302213200311131032121300002121222103023020130333101332302111333103002310323312333022212133223133030"
     "2212131110003021330023202",
     {2, 4}},
};

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

START_TEST(test_equals_are_chosen_as_torch_does)
{
    const struct choice *c = &choices[_i];
    real weights[200];
    uint32_t chosen[8];

    ck_assert_uint_eq(strlen(c->weights), c->n);
    for (size_t i = 0; i < c->n; i++)
        weights[i] = (real)(c->weights[i] - '0');
    experts_choose(weights, c->n, c->used, chosen);
    qsort(chosen, c->used, sizeof *chosen, by_number);
    for (size_t i = 0; i < c->used; i++)
        ck_assert_uint_eq(chosen[i], c->chosen[i]);
}
END_TEST

/* Whatever a broken router says, the choice is some experts, each once. */
START_TEST(test_not_numbers)
{
    enum { N = 60, USED = 8 };
    real weights[N];
    uint32_t chosen[USED];

    for (size_t round = 0; round < 50; round++) {
        bool seen[N] = {false};

        for (size_t i = 0; i < N; i++)
            weights[i] = (i * 7 + round) % 11 < 5 ? (real)NAN : (real)((i * round) % 5);
        experts_choose(weights, N, USED, chosen);
        for (size_t i = 0; i < USED; i++) {
            ck_assert_uint_lt(chosen[i], N);
            ck_assert(!seen[chosen[i]]);
            seen[chosen[i]] = true;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("experts");
    TCase *tcase = tcase_create("experts");

    tcase_add_loop_test(tcase, test_equals_are_chosen_as_torch_does, 0, sizeof choices / sizeof *choices);
    tcase_add_test(tcase, test_not_numbers);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
