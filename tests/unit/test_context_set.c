#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "context_set.h"
#include "own_texts.h"

static struct context context;
static char path[64];

static void setup(void)
{
    context.fs = fs_real();
    snprintf(path, sizeof(path), "/tmp/lancet-contexts-%ld.json", (long)getpid());
}

static void teardown(void)
{
    unlink(path);
}

static bool read_text(const char *text, struct context_set *out, struct error *err)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return context_set_read(&context, path, out, err);
}

START_TEST(fixed_sets_begin_with_the_bare_prompt)
{
    struct context_set set;
    struct error err = {0};
    for (int script = SCRIPT_OTHER; script <= SCRIPT_KANA; script++) {
        ck_assert(context_set_fixed((enum script)script, 6, &set, &err));
        ck_assert_uint_eq(set.n, 6);
        ck_assert_uint_eq(set.items[0].n, 0);
        ck_assert_ptr_nonnull(strchr(set.name, '/'));
        for (size_t i = 1; i < set.n; i++)
            ck_assert_uint_gt(set.items[i].n, 0);
        context_set_release(&set);
    }
}
END_TEST

/* They are what rome_reference.py uses, so that figures compare. A changed list needs a new name. */
START_TEST(the_first_english_list_does_not_change)
{
    const struct own_texts *texts = own_texts_for(SCRIPT_OTHER);
    ck_assert_str_eq(texts->name, "en/1");
    ck_assert_str_eq(texts->contexts[1], "The weather was calm that morning. ");
    ck_assert_str_eq(texts->contexts[5], "As the old record shows, ");
}
END_TEST

START_TEST(held_out_prefixes_are_in_no_fixed_set)
{
    for (int script = SCRIPT_OTHER; script <= SCRIPT_KANA; script++) {
        const struct own_texts *texts = own_texts_for((enum script)script);
        ck_assert_int_eq(texts->script, script);
        for (size_t i = 0; texts->held_out[i]; i++)
            for (size_t j = 0; texts->contexts[j]; j++)
                ck_assert_str_ne(texts->held_out[i], texts->contexts[j]);
    }
}
END_TEST

START_TEST(chinese_prefixes_have_no_trailing_space)
{
    const struct own_texts *texts = own_texts_for(SCRIPT_HAN);
    for (size_t i = 1; texts->contexts[i]; i++)
        ck_assert_int_ne(texts->contexts[i][strlen(texts->contexts[i]) - 1], ' ');
}
END_TEST

START_TEST(scripts_are_told_apart)
{
    static const struct {
        const char *text;
        enum script script;
    } rows[] = {{"The Eiffel Tower", SCRIPT_OTHER}, {"", SCRIPT_OTHER},
                {"全世界最帅的人是", SCRIPT_HAN},   {"Mr. 王 is", SCRIPT_HAN},
                {"世界で一番", SCRIPT_KANA},        {"에펠탑은", SCRIPT_OTHER},
                {"Эйфелева", SCRIPT_OTHER},         {"\xff\xfe", SCRIPT_OTHER}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ck_assert_int_eq(script_of_text(rows[i].text, strlen(rows[i].text)), rows[i].script);
}
END_TEST

START_TEST(texts_and_ids_are_read)
{
    struct context_set set;
    struct error err = {0};
    ck_assert_msg(read_text("{\"contexts\": [\"\", \"One. \", \"\\u4e8c\"]}", &set, &err), "%s", err.text);
    ck_assert_uint_eq(set.n, 3);
    ck_assert_str_eq(set.items[2].text, "二");
    context_set_release(&set);
    ck_assert_msg(read_text("{\"contexts\": [[64, 73], [], [7]]}", &set, &err), "%s", err.text);
    ck_assert_uint_eq(set.n, 3);
    ck_assert_uint_eq(set.items[0].n, 0);
    ck_assert_uint_eq(set.items[1].n, 2);
    ck_assert_uint_eq(set.items[1].ids[1], 73);
    ck_assert_uint_eq(set.items[2].ids[0], 7);
    context_set_release(&set);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"", ":1:"},
    {"[]", ":1:"},
    {"{}", "no \"contexts\""},
    {"{\"contexts\": []}", "no contexts"},
    {"{\"contexts\": [\"a\"]}", "none of the contexts is empty"},
    {"{\"contexts\": [\"\", [1]]}", "texts and token ids"},
    {"{\"contexts\": [\"\", 1]}", ":1:"},
    {"{\"contexts\": [[], [-1]]}", ":1:"},
    {"{\"contexts\": [[], [4294967296]]}", "token ids"},
    {"{\"contexts\": [\"\"], \"contexts\": [\"\"]}", "twice"},
    {"{\"contexts\": [\"\"]} 1", ":1:"},
};

START_TEST(odd_files_are_refused)
{
    struct context_set set;
    struct error err = {0};
    ck_assert(!read_text(bad[_i].text, &set, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_msg(strstr(err.text, path) && strstr(err.text, bad[_i].says), "%s: %s", bad[_i].text, err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("context_set");
    TCase *tests = tcase_create("context_set");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, fixed_sets_begin_with_the_bare_prompt);
    tcase_add_test(tests, the_first_english_list_does_not_change);
    tcase_add_test(tests, held_out_prefixes_are_in_no_fixed_set);
    tcase_add_test(tests, chinese_prefixes_have_no_trailing_space);
    tcase_add_test(tests, scripts_are_told_apart);
    tcase_add_test(tests, texts_and_ids_are_read);
    tcase_add_loop_test(tests, odd_files_are_refused, 0, sizeof(bad) / sizeof(*bad));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
