#include "suite.h"

#include <stdint.h>
#include <string.h>

#include "str.h"
#include "utf8.h"

START_TEST(appends_grow)
{
    struct str s = {0};
    for (int i = 0; i < 2000; i++)
        str_printf(&s, "%d,", i);
    str_append(&s, "end");
    ck_assert(!s.failed);
    ck_assert_uint_eq(s.length, strlen(s.data));
    ck_assert_int_eq(strncmp(s.data, "0,1,2,3,", 8), 0);
    ck_assert_str_eq(s.data + s.length - 8, "1999,end");
    str_clear(&s);
    ck_assert_uint_eq(s.length, 0);
    ck_assert_str_eq(s.data, "");
    str_release(&s);
}
END_TEST

START_TEST(take_hands_over)
{
    struct str s = {0};
    char *empty = str_take(&s);
    ck_assert_str_eq(empty, "");
    free(empty);
    str_append_bytes(&s, "a\0b", 3);
    char *bytes = str_take(&s);
    ck_assert_int_eq(memcmp(bytes, "a\0b", 4), 0);
    ck_assert_ptr_null(s.data);
    free(bytes);
}
END_TEST

START_TEST(failure_sticks)
{
    struct str s = {0};
    str_append(&s, "abc");
    str_append_bytes(&s, "", SIZE_MAX - 1);
    ck_assert(s.failed);
    str_append(&s, "more");
    ck_assert_ptr_null(str_take(&s));
    ck_assert(!s.failed);
}
END_TEST

static const struct {
    const char *in, *out;
} escapes[] = {
    {"plain \xc3\xa9 \xe4\xb8\xad", "plain \xc3\xa9 \xe4\xb8\xad"},
    {"a\nb\tc\r", "a\\nb\\tc\\r"},
    {"\x1b[2J", "\\x1b[2J"},
    {"\x7f", "\\x7f"},
    {"\xc2\x9b", "\\u009b"},
    {"\xe2\x80\xae", "\\u202e"},
    {"\xe2\x81\xa6", "\\u2066"},
    {"\xff", "\\xff"},
    {"\xe4\xb8", "\\xe4\\xb8"},
    {"\xc0\xaf", "\\xc0\\xaf"},
};

START_TEST(escaped_for_terminals)
{
    struct str s = {0};
    str_append_escaped(&s, escapes[_i].in, strlen(escapes[_i].in));
    ck_assert_str_eq(s.data, escapes[_i].out);
    str_release(&s);
}
END_TEST

START_TEST(every_code_point_round_trips)
{
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char bytes[4];
        uint32_t back;
        size_t n = utf8_encode(code, bytes);
        size_t length = utf8_decode(bytes, n, &back);
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        if (surrogate ? back != UTF8_BAD : back != code || length != n)
            ck_abort_msg("U+%04X came back as U+%04X", (unsigned)code, (unsigned)back);
        if (n > 1 && (utf8_decode(bytes, n - 1, &back), back != UTF8_BAD))
            ck_abort_msg("U+%04X without its last byte was taken", (unsigned)code);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("str");
    TCase *tc = tcase_create("str");
    tcase_add_test(tc, appends_grow);
    tcase_add_test(tc, take_hands_over);
    tcase_add_test(tc, failure_sticks);
    tcase_add_loop_test(tc, escaped_for_terminals, 0, (int)(sizeof escapes / sizeof *escapes));
    tcase_add_test(tc, every_code_point_round_trips);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
