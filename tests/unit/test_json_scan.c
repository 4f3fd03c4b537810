#include "suite.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json_scan.h"

/* A text may hold NUL, so it comes with its length where that matters (0: strlen). */
struct document {
    const char *text;
    const char *error; /* what the sentence holds; NULL: the document is good */
    size_t length;
};

static const struct document documents[] = {
    {"{}", NULL, 0},
    {" \t\r\n[] \n", NULL, 0},
    {"null", NULL, 0},
    {"true", NULL, 0},
    {"false", NULL, 0},
    {"0", NULL, 0},
    {"-0", NULL, 0},
    {"-0.5e-10", NULL, 0},
    {"1E+2", NULL, 0},
    {"123456789012345678901234567890", NULL, 0},
    {"\"\"", NULL, 0},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", NULL, 0},
    {"\"\\ud83d\\ude00\"", NULL, 0},
    {"\"\\uDBFF\\uDFFF\"", NULL, 0},
    {"\"\\u0000\"", NULL, 0},
    {"\"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\x7f\"", NULL, 0},
    {"[1,[2,[3]],{\"a\":[]}]", NULL, 0},
    {"{\"a\":{\"b\":null},\"c\":[true,false]}", NULL, 0},
    {"{\"a\":1,\"a\":2}", NULL, 0}, /* duplicates are the caller's affair */
    {"", "1:1: the text ends, expected a value", 0},
    {"  ", "1:3: the text ends", 0},
    {"{", "1:2: the text ends, expected a string", 0},
    {"[", "the text ends", 0},
    {"[1", "the text ends, expected ',' or ']'", 0},
    {"[1,]", "1:4: found ']', expected a value", 0},
    {"[,1]", "1:2: found ',', expected a value", 0},
    {"[1 2]", "1:4: found '2', expected ',' or ']'", 0},
    {"[1}", "found '}'", 0},
    {"{1:2}", "found '1', expected a string", 0},
    {"{\"a\"}", "found '}', expected ':'", 0},
    {"{\"a\":}", "found '}', expected a value", 0},
    {"{\"a\":1,}", "found '}', expected a string", 0},
    {"{\"a\":1 \"b\":2}", "expected ',' or '}'", 0},
    {"{'a':1}", "found ''', expected a string", 0},
    {"{a:1}", "found 'a'", 0},
    {"{} {}", "1:4: found '{', expected the end of the text", 0},
    {"[] x", "expected the end of the text", 0},
    {"01", "a number begins with 0", 0},
    {"-", "expected a number", 0},
    {"+1", "found '+', expected a value", 0},
    {".5", "found '.'", 0},
    {"1.", "no digit after its point", 0},
    {"1.e5", "no digit after its point", 0},
    {"1e", "no digit in its exponent", 0},
    {"1e+", "no digit in its exponent", 0},
    {"0x10", "expected the end of the text", 0},
    {"NaN", "found 'N'", 0},
    {"Infinity", "found 'I'", 0},
    {"-Infinity", "expected a number", 0},
    {"nul", "expected 'null'", 0},
    {"True", "found 'T'", 0},
    {"truth", "expected 'true'", 0},
    {"\"abc", "the text ends inside a string", 0},
    {"\"abc\\", "the text ends inside a string", 0},
    {"\"a\nb\"", "1:3: raw control character 0x0a", 0},
    {"\"a\0b\"", "raw control character 0x00", 5},
    {"\"\\x41\"", "unknown escape", 0},
    {"\"\\u12g4\"", "unknown escape", 0},
    {"\"\\u12", "unknown escape", 0},
    {"\"\\u123", "unknown escape", 0},
    {"\"\\ud800\"", "half of a surrogate pair", 0},
    {"\"\\udc00\"", "half of a surrogate pair", 0},
    {"\"\\ud800\\u0041\"", "half of a surrogate pair", 0},
    {"\"\\ud83d\\ud83d\"", "half of a surrogate pair", 0},
    {"\"\xff\"", "byte 0xff is not UTF-8", 0},
    {"\"\xc0\xaf\"", "byte 0xc0 is not UTF-8", 0},
    {"\"\xed\xa0\x80\"", "byte 0xed is not UTF-8", 0},
    {"\"\xf4\x90\x80\x80\"", "byte 0xf4 is not UTF-8", 0},
    {"\"\xe4\xb8\"", "byte 0xe4 is not UTF-8", 0},
    {"\xef\xbb\xbf{}", "found byte 0xef", 0},
    {"[1,\n 2,\n  x]", "file:3:3: found 'x'", 0},
    {"[\"\xc3\xa9\xc3\xa9\", x]", "file:1:8: found 'x'", 0}, /* columns are characters */
    {"/* c */ {}", "found '/'", 0},
    {"[1]\0", "found byte 0x00, expected the end", 4},
};

