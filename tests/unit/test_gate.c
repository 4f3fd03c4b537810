#include "suite.h"

#include <math.h>

#include "gate.h"

START_TEST(limits_are_judged)
{
    struct gate_list list = {0};

    ck_assert(gate_all_passed(&list));
    ck_assert(gate_add(&list, "at most", 1, 1, true));
    ck_assert(gate_add(&list, "at least", 1, 1, false));
    ck_assert(gate_all_passed(&list));
    ck_assert(!gate_add(&list, "at most", 1.5, 1, true));
    ck_assert(!gate_add(&list, "at least", .5, 1, false));
    ck_assert(!gate_add(&list, "nan", NAN, 1, true));
    ck_assert(!gate_add(&list, "nan", NAN, 1, false));
    ck_assert(!gate_all_passed(&list));
    ck_assert_uint_eq(list.n, 6);
    ck_assert_str_eq(list.items[2].name, "at most");
    ck_assert(list.items[0].passed && !list.items[2].passed);
}
END_TEST

START_TEST(a_full_list_forgets_no_refusal)
{
    struct gate_list list = {0};

    for (int i = 0; i < GATES_MAX; i++)
        gate_add(&list, "fine", 0, 1, true);
    gate_add(&list, "fine too", 0, 1, true);
    ck_assert(gate_all_passed(&list));
    gate_add(&list, "not fine", 2, 1, true);
    ck_assert(!gate_all_passed(&list));
    ck_assert_uint_eq(list.n, GATES_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");

    tcase_add_test(tc, limits_are_judged);
    tcase_add_test(tc, a_full_list_forgets_no_refusal);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
