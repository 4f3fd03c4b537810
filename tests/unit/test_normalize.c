#include "suite.h"

#include <string.h>

#include "normalize.h"
#include "vectors_normalize.h"

static void read_stages(const char *json, struct arena *arena, struct stage_list *list)
{
    struct error err = {0};
    struct json_reader r = {.arena = arena};
    json_scan_init(&r.scan, "stage", json, strlen(json));
    ck_assert_msg(stage_read(&r, &stage_normalizers, list, &err), "%s: %s", json, err.text);
    json_scan_release(&r.scan);
}

START_TEST(known_answers)
{
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    struct encoding e;
    const char *text = vectors[_i].text, *normal = vectors[_i].normal;
    read_stages(subjects[vectors[_i].subject], &arena, &list);
    ck_assert(encoding_init(&e, text, strlen(text), INVALID_BY_PART, &err));
    ck_assert_msg(normalize(&list, &e, &err), "%s", err.text);
    ck_assert_msg(e.text.n == strlen(normal) && !memcmp(e.text.n ? e.text.data : "", normal, e.text.n),
                  "%s: \"%s\" became \"%.*s\", expected \"%s\"", subjects[vectors[_i].subject], text,
                  (int)e.text.n, e.text.n ? e.text.data : "", normal);
    for (size_t i = 1; i < e.text.n; i++)
        ck_assert_uint_le(e.text.origin[i - 1], e.text.origin[i]);
    encoding_release(&e);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

/* Where each byte of the normal form comes from. */
static const struct {
    const char *stage, *text, *normal;
    uint32_t origin[12];
} origins[] = {
    {"{\"type\":\"NFC\"}", "ae\u0301b", "a\u00e9b", {0, 1, 2, 4}},
    {"{\"type\":\"NFD\"}", "a\u00e9b", "ae\u0301b", {0, 1, 2, 3, 3}},
    {"{\"type\":\"NFKC\"}", "\ufb01x", "fix", {0, 1, 3}},
    {"{\"type\":\"NFC\"}", "\u1112\u1161\u11abx", "\ud55cx", {0, 1, 2, 9}},
    {"{\"type\":\"Prepend\",\"prepend\":\"\u2581\"}", "ab", "\u2581ab", {0, 0, 0, 0, 1}},
    {"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}",
     "a b",
     "a\u2581b",
     {0, 1, 2, 2, 2}},
    {"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", "  a ", "a", {2}},
    {"{\"type\":\"Lowercase\"}", "A\u0130b", "ai\u0307b", {0, 1, 2, 3, 3}},
};

START_TEST(origins_are_fine)
{
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    struct encoding e;
    read_stages(origins[_i].stage, &arena, &list);
    ck_assert(encoding_init(&e, origins[_i].text, strlen(origins[_i].text), INVALID_BY_PART, &err) &&
              normalize(&list, &e, &err));
    ck_assert_uint_eq(e.text.n, strlen(origins[_i].normal));
    ck_assert_mem_eq(e.text.data, origins[_i].normal, e.text.n);
    for (size_t i = 0; i < e.text.n; i++)
        ck_assert_msg(e.text.origin[i] == origins[_i].origin[i], "byte %zu comes from %u, expected %u", i,
                      e.text.origin[i], origins[_i].origin[i]);
    encoding_release(&e);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

/* A cluster without end is cut, in linear time. */
START_TEST(many_marks)
{
    enum { N = 200000 };
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    struct encoding e;
    struct str text = {0};
    str_append(&text, "e");
    for (int i = 0; i < N; i++)
        str_append(&text, i % 2 ? "\u0323" : "\u0301");
    read_stages("{\"type\":\"NFD\"}", &arena, &list);
    ck_assert(encoding_init(&e, text.data, text.length, INVALID_BY_PART, &err) && normalize(&list, &e, &err));
    ck_assert_uint_eq(e.text.n, text.length);
    encoding_release(&e);
    str_release(&text);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("normalize");
    TCase *tcase = tcase_create("normalize");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, known_answers, 0, sizeof vectors / sizeof *vectors);
    tcase_add_loop_test(tcase, origins_are_fine, 0, sizeof origins / sizeof *origins);
    tcase_add_test(tcase, many_marks);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