/* A copy of its own length on the heap, so that a sanitizer sees any read past the end. */
static char *exact_copy(const char *text, size_t n)
{
    char *copy = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, n);
    return copy;
}

START_TEST(table_of_documents)
{
    const struct document *d = &documents[_i];
    size_t n = d->length ? d->length : strlen(d->text);
    char *text = exact_copy(d->text, n);
    struct json_scan s;
    struct error err = {0};
    json_scan_init(&s, "file", text, n);
    bool ok = json_skip(&s, NULL, NULL, &err) && json_end(&s, &err);
    if (!d->error)
        ck_assert_msg(ok, "%s: %s", d->text, err.text);
    else {
        ck_assert_msg(!ok, "taken: %s", d->text);
        ck_assert_int_eq(err.kind, ERROR_FORMAT);
        ck_assert_msg(strstr(err.text, d->error), "%s: said \"%s\"", d->text, err.text);
    }
    json_scan_release(&s);
    free(text);
}
END_TEST

START_TEST(strings_are_unescaped)
{
    static const char text[] =
        "[\"plain\", \"a\\u0000b\", \"\\ud83d\\ude00 \\\"q\\\"\\n\", \"\\u00e9\\u4e2d\"]";
    static const struct json_text expected[] = {
        {"plain", 5}, {"a\0b", 3}, {"\xf0\x9f\x98\x80 \"q\"\n", 9}, {"\xc3\xa9\xe4\xb8\xad", 5}};
    struct json_scan s;
    struct error err = {0};
    json_scan_init(&s, "file", text, strlen(text));
    ck_assert(json_array_begin(&s, &err));
    bool more;
    size_t n = 0;
    while (json_array_next(&s, &more, &err) && more) {
        struct json_text t;
        ck_assert(json_string(&s, &t, &err));
        ck_assert_uint_eq(t.length, expected[n].length);
        ck_assert_int_eq(memcmp(t.data, expected[n].data, t.length), 0);
        n++;
    }
    ck_assert_uint_eq(n, 4);
    ck_assert(json_end(&s, &err));
    json_scan_release(&s);
}
END_TEST

