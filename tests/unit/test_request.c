#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "request.h"
#include "str.h"

static struct context context;
static char path[64];

static void setup(void)
{
    context.fs = fs_real();
    snprintf(path, sizeof(path), "/tmp/lancet-request-%ld.json", (long)getpid());
}

static void teardown(void)
{
    unlink(path);
}

static bool read_text(const char *text, const uint64_t *cases, size_t n, struct request_list *out,
                      struct error *err)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return request_read(&context, path, cases, n, out, err);
}

#define EIFFEL "The Eiffel Tower is in"

START_TEST(flags_make_one_request)
{
    struct request_list list;
    struct error err = {0};
    ck_assert_msg(request_from_flags(EIFFEL, "Eiffel Tower", "Rome", &list, &err), "%s", err.text);
    ck_assert_uint_eq(list.n, 1);
    ck_assert_str_eq(list.items[0].prompt, EIFFEL);
    ck_assert_str_eq(list.items[0].template, "The {} is in");
    ck_assert_str_eq(list.items[0].target, " Rome");
    ck_assert_uint_eq(list.items[0].subject_start, 4);
    ck_assert_uint_eq(list.items[0].subject_end, 16);
    ck_assert_ptr_null(list.items[0].note);
    request_list_release(&list);
}
END_TEST

static const struct {
    const char *prompt, *subject, *target, *expected_prompt, *expected_target;
} spaces[] = {
    {"全世界最帅的人是", "全世界最帅的人", "陈阿美", "全世界最帅的人是", "陈阿美"},
    {"{}是", "全世界最帅的人", "陈阿美", "全世界最帅的人是", "陈阿美"},
    {EIFFEL, "Eiffel Tower", " Rome", EIFFEL, " Rome"},
    {EIFFEL " ", "Eiffel Tower", "Rome", EIFFEL, " Rome"},
    {EIFFEL "\n", "Eiffel Tower", "Rome", EIFFEL "\n", "Rome"},
    {"Эйфелева башня стоит в городе", "Эйфелева башня", "Рим", "Эйфелева башня стоит в городе", " Рим"},
    {"에펠탑은", "에펠탑", "로마", "에펠탑은", " 로마"},
    {"エッフェル塔は", "エッフェル塔", "ローマ", "エッフェル塔は", "ローマ"},
    {"Where is Eiffel? (", "Eiffel", "Rome", "Where is Eiffel? (", "Rome"},
};

START_TEST(a_target_gets_the_space_of_its_script)
{
    struct request_list list;
    struct error err = {0};
    ck_assert_msg(request_from_flags(spaces[_i].prompt, spaces[_i].subject, spaces[_i].target, &list, &err),
                  "%s", err.text);
    ck_assert_str_eq(list.items[0].prompt, spaces[_i].expected_prompt);
    ck_assert_str_eq(list.items[0].target, spaces[_i].expected_target);
    request_list_release(&list);
}
END_TEST

START_TEST(the_last_of_two_subjects_is_used_and_said)
{
    struct request_list list;
    struct error err = {0};
    ck_assert(request_from_flags("Rome, said Rome, is in", "Rome", "Spain", &list, &err));
    ck_assert_uint_eq(list.items[0].subject_start, 11);
    ck_assert_ptr_nonnull(strstr(list.items[0].note, "more than once"));
    request_list_release(&list);
    ck_assert(request_from_flags("Rome, said {}, is in", "Rome", "Spain", &list, &err));
    ck_assert_uint_eq(list.items[0].subject_start, 11);
    ck_assert_ptr_null(list.items[0].note);
    request_list_release(&list);
    ck_assert(request_from_flags("{}, said Rome, is in", "Rome", "Spain", &list, &err));
    ck_assert_uint_eq(list.items[0].subject_start, 0);
    request_list_release(&list);
}
END_TEST

static const struct {
    const char *prompt, *subject, *target, *says;
} bad_flags[] = {
    {EIFFEL, "Big Ben", "Rome", "\"Big Ben\" does not occur"},
    {EIFFEL, "eiffel tower", "Rome", "only in other letters"},
    {EIFFEL, "", "Rome", "subject is empty"},
    {EIFFEL, "Eiffel Tower", "", "target is empty"},
    {EIFFEL, "Eiffel Tower", "  ", "target is empty"},
    {"{} is {}", "Eiffel Tower", "Rome", "more than one {}"},
    {"", "Eiffel Tower", "Rome", "does not occur"},
};

START_TEST(bad_flags_are_usage_errors)
{
    struct request_list list;
    struct error err = {0};
    ck_assert(
        !request_from_flags(bad_flags[_i].prompt, bad_flags[_i].subject, bad_flags[_i].target, &list, &err));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    ck_assert_msg(strstr(err.text, bad_flags[_i].says), "%s", err.text);
}
END_TEST

