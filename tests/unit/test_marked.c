/* Texts with tokens at given places. */
#include "suite.h"

#include <string.h>

#include "tokenizer.h"

/* Letters, a space mark that is put in front of each stretch of text, <s> and <u> (takes white space to its
 * right) as special tokens, "--" as an added token that is not special. */
static const char json[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
    "{\"id\":0,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":"
    "false,"
    "\"special\":true},"
    "{\"id\":1,\"content\":\"<u>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":true,\"normalized\":"
    "false,"
    "\"special\":true},"
    "{\"id\":2,\"content\":\"--\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":"
    "false,"
    "\"special\":false}],"
    "\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"_\"},\"pre_tokenizer\":null,\"post_processor\":null,"
    "\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":"
    "false,"
    "\"vocab\":{\"<s>\":0,\"<u>\":1,\"--\":2,\"_\":3,\"a\":4,\"b\":5,\"<\":6,\">\":7,\"s\":8,\"u\":9,\" "
    "\":10},"
    "\"merges\":[]}}";

static struct tokenizer *tokenizer;

static void setup(void)
{
    struct error err;
    ck_assert_msg(tokenizer_parse("t.json", json, sizeof json - 1, NULL, 0, &tokenizer, &err), "%s",
                  err.text);
}

static void teardown(void)
{
    tokenizer_close(tokenizer);
}

static void expect(const char *text, const struct token_mark *marks, size_t n_marks, const char *ids)
{
    struct token_list list = {0};
    struct str found = {0};
    struct error err;
    size_t n = strlen(text), at = 0;
    ck_assert_msg(tokenizer_encode_marked(tokenizer, text, n, marks, n_marks, &list, &err), "%s", err.text);
    for (size_t i = 0; i < list.n; i++) {
        str_printf(&found, i ? " %u" : "%u", (unsigned)list.items[i].id);
        ck_assert(list.items[i].placed && list.items[i].start == at);
        at = list.items[i].end;
    }
    ck_assert_uint_eq(at, n);
    ck_assert_str_eq(found.data, ids);
    str_release(&found);
    token_list_release(&list);
}

START_TEST(marks_are_tokens_and_nothing_else_is)
{
    static const struct token_mark first[] = {{0, 3, 0}}, both[] = {{0, 3, 0}, {4, 7, 0}};
    expect("<s>a<s>b", both, 2, "0 3 4 0 3 5");
    expect("<s>a<s>b", first, 1, "0 3 4 6 8 7 5"); /* spelt by the user */
    expect("<s>", NULL, 0, "3 6 8 7");
    expect("a--b", NULL, 0, "3 4 2 3 5"); /* no special token: part of the vocabulary as any other */
}
END_TEST

START_TEST(a_mark_takes_white_space_as_its_token_does)
{
    static const struct token_mark marks[] = {{1, 4, 1}}, last[] = {{1, 4, 1}, {6, 9, 0}};
    expect("a<u> \n b", marks, 1, "3 4 1 3 5");
    expect("a<u>  <s>", last, 2, "3 4 1 0");
}
END_TEST

START_TEST(any_bytes_may_be_marked)
{
    static const struct token_mark marks[] = {{1, 2, 5}};
    expect("aab", marks, 1, "3 4 5 3 5");
}
END_TEST

START_TEST(bad_bytes_before_a_mark_move_it_along)
{
    static const struct token_mark marks[] = {{2, 5, 0}};
    struct token_list list = {0};
    struct error err;
    ck_assert(tokenizer_encode_marked(tokenizer, "\xff\xfe<s>a", 6, marks, 1, &list, &err));
    ck_assert_uint_ge(list.n, 3);
    ck_assert(list.items[list.n - 3].id == 0 && list.items[list.n - 3].start == 2 &&
              list.items[list.n - 3].end == 5);
    token_list_release(&list);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("marked");
    TCase *tc = tcase_create("marked");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, marks_are_tokens_and_nothing_else_is);
    tcase_add_test(tc, a_mark_takes_white_space_as_its_token_does);
    tcase_add_test(tc, any_bytes_may_be_marked);
    tcase_add_test(tc, bad_bytes_before_a_mark_move_it_along);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
