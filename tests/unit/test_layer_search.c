#include "suite.h"

#include "layer_search.h"

static const uint64_t plenty = (uint64_t)1 << 40;

START_TEST(few_layers_are_all_tried_but_the_last)
{
    size_t layers[LAYER_CANDIDATES];
    ck_assert_uint_eq(layer_candidates(6, 100, plenty, layers), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(layers[i], i);
    ck_assert_uint_eq(layer_candidates(9, 100, plenty, layers), 8);
}
END_TEST

START_TEST(many_layers_are_sampled_in_order_without_repeats)
{
    size_t layers[LAYER_CANDIDATES];
    for (size_t n_layers = 10; n_layers < 200; n_layers++) {
        size_t n = layer_candidates(n_layers, 100, plenty, layers);
        ck_assert_uint_eq(n, LAYER_CANDIDATES);
        for (size_t i = 1; i < n; i++)
            ck_assert_uint_gt(layers[i], layers[i - 1]);
        ck_assert_uint_lt(layers[n - 1], n_layers - 1);
    }
}
END_TEST

START_TEST(memory_bounds_the_number)
{
    size_t layers[LAYER_CANDIDATES];
    const uint64_t three = 3 * (uint64_t)1000 * 1000 * 8;
    ck_assert_uint_eq(layer_candidates(30, 1000, three, layers), 3);
    ck_assert_uint_eq(layer_candidates(32, 14336, 1 << 20, layers),
                      1); /* not even one fits: by depth alone */
    ck_assert_uint_eq(layers[0], 5);
}
END_TEST

START_TEST(a_model_of_one_layer_has_its_layer)
{
    size_t layers[LAYER_CANDIDATES];
    ck_assert_uint_eq(layer_candidates(1, 100, plenty, layers), 1);
    ck_assert_uint_eq(layers[0], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layer_search");
    TCase *tests = tcase_create("layer_search");
    tcase_add_test(tests, few_layers_are_all_tried_but_the_last);
    tcase_add_test(tests, many_layers_are_sampled_in_order_without_repeats);
    tcase_add_test(tests, memory_bounds_the_number);
    tcase_add_test(tests, a_model_of_one_layer_has_its_layer);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