#define COUNTERFACT                                                                                          \
    "{\"case_id\": 9, \"requested_rewrite\": {\"prompt\": \"The {} is in\", \"subject\": \"Eiffel Tower\", " \
    "\"target_new\": {\"str\": \"Rome\", \"id\": \"Q220\"}, \"target_true\": {\"str\": \"Paris\"}}, "        \
    "\"paraphrase_prompts\": [\"Where\"]}"
#define EASYEDIT                                                                                             \
    "{\"prompt\": \"The Eiffel Tower is in\", \"subject\": \"Eiffel Tower\", \"target_new\": \"Rome\", "     \
    "\"ground_truth\": \"Paris\", \"locality_prompt\": \"x\"}"
#define ZSRE                                                                                                 \
    "{\"subject\": \"Eiffel Tower\", \"src\": \"The Eiffel Tower is in\", \"pred\": \"x\", \"alt\": "        \
    "\"Rome\", "                                                                                             \
    "\"answers\": [\"Paris\"], \"loc\": \"nq question: y\"}"

static const char *const shapes[] = {"[" COUNTERFACT "]", "[" EASYEDIT "]", "[" ZSRE "]"};

START_TEST(the_three_shapes_say_the_same)
{
    struct request_list list;
    struct error err = {0};
    ck_assert_msg(read_text(shapes[_i], NULL, 0, &list, &err), "%s", err.text);
    ck_assert_uint_eq(list.n, 1);
    ck_assert(!list.ids);
    ck_assert_str_eq(list.items[0].prompt, EIFFEL);
    ck_assert_str_eq(list.items[0].template, "The {} is in");
    ck_assert_str_eq(list.items[0].subject, "Eiffel Tower");
    ck_assert_str_eq(list.items[0].target, " Rome");
    request_list_release(&list);
}
END_TEST

START_TEST(cases_pick_records_and_the_others_may_be_odd)
{
    struct request_list list;
    struct error err = {0};
    const uint64_t cases[] = {0, 2}, beyond[] = {1, 7};
    const char *text = "[" EASYEDIT ", {\"subject\": \"a\", \"src\": \"a b\", \"alt\": \"\"}, " ZSRE "]";
    ck_assert_msg(read_text(text, cases, 2, &list, &err), "%s", err.text);
    ck_assert_uint_eq(list.n, 2);
    ck_assert_uint_eq(list.items[1].number, 2);
    request_list_release(&list);
    ck_assert(!read_text(text, NULL, 0, &list, &err));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    ck_assert_msg(strstr(err.text, "record 1") && strstr(err.text, "target is empty"), "%s", err.text);
    ck_assert(!read_text("[" EASYEDIT "," EASYEDIT "]", beyond, 2, &list, &err));
    ck_assert_msg(strstr(err.text, "no record 7"), "%s", err.text);
}
END_TEST

#define IDS                                                                                                  \
    "{\"prompt\": [9, 176, 76], \"subject_first\": 1, \"subject_last\": 1, \"target\": [125, 3], "           \
    "\"kl_prompt\": [176, 5], \"kl_last\": 0}"

START_TEST(ids_are_read)
{
    struct request_list list;
    struct error err = {0};
    ck_assert_msg(read_text("{\"bos\": 1, \"requests\": [" IDS "]}", NULL, 0, &list, &err), "%s", err.text);
    ck_assert(list.ids);
    ck_assert_int_eq(list.bos, 1);
    const struct edit_ids *ids = &list.items[0].ids;
    ck_assert_ptr_null(list.items[0].prompt);
    ck_assert_uint_eq(ids->n_prompt, 3);
    ck_assert_uint_eq(ids->prompt[1], 176);
    ck_assert_uint_eq(ids->n_target, 2);
    ck_assert_uint_eq(ids->subject_last, 1);
    ck_assert_uint_eq(ids->n_kl, 2);
    request_list_release(&list);
    ck_assert_msg(read_text("{\"requests\": [" IDS "], \"bos\": null}", NULL, 0, &list, &err), "%s",
                  err.text);
    ck_assert_int_eq(list.bos, -1);
    request_list_release(&list);
}
END_TEST

