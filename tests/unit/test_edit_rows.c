/* Rows of an edit with a tokenizer whose tokens are bytes, but for a, b and ab. */
#include "suite.h"

#include <string.h>

#include "edit_rows.h"
#include "own_texts.h"
#include "str.h"

enum { BOS = 256, A = 257, B = 258, AB = 259 };

static struct tokenizer *tokenizer;

static void setup(void)
{
    struct str json = {0};
    struct error err = {0};
    str_append(
        &json,
        "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 256, \"content\": \"<s>\", \"special\": true, "
        "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false}], "
        "\"normalizer\": null, \"pre_tokenizer\": null, \"post_processor\": {\"type\": "
        "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, "
        "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {\"<s>\": "
        "{\"id\": \"<s>\", \"ids\": [256], \"tokens\": [\"<s>\"]}}}, \"decoder\": {\"type\": "
        "\"ByteFallback\"}, \"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"fuse_unk\": false, "
        "\"unk_token\": null, \"merges\": [\"a b\"], \"vocab\": {");
    for (int i = 0; i < 256; i++)
        str_printf(&json, "\"<0x%02X>\": %d, ", i, i);
    str_append(&json, "\"<s>\": 256, \"a\": 257, \"b\": 258, \"ab\": 259}}}");
    ck_assert_msg(tokenizer_parse("bytes", json.data, json.length, NULL, 0, &tokenizer, &err), "%s",
                  err.text);
    str_release(&json);
}

static void teardown(void)
{
    tokenizer_close(tokenizer);
}

static void build(const char *prompt, const char *subject, const char *target, const char *prefix,
                  struct request_list *requests, struct edit_rows *out)
{
    struct error err = {0};
    struct context_prefix items[] = {{.text = ""}, {.text = prefix, .n = strlen(prefix)}};
    struct context_set contexts = {.name = "test", .items = items, .n = 2};
    ck_assert_msg(request_from_flags(prompt, subject, target, requests, &err), "%s", err.text);
    ck_assert_msg(edit_rows_build(tokenizer, &requests->items[0], -1, &contexts, out, &err), "%s", err.text);
}

static void check_row(const struct sequence *row, const uint32_t *expected, size_t n)
{
    ck_assert_uint_eq(row->length, n);
    ck_assert_mem_eq(row->ids, expected, n * sizeof(*expected));
}

START_TEST(rows_hold_bos_context_prompt_and_target)
{
    struct request_list requests;
    struct edit_rows rows;
    const uint32_t bare[] = {BOS, 'X', 'y', ' ', 'i', 's', ' ', 'Q'};
    const uint32_t context[] = {BOS, 'O', '.', ' ', 'X', 'y', ' ', 'i', 's', ' ', 'Q'};
    const uint32_t kl[] = {BOS, 'X', 'y'}, target[] = {' ', 'Q', '!'};
    build("Xy is", "Xy", "Q!", "O. ", &requests, &rows);
    ck_assert_uint_eq(rows.n_contexts, 2);
    ck_assert_uint_eq(rows.n_target, 3);
    ck_assert_mem_eq(rows.target, target, sizeof(target));
    check_row(&rows.rows[0], bare, 8);
    check_row(&rows.rows[1], context, 11);
    check_row(&rows.rows[2], kl, 3);
    ck_assert_uint_eq(rows.subject[0], 2);
    ck_assert_uint_eq(rows.subject[1], 5);
    ck_assert_uint_eq(rows.subject[2], 2);
    ck_assert_ptr_null(rows.note);
    edit_rows_release(&rows);
    request_list_release(&requests);
}
END_TEST

START_TEST(subjects_of_many_bytes_end_at_their_last_byte)
{
    struct request_list requests;
    struct edit_rows rows;
    build("全世界最帅的人是", "全世界最帅的人", "陈", "好。", &requests, &rows);
    ck_assert_uint_eq(rows.subject[0], 3 * 7);     /* BOS and seven characters of three bytes */
    ck_assert_uint_eq(rows.subject[1], 3 * 7 + 6); /* and two before them */
    ck_assert_uint_eq(rows.n_target, 3);
    ck_assert_uint_eq(rows.rows[0].length, 1 + 3 * 8 + 2);
    edit_rows_release(&rows);
    request_list_release(&requests);
}
END_TEST

