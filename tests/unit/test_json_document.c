#include "suite.h"

#include <string.h>
#include <unistd.h>

#include "json_document.h"

static cJSON *good(const char *text)
{
    cJSON *document;
    struct error err = {0};
    ck_assert_msg(json_document_parse("f.json", text, strlen(text), &document, &err), "%s", err.text);
    return document;
}

static const struct {
    const char *text, *error;
} bad[] = {
    {"{\"a\":1,\"a\":2}", "f.json: key \"a\" stands twice"},
    {"{\"x\":[{\"b\":1,\"c\":2,\"\\u0062\":3}]}", "key \"b\" stands twice"},
    {"[\"a\\u0000b\"]", "a string holds \\u0000"},
    {"{\"a\\u0000b\":1}", "a key holds \\u0000"},
    {"[1] x", "expected the end of the text"},
    {"[01]", "a number begins with 0"},
    {"[1e999]", "too large for a double"},
    {"[0.1234567890123456789012345678901234567890123456789012345678901234]", "more than 63 characters"},
    {"", "the text ends"},
};

START_TEST(bad_documents_are_refused)
{
    cJSON *document;
    struct error err = {0};
    ck_assert(!json_document_parse("f.json", bad[_i].text, strlen(bad[_i].text), &document, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_msg(strstr(err.text, bad[_i].error), "%s", err.text);
}
END_TEST

START_TEST(the_same_key_in_two_objects_is_fine)
{
    cJSON *document = good("[{\"a\":1},{\"a\":2},{\"a\":{\"a\":3},\"A\":4}]");
    ck_assert_int_eq(cJSON_GetArraySize(document), 3);
    cJSON_Delete(document);
}
END_TEST

START_TEST(getters_name_file_key_and_types)
{
    cJSON *d = good("{\"n\":9007199254740992,\"x\":1.5,\"neg\":-1,\"s\":\"t\",\"nothing\":null,\"list\":[]}");
    struct error err = {0};
    uint64_t u = 0;
    double x = 0;
    const char *s = NULL;
    ck_assert(json_get_u64("f.json", d, "n", &u, &err));
    ck_assert_uint_eq(u, 9007199254740992u);
    ck_assert(json_get_number("f.json", d, "x", &x, &err));
    ck_assert(x == 1.5);
    ck_assert(json_get_string("f.json", d, "s", &s, &err));
    ck_assert_str_eq(s, "t");

    ck_assert(!json_get_u64("f.json", d, "N", &u, &err)); /* case counts */
    ck_assert_str_eq(err.text, "f.json: \"N\" is missing, expected a non-negative integer");
    ck_assert(!json_get_u64("f.json", d, "x", &u, &err));
    ck_assert_str_eq(err.text, "f.json: \"x\" is 1.5, expected a non-negative integer");
    ck_assert(!json_get_u64("f.json", d, "neg", &u, &err));
    ck_assert(!json_get_u64("f.json", d, "s", &u, &err));
    ck_assert_str_eq(err.text, "f.json: \"s\" is a string, expected a non-negative integer");
    ck_assert(!json_get_number("f.json", d, "nothing", &x, &err));
    ck_assert_str_eq(err.text, "f.json: \"nothing\" is null, expected a number");
    ck_assert(!json_get_string("f.json", d, "list", &s, &err));
    ck_assert_str_eq(err.text, "f.json: \"list\" is an array, expected a string");
    ck_assert_uint_eq(u, 9007199254740992u);
    cJSON_Delete(d);
}
END_TEST

START_TEST(read_from_a_file)
{
    char path[] = "/tmp/lancet-test-json-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "{\"a\": 1}\n", 9), 9);
    close(fd);
    cJSON *document;
    struct error err = {0};
    ck_assert_msg(json_document_read(fs_real(), path, 100, &document, &err), "%s", err.text);
    cJSON_Delete(document);
    ck_assert(!json_document_read(fs_real(), path, 8, &document, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    unlink(path);
    ck_assert(!json_document_read(fs_real(), path, 8, &document, &err));
    ck_assert_int_eq(err.kind, ERROR_IO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_document");
    TCase *tc = tcase_create("json_document");
    tcase_add_loop_test(tc, bad_documents_are_refused, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tc, the_same_key_in_two_objects_is_fine);
    tcase_add_test(tc, getters_name_file_key_and_types);
    tcase_add_test(tc, read_from_a_file);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