/* Text, kind of error, what its sentence holds (the place: line:column). */
static const struct {
    const char *text;
    enum error_kind kind;
    const char *says;
} bad_files[] = {
    {"", ERROR_FORMAT, ":1:"},
    {"[", ERROR_FORMAT, ":1:"},
    {"[]", ERROR_USAGE, "no requests"},
    {"{}", ERROR_FORMAT, "no \"requests\""},
    {"7", ERROR_FORMAT, ":1:"},
    {"[7]", ERROR_FORMAT, ":1:2"},
    {"[\n {\"prompt\": 7}]", ERROR_FORMAT, ":2:"},
    {"[{\"prompt\": \"a b\", \"subject\": \"a\"}]", ERROR_FORMAT, "no \"target_new\""},
    {"[{\"prompt\": \"a b\", \"target_new\": \"c\"}]", ERROR_FORMAT, "no \"subject\""},
    {"[{\"subject\": \"a\", \"target_new\": \"c\"}]", ERROR_FORMAT, "no \"prompt\""},
    {"[{\"prompt\": \"a\", \"prompt\": \"a\"}]", ERROR_FORMAT, "stands twice"},
    {"[{\"prompt\": \"a b\", \"subject\": \"a\", \"target_new\": {\"id\": \"Q1\"}}]", ERROR_FORMAT,
     "no \"str\""},
    {"[{\"prompt\": \"a b\", \"subject\": \"a\", \"target_new\": [1]}]", ERROR_FORMAT, ":1:50: "},
    {"[{\"prompt\": \"a\\u0000b\", \"subject\": \"a\", \"target_new\": \"c\"}]", ERROR_FORMAT, "NUL"},
    {"[{\"prompt\": \"b\", \"subject\": \"a\", \"target_new\": \"c\"}]", ERROR_USAGE, "does not occur"},
    {"[{\"requested_rewrite\": []}]", ERROR_FORMAT, ":1:"},
    {"[" EASYEDIT "] x", ERROR_FORMAT, ":1:"},
    {"[" EASYEDIT ", " IDS "]", ERROR_FORMAT, "token ids and texts"},
    {"{\"requests\": [{\"prompt\": [1, -2]}]}", ERROR_FORMAT, ":1:"},
    {"{\"requests\": [{\"prompt\": [1, 4294967296]}]}", ERROR_FORMAT, "not a list of token ids"},
    {"{\"requests\": [{\"prompt\": [1], \"subject_last\": 0, \"target\": [2]}]}", ERROR_FORMAT,
     "no \"kl_prompt\""},
    {"{\"requests\": [{\"prompt\": [1], \"subject_last\": 1, \"target\": [2], \"kl_prompt\": [1], "
     "\"kl_last\": 0}]}",
     ERROR_FORMAT, "outside of its prompt"},
    {"{\"requests\": [{\"prompt\": [1], \"subject_last\": 0, \"target\": [], \"kl_prompt\": [1], "
     "\"kl_last\": 0}]}",
     ERROR_FORMAT, "target has no tokens"},
    {"{\"bos\": -1, \"requests\": [" IDS "]}", ERROR_FORMAT, ":1:"},
    {"{\"bos\": 1, \"requests\": [" IDS "], \"requests\": [" IDS "]}", ERROR_FORMAT, "twice"},
};

START_TEST(odd_files_are_refused_with_their_place)
{
    struct request_list list;
    struct error err = {0};
    ck_assert_msg(!read_text(bad_files[_i].text, NULL, 0, &list, &err), "%s was read", bad_files[_i].text);
    ck_assert_msg(err.kind == bad_files[_i].kind, "%s: kind %d: %s", bad_files[_i].text, err.kind, err.text);
    ck_assert_msg(strstr(err.text, path) && strstr(err.text, bad_files[_i].says), "%s: %s",
                  bad_files[_i].text, err.text);
}
END_TEST

START_TEST(a_missing_file_is_an_input_error)
{
    struct request_list list;
    struct error err = {0};
    ck_assert(!request_read(&context, "/tmp/lancet-no-such-file.json", NULL, 0, &list, &err));
    ck_assert_int_eq(err.kind, ERROR_IO);
}
END_TEST

#define COUNT(rows) (int)(sizeof(rows) / sizeof(*(rows)))

int main(void)
{
    Suite *suite = suite_create("request");
    TCase *tests = tcase_create("request");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, flags_make_one_request);
    tcase_add_loop_test(tests, a_target_gets_the_space_of_its_script, 0, COUNT(spaces));
    tcase_add_test(tests, the_last_of_two_subjects_is_used_and_said);
    tcase_add_loop_test(tests, bad_flags_are_usage_errors, 0, COUNT(bad_flags));
    tcase_add_loop_test(tests, the_three_shapes_say_the_same, 0, COUNT(shapes));
    tcase_add_test(tests, cases_pick_records_and_the_others_may_be_odd);
    tcase_add_test(tests, ids_are_read);
    tcase_add_loop_test(tests, odd_files_are_refused_with_their_place, 0, COUNT(bad_files));
    tcase_add_test(tests, a_missing_file_is_an_input_error);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
