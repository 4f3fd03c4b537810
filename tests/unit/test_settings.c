#include "suite.h"

#include <string.h>

#include "method.h"
#include "settings.h"

START_TEST(every_setting_has_a_default_in_its_range)
{
    for (size_t m = 0; m < n_edit_methods; m++)
        for (size_t s = 0; s < SETTING_COUNT; s++) {
            const struct setting_facts *facts = &setting_facts[s];
            const struct setting_default *row =
                settings_row(edit_methods[m].name, "no-such-architecture", (enum setting)s);
            ck_assert_ptr_nonnull(facts->name);
            ck_assert_ptr_nonnull(facts->what);
            ck_assert_ptr_nonnull(row);
            ck_assert(row->value >= facts->minimum && row->value <= facts->maximum);
        }
}
END_TEST

START_TEST(every_row_has_a_source_and_names_something)
{
    for (size_t i = 0; i < n_setting_defaults; i++) {
        const struct setting_default *row = &setting_defaults[i];
        ck_assert_msg(row->source && strlen(row->source) > 10, "row %zu", i);
        ck_assert_msg(!row->method || edit_method_find(row->method), "row %zu", i);
        ck_assert(row->setting < SETTING_COUNT);
    }
    for (size_t i = 0; i < n_known_sites; i++) {
        ck_assert_uint_lt(known_sites[i].layer + 1, known_sites[i].n_layers);
        ck_assert_ptr_nonnull(known_sites[i].source);
    }
}
END_TEST

START_TEST(names_are_unique)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(setting_facts[i].name, setting_facts[j].name);
    for (size_t i = 0; i < n_edit_methods; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(edit_methods[i].name, edit_methods[j].name);
}
END_TEST

START_TEST(the_last_row_that_fits_wins)
{
    struct settings gemma, other;
    settings_default("r-rome", "gemma3_text", &gemma);
    settings_default("r-rome", "llama", &other);
    ck_assert_double_eq(gemma.value[SETTING_LR], 0.1);
    ck_assert_double_eq(gemma.value[SETTING_CLAMP], 1);
    ck_assert_double_eq(other.value[SETTING_LR], 0.5);
    ck_assert_double_eq(other.value[SETTING_CLAMP], 4);
    ck_assert_double_eq(gemma.value[SETTING_KL], other.value[SETTING_KL]);
}
END_TEST

START_TEST(assignments_change_one_setting)
{
    struct settings s;
    struct error err = {0};
    settings_default("rome", "gpt2", &s);
    ck_assert_msg(settings_set(&s, "lr=0.25", &err), "%s", err.text);
    ck_assert_msg(settings_set(&s, "identity=true", &err), "%s", err.text);
    ck_assert_msg(settings_set(&s, "ridge=1e-3", &err), "%s", err.text);
    ck_assert_double_eq(s.value[SETTING_LR], 0.25);
    ck_assert_double_eq(s.value[SETTING_IDENTITY], 1);
    ck_assert_double_eq(s.value[SETTING_RIDGE], 1e-3);
    ck_assert_double_eq(s.value[SETTING_ENOUGH], 25);
}
END_TEST

static const char *const bad_assignments[] = {
    "lr",        "lr=",     "lr=abc", "lr=1 ",      "lr=-1",   "lr=nan",     "lr=inf", "LR=1",     "speed=1",
    "steps=1.5", "steps=0", "=1",     "identity=2", "lr=0x10", "clamp=1e99", "steps=", "steps=25x"};

START_TEST(bad_assignments_are_usage_errors_and_change_nothing)
{
    struct settings s, before;
    struct error err = {0};
    settings_default("rome", "gpt2", &s);
    before = s;
    ck_assert_msg(!settings_set(&s, bad_assignments[_i], &err), "%s was taken", bad_assignments[_i]);
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, bad_assignments[_i]));
    ck_assert_mem_eq(&s, &before, sizeof(s));
}
END_TEST

START_TEST(known_sites_need_all_three)
{
    ck_assert_ptr_nonnull(known_site_find("gemma3_text", 18, 640));
    ck_assert_ptr_null(known_site_find("gemma3_text", 18, 641));
    ck_assert_ptr_null(known_site_find("llama", 18, 640));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    tcase_add_test(tests, every_setting_has_a_default_in_its_range);
    tcase_add_test(tests, every_row_has_a_source_and_names_something);
    tcase_add_test(tests, names_are_unique);
    tcase_add_test(tests, the_last_row_that_fits_wins);
    tcase_add_test(tests, assignments_change_one_setting);
    tcase_add_loop_test(tests, bad_assignments_are_usage_errors_and_change_nothing, 0,
                        sizeof(bad_assignments) / sizeof(*bad_assignments));
    tcase_add_test(tests, known_sites_need_all_three);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
