#include "suite.h"

#include <errno.h>
#include <string.h>

#include "error.h"

START_TEST(set_reports_and_returns_false)
{
    struct error err = {0};
    ck_assert(!error_set(&err, ERROR_FORMAT, "%s: tensor %d", "a.bin", 7));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_str_eq(err.text, "a.bin: tensor 7");
}
END_TEST

START_TEST(prefix_keeps_kind_and_sentence)
{
    struct error err = {0};
    error_set(&err, ERROR_MISMATCH, "sizes differ");
    ck_assert(!error_prefix(&err, "case %d", 3));
    ck_assert_int_eq(err.kind, ERROR_MISMATCH);
    ck_assert_str_eq(err.text, "case 3: sizes differ");
}
END_TEST

START_TEST(arguments_may_lie_in_the_old_sentence)
{
    struct error err = {0};
    error_set(&err, ERROR_IO, "old");
    error_set(&err, ERROR_IO, "new: %s", err.text);
    ck_assert_str_eq(err.text, "new: old");
}
END_TEST

START_TEST(long_sentences_are_cut_not_overrun)
{
    struct error err = {0};
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&err, ERROR_IO, "%s", text);
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
    error_prefix(&err, "%s", text);
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
}
END_TEST

START_TEST(errno_is_appended)
{
    struct error err = {0};
    errno = ENOSPC;
    ck_assert(!error_set_errno(&err, "f: cannot write"));
    ck_assert_int_eq(err.kind, ERROR_IO);
    ck_assert_str_eq(err.text, "f: cannot write: No space left on device");
}
END_TEST

START_TEST(memory_names_the_work)
{
    struct error err = {0};
    ck_assert(!error_memory(&err, "reading x"));
    ck_assert_int_eq(err.kind, ERROR_MEMORY);
    ck_assert_str_eq(err.text, "out of memory while reading x");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tc = tcase_create("error");
    tcase_add_test(tc, set_reports_and_returns_false);
    tcase_add_test(tc, prefix_keeps_kind_and_sentence);
    tcase_add_test(tc, arguments_may_lie_in_the_old_sentence);
    tcase_add_test(tc, long_sentences_are_cut_not_overrun);
    tcase_add_test(tc, errno_is_appended);
    tcase_add_test(tc, memory_names_the_work);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