START_TEST(the_subject_may_end_the_prompt)
{
    struct request_list requests;
    struct edit_rows rows;
    build("Who is Xy", "Xy", "Q", "O. ", &requests, &rows);
    ck_assert_uint_eq(rows.subject[0], rows.rows[0].length - rows.n_target);
    edit_rows_release(&rows);
    request_list_release(&requests);
}
END_TEST

/* "xa" + "b" would become x ab: the border between prompt and target stays one, and that is said. */
START_TEST(a_target_never_merges_into_the_prompt)
{
    struct request_list requests;
    struct edit_rows rows;
    const uint32_t expected[] = {BOS, '(', 'X', '[', A, B};
    struct context_prefix bare = {.text = ""};
    struct context_set contexts = {.name = "test", .items = &bare, .n = 1};
    struct error err = {0};
    ck_assert(request_from_flags("(X[a", "X", "bc", &requests, &err));
    requests.items[0].target = "bc"; /* as a script without spaces would have it */
    ck_assert_msg(edit_rows_build(tokenizer, &requests.items[0], -1, &contexts, &rows, &err), "%s", err.text);
    check_row(&rows.rows[0], expected, 6);
    ck_assert_ptr_nonnull(strstr(rows.note, "apart"));
    edit_rows_release(&rows);
    request_list_release(&requests);
}
END_TEST

START_TEST(a_subject_inside_a_token_is_said)
{
    struct request_list requests;
    struct edit_rows rows;
    build("Xab is", "Xa", "Q", "O. ", &requests, &rows);
    ck_assert_uint_eq(rows.subject[0], 2); /* the token ab */
    ck_assert_ptr_nonnull(strstr(rows.note, "inside a token"));
    edit_rows_release(&rows);
    request_list_release(&requests);
}
END_TEST

static const struct edit_request id_request = {.ids = {.prompt = (const uint32_t[]){9, 8, 7},
                                                       .n_prompt = 3,
                                                       .target = (const uint32_t[]){5, 4},
                                                       .n_target = 2,
                                                       .kl = (const uint32_t[]){8, 1, 1},
                                                       .n_kl = 3,
                                                       .subject_last = 1,
                                                       .kl_last = 0}};

START_TEST(ids_make_the_same_rows)
{
    struct context_prefix items[] = {{.ids = NULL}, {.ids = (const uint32_t[]){6, 6}, .n = 2}};
    struct context_set contexts = {.name = "test", .items = items, .n = 2};
    struct edit_rows rows;
    struct error err = {0};
    const uint32_t with_bos[] = {1, 6, 6, 9, 8, 7, 5}, kl[] = {1, 8}, without[] = {9, 8, 7, 5};
    ck_assert_msg(edit_rows_build(NULL, &id_request, 1, &contexts, &rows, &err), "%s", err.text);
    check_row(&rows.rows[1], with_bos, 7);
    check_row(&rows.rows[2], kl, 2);
    ck_assert_uint_eq(rows.subject[0], 2);
    ck_assert_uint_eq(rows.subject[1], 4);
    ck_assert_uint_eq(rows.subject[2], 1);
    edit_rows_release(&rows);
    ck_assert(edit_rows_build(NULL, &id_request, -1, &contexts, &rows, &err));
    check_row(&rows.rows[0], without, 4);
    ck_assert_uint_eq(rows.subject[0], 1);
    edit_rows_release(&rows);
}
END_TEST

START_TEST(texts_and_ids_do_not_mix)
{
    struct context_prefix texts[] = {{.text = ""}, {.text = "O. ", .n = 3}};
    struct context_set contexts = {.name = "test", .items = texts, .n = 2};
    struct edit_rows rows;
    struct error err = {0};
    struct request_list requests;
    ck_assert(!edit_rows_build(tokenizer, &id_request, -1, &contexts, &rows, &err));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    ck_assert(request_from_flags("Xy is", "Xy", "Q", &requests, &err));
    ck_assert(!edit_rows_build(NULL, &requests.items[0], -1, &contexts, &rows, &err));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "no tokenizer"));
    request_list_release(&requests);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edit_rows");
    TCase *tests = tcase_create("edit_rows");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rows_hold_bos_context_prompt_and_target);
    tcase_add_test(tests, subjects_of_many_bytes_end_at_their_last_byte);
    tcase_add_test(tests, the_subject_may_end_the_prompt);
    tcase_add_test(tests, a_target_never_merges_into_the_prompt);
    tcase_add_test(tests, a_subject_inside_a_token_is_said);
    tcase_add_test(tests, ids_make_the_same_rows);
    tcase_add_test(tests, texts_and_ids_do_not_mix);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