START_TEST(objects_are_walked)
{
    static const char text[] = " { \"a\" : 1 , \"b\\u0062\" : [ true , null ] , \"c\" : { } } ";
    struct json_scan s;
    struct error err = {0};
    struct json_text key;
    bool more, flag;
    uint64_t u;
    const char *start;
    size_t n;
    json_scan_init(&s, "file", text, strlen(text));
    ck_assert(json_object_begin(&s, &err));
    ck_assert(json_object_next(&s, &key, &more, &err) && more && json_text_equal(key, "a"));
    ck_assert(json_u64(&s, &u, &err) && u == 1);
    ck_assert(json_object_next(&s, &key, &more, &err) && more && json_text_equal(key, "bb"));
    ck_assert(!json_text_equal(key, "b") && !json_text_equal(key, "bbb"));
    ck_assert(json_array_begin(&s, &err));
    ck_assert(json_array_next(&s, &more, &err) && more && json_bool(&s, &flag, &err) && flag);
    ck_assert(json_array_next(&s, &more, &err) && more && json_null(&s, &err));
    ck_assert(json_array_next(&s, &more, &err) && !more);
    ck_assert(json_object_next(&s, &key, &more, &err) && more);
    ck_assert(json_skip(&s, &start, &n, &err));
    ck_assert(n == 3 && memcmp(start, "{ }", 3) == 0);
    ck_assert(json_object_next(&s, &key, &more, &err) && !more);
    ck_assert(json_end(&s, &err));
    json_scan_release(&s);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    uint64_t value;
} integers[] = {
    {"0", true, 0},
    {"7,", true, 7},
    {"9007199254740993", true, 9007199254740993u}, /* 2^53 + 1: not through a double */
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551616", false, 0},
    {"99999999999999999999999", false, 0},
    {"1e3", false, 0},
    {"1E0", false, 0},
    {"-0", false, 0},
    {"-1", false, 0},
    {"01", false, 0},
    {"1.0", false, 0},
    {"\"1\"", false, 0},
    {"true", false, 0},
    {"", false, 0},
};

START_TEST(integers_are_exact)
{
    struct json_scan s;
    struct error err = {0};
    uint64_t value = 42;
    json_scan_init(&s, "file", integers[_i].text, strlen(integers[_i].text));
    ck_assert_int_eq(json_u64(&s, &value, &err), integers[_i].ok);
    ck_assert_uint_eq(value, integers[_i].ok ? integers[_i].value : 42);
}
END_TEST

START_TEST(numbers_are_read)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"-0", -0.0},
        {"1.5e3", 1500},
        {"0.1", 0.1},
        {"5e-324", 5e-324},
        {"1e-400", 0},
        {"0.1000000000000000055511151231257827021181583404541015625000000000000000000000000000001", 0.1}};
    struct error err = {0};
    struct json_scan s;
    double value;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_scan_init(&s, "file", cases[i].text, strlen(cases[i].text));
        ck_assert(json_number(&s, &value, &err));
        ck_assert(memcmp(&value, &cases[i].value, sizeof value) == 0);
    }
    json_scan_init(&s, "file", "1e400", 5);
    ck_assert(!json_number(&s, &value, &err));
    ck_assert_str_eq(err.text, "file:1:1: a number is too large for a double");
}
END_TEST

START_TEST(depth_is_limited)
{
    char text[4 * JSON_MAX_DEPTH];
    struct json_scan s;
    struct error err = {0};
    for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        json_scan_init(&s, "file", text, 2 * depth);
        ck_assert_int_eq(json_skip(&s, NULL, NULL, &err), depth <= JSON_MAX_DEPTH);
    }
    ck_assert_str_eq(err.text, "file:1:65: nested deeper than 64 levels");
    json_scan_init(&s, "file", "[[1]]", 5);
    s.max_depth = 1;
    ck_assert(!json_skip(&s, NULL, NULL, &err));
}
END_TEST

/* Every prefix of a good text is bad, and no byte of it can be cut off without being noticed. */
START_TEST(every_prefix_is_refused)
{
    static const char text[] = "{\"a\\u00e9\\ud83d\\ude00\":[1.5e-3,true,null,\"\xe4\xb8\xad\"],\"b\":{}}";
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        char *copy = exact_copy(text, i);
        struct json_scan s;
        struct error err = {0};
        json_scan_init(&s, "file", copy, i);
        ck_assert_msg(!json_skip(&s, NULL, NULL, &err), "prefix of %zu bytes", i);
        json_scan_release(&s);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_scan");
    TCase *tc = tcase_create("json_scan");
    tcase_add_loop_test(tc, table_of_documents, 0, (int)(sizeof documents / sizeof *documents));
    tcase_add_loop_test(tc, integers_are_exact, 0, (int)(sizeof integers / sizeof *integers));
    tcase_add_test(tc, strings_are_unescaped);
    tcase_add_test(tc, objects_are_walked);
    tcase_add_test(tc, numbers_are_read);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, every_prefix_is_refused);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
