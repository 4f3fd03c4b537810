#include "suite.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "numbers.h"

static const struct {
    const char *text;
    bool ranges;
    const char *result; /* numbers, each followed by a space; NULL: refused */
} lists[] = {
    {"1,2,3", false, "1 2 3 "},
    {"  7 ,\n8\t9, ", false, "7 8 9 "},
    {"", false, ""},
    {"0", false, "0 "},
    {"0,3-5", true, "0 3 4 5 "},
    {"3-3", true, "3 "},
    {"3-5", false, NULL},
    {"5-3", true, NULL},
    {"1-", true, NULL},
    {"-1", true, NULL},
    {"01", false, NULL},
    {"1.0", false, NULL},
    {"1e3", false, NULL},
    {"0x10", false, NULL},
    {"1;2", false, NULL},
    {"1,,2", false, NULL},
    {"1, ,2", true, NULL},
    {",1", false, NULL},
    {"1,,", false, NULL},
    {"a", false, NULL},
    {"100", false, NULL}, /* the limit is 99 */
    {"18446744073709551616", false, NULL},
    {"0-18446744073709551615", true, NULL},
};

START_TEST(lists_of_numbers)
{
    struct number_list list = {0};
    struct error err = {0};
    char text[64] = "";
    bool ok = numbers_parse("--ids", lists[_i].text, lists[_i].ranges, 99, &list, &err);
    ck_assert_msg(ok == (lists[_i].result != NULL), "\"%s\": %s", lists[_i].text, err.text);
    for (size_t i = 0; i < list.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%llu ", (unsigned long long)list.items[i]);
    if (ok)
        ck_assert_str_eq(text, lists[_i].result);
    else {
        ck_assert_int_eq(err.kind, ERROR_USAGE);
        ck_assert_int_eq(strncmp(err.text, "--ids: ", 7), 0);
    }
    number_list_release(&list);
}
END_TEST

START_TEST(single_numbers)
{
    uint64_t u = 5;
    double d = 5;
    ck_assert(number_parse_u64("18446744073709551615", &u) && u == UINT64_MAX);
    ck_assert(!number_parse_u64("", &u) && !number_parse_u64(" 1", &u) && !number_parse_u64("1 ", &u));
    ck_assert(u == UINT64_MAX);
    ck_assert(number_parse_double("-1.5e3", &d) && d == -1500);
    static const char *const bad[] = {"", " 1", "1 ", "nan", "inf", "-INF", "0x1", "1e999", "abc"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!number_parse_double(bad[i], &d), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_numbers");
    TCase *tc = tcase_create("cli_numbers");
    tcase_add_loop_test(tc, lists_of_numbers, 0, (int)(sizeof lists / sizeof *lists));
    tcase_add_test(tc, single_numbers);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
