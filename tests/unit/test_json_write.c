#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "json_scan.h"
#include "json_write.h"

static void sample(struct json_write *w)
{
    json_write_object_begin(w);
    json_write_member_string(w, "name", "x");
    json_write_member_u64(w, "n", UINT64_MAX);
    json_write_key(w, "list");
    json_write_array_begin(w);
    json_write_i64(w, INT64_MIN);
    json_write_array_begin(w);
    json_write_array_end(w);
    json_write_array_begin(w);
    json_write_bool(w, true);
    json_write_null(w);
    json_write_array_end(w);
    json_write_object_begin(w);
    json_write_member_double(w, "d", 0.5);
    json_write_member_bool(w, "no", false);
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_key(w, "empty");
    json_write_object_begin(w);
    json_write_object_end(w);
    json_write_member_string(w, "nothing", NULL);
    json_write_object_end(w);
}

START_TEST(compact)
{
    struct str s = {0};
    struct json_write w;
    struct error err = {0};
    json_write_to_str(&w, &s, false);
    sample(&w);
    ck_assert(json_write_finish(&w, "out", &err));
    ck_assert_str_eq(s.data, "{\"name\":\"x\",\"n\":18446744073709551615,\"list\":[-9223372036854775808,[],"
                             "[true,null],{\"d\":0.5,\"no\":false}],\"empty\":{},\"nothing\":null}");
    str_release(&s);
}
END_TEST

START_TEST(pretty)
{
    struct str s = {0};
    struct json_write w;
    struct error err = {0};
    json_write_to_str(&w, &s, true);
    sample(&w);
    ck_assert(json_write_finish(&w, "out", &err));
    ck_assert_str_eq(s.data, "{\n"
                             "  \"name\": \"x\",\n"
                             "  \"n\": 18446744073709551615,\n"
                             "  \"list\": [\n"
                             "    -9223372036854775808,\n"
                             "    [],\n"
                             "    [\n"
                             "      true,\n"
                             "      null\n"
                             "    ],\n"
                             "    {\n"
                             "      \"d\": 0.5,\n"
                             "      \"no\": false\n"
                             "    }\n"
                             "  ],\n"
                             "  \"empty\": {},\n"
                             "  \"nothing\": null\n"
                             "}\n");
    str_release(&s);
}
END_TEST

START_TEST(pretty_with_flat_arrays)
{
    struct str s = {0};
    struct json_write w;
    struct error err = {0};
    json_write_to_str(&w, &s, true);
    w.flat_from = 2;
    sample(&w);
    ck_assert(json_write_finish(&w, "out", &err));
    ck_assert_str_eq(s.data,
                     "{\n"
                     "  \"name\": \"x\",\n"
                     "  \"n\": 18446744073709551615,\n"
                     "  \"list\": [-9223372036854775808, [], [true, null], {\"d\": 0.5, \"no\": false}],\n"
                     "  \"empty\": {},\n"
                     "  \"nothing\": null\n"
                     "}\n");
    str_release(&s);
}
END_TEST

static const struct {
    const char *in;
    size_t n;
    const char *out;
} strings[] = {
    {"", 0, "\"\""},
    {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
    {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
    {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
    {"\xc2\x9b\xe2\x80\xae\xc2\xa0", 7, "\"\\u009b\\u202e\xc2\xa0\""},
    {"\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
    {"a\xff"
     "b",
     3,
     "\"a\xef\xbf\xbd"
     "b\""},
    {"\xe4\xb8", 2, "\"\xef\xbf\xbd\""}, /* one for a cut character, as in Python */
    {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* three for a surrogate */
};

START_TEST(strings_are_escaped)
{
    struct str s = {0};
    struct json_write w;
    json_write_to_str(&w, &s, false);
    json_write_string_n(&w, strings[_i].in, strings[_i].n);
    ck_assert_str_eq(s.data, strings[_i].out);
    struct json_scan scan;
    struct error err = {0};
    json_scan_init(&scan, "back", s.data, s.length);
    ck_assert(json_skip(&scan, NULL, NULL, &err) && json_end(&scan, &err));
    str_release(&s);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(numbers_read_back_to_the_same_bits)
{
    uint64_t state = 88172645463325252u;
    struct str s = {0};
    struct json_write w;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&state);
        double d, back;
        float f;
        memcpy(&d, &bits, sizeof d);
        memcpy(&f, &bits, sizeof f);
        json_write_to_str(&w, &s, false);
        str_clear(&s);
        json_write_double(&w, d);
        back = strtod(s.data, NULL);
        if (isfinite(d) ? memcmp(&d, &back, sizeof d) != 0 : strcmp(s.data, "null") != 0)
            ck_abort_msg("%a was written %s", d, s.data);
        str_clear(&s);
        json_write_float(&w, f);
        float fback = strtof(s.data, NULL);
        if (isfinite(f) ? memcmp(&f, &fback, sizeof f) != 0 : strcmp(s.data, "null") != 0)
            ck_abort_msg("%a was written %s", (double)f, s.data);
    }
    str_release(&s);
}
END_TEST

START_TEST(numbers_are_short)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"}, {1, "1"}, {-0.0, "-0"}, {1e22, "1e+22"}, {1.0 / 3, "0.3333333333333333"}};
    struct str s = {0};
    struct json_write w;
    json_write_to_str(&w, &s, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str_clear(&s);
        json_write_double(&w, cases[i].value);
        ck_assert_str_eq(s.data, cases[i].text);
    }
    str_clear(&s);
    json_write_float(&w, 0.1f);
    ck_assert_str_eq(s.data, "0.1");
    str_release(&s);
}
END_TEST

START_TEST(a_full_disk_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        return;
    struct json_write w;
    struct error err = {0};
    json_write_to_file(&w, full, true);
    json_write_array_begin(&w);
    for (int i = 0; i < 10000; i++)
        json_write_u64(&w, (uint64_t)i);
    json_write_array_end(&w);
    ck_assert(!json_write_finish(&w, "result", &err));
    ck_assert_int_eq(err.kind, ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "result: cannot write"));
    fclose(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_write");
    TCase *tc = tcase_create("json_write");
    tcase_add_test(tc, compact);
    tcase_add_test(tc, pretty);
    tcase_add_test(tc, pretty_with_flat_arrays);
    tcase_add_loop_test(tc, strings_are_escaped, 0, (int)(sizeof strings / sizeof *strings));
    tcase_add_test(tc, numbers_read_back_to_the_same_bits);
    tcase_add_test(tc, numbers_are_short);
    tcase_add_test(tc, a_full_disk_is_told);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
