#include "suite.h"

#include <string.h>

#include "pretokenize.h"
#include "vectors_pretokenize.h"

static bool read_stages(const char *json, struct arena *arena, struct stage_list *list, struct error *err)
{
    struct json_reader r = {.arena = arena};
    json_scan_init(&r.scan, "stage", json, strlen(json));
    bool fine = stage_read(&r, &stage_pretokenizers, list, err);
    json_scan_release(&r.scan);
    return fine;
}

START_TEST(known_answers)
{
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    struct encoding e;
    struct str pieces = {0};
    const char *text = vectors[_i].text;
    ck_assert_msg(read_stages(subjects[vectors[_i].subject], &arena, &list, &err), "%s", err.text);
    ck_assert(encoding_init(&e, text, strlen(text), INVALID_BY_PART, &err));
    ck_assert_msg(pretokenize(&list, &e, &err), "%s", err.text);
    for (size_t i = 0; i < e.pieces.n; i++) {
        struct piece piece = e.pieces.items[i];
        str_append_bytes(&pieces, e.text.data + piece.start, piece.end - piece.start);
        str_append(&pieces, "\x1f");
    }
    ck_assert_msg(!strcmp(pieces.data ? pieces.data : "", vectors[_i].pieces),
                  "%s: \"%s\" was cut into \"%s\", expected \"%s\"", subjects[vectors[_i].subject], text,
                  pieces.data ? pieces.data : "", vectors[_i].pieces);
    str_release(&pieces);
    encoding_release(&e);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

/* A pattern that would try for years gives up. */
START_TEST(patterns_are_bounded)
{
    static const char json[] =
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(x+x+)+[^x]\"},\"behavior\":\"Isolated\"}";
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    struct encoding e;
    char text[400];
    memset(text, 'x', sizeof text);
    ck_assert(read_stages(json, &arena, &list, &err));
    ck_assert(encoding_init(&e, text, sizeof text, INVALID_BY_PART, &err));
    ck_assert(!pretokenize(&list, &e, &err));
    ck_assert_int_eq(err.kind, ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "(x+x+)+[^x]"));
    encoding_release(&e);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

static const struct {
    const char *stage, *error;
    enum error_kind kind;
} refused[] = {
    {"{\"type\":\"UnicodeScripts\"}", "stage:1:1: the pre-tokenizer \"UnicodeScripts\" is not supported",
     ERROR_UNSUPPORTED},
    {"{\"types\":\"Split\"}", "the pre-tokenizer has no \"type\"", ERROR_FORMAT},
    {"{\"type\":\"Split\",\"behavior\":\"Isolated\"}", "Split has no \"pattern\"", ERROR_FORMAT},
    {"{\"type\":\"Split\",\"pattern\":{},\"behavior\":\"Isolated\"}", "neither \"String\" nor \"Regex\"",
     ERROR_FORMAT},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Broken\"}",
     "unknown choice \"Broken\"", ERROR_FORMAT},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},\"behavior\":\"Isolated\"}", "does not compile",
     ERROR_FORMAT},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},\"behavior\":\"Isolated\"}", "an intersection",
     ERROR_UNSUPPORTED},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\",\"String\":\"a\"},\"behavior\":\"Isolated\"}",
     "two forms", ERROR_FORMAT},
    {"{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":\"Isolated\"}", "an empty pattern",
     ERROR_UNSUPPORTED},
    {"{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "not one character", ERROR_FORMAT},
    {"{\"type\":\"Digits\",\"individual_digits\":true,\"individual_digits\":true}", "twice", ERROR_FORMAT},
    {"{\"type\":\"Digits\",\"individual_digits\":1}", "stage:1:38", ERROR_FORMAT},
    {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
     "\"behavior\":\"Isolated\"},3]}",
     "expected an object", ERROR_FORMAT},
};

START_TEST(bad_stages)
{
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    ck_assert(!read_stages(refused[_i].stage, &arena, &list, &err));
    ck_assert_msg(err.kind == refused[_i].kind && strstr(err.text, refused[_i].error), "kind %d: %s",
                  err.kind, err.text);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pretokenize");
    TCase *tcase = tcase_create("pretokenize");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, known_answers, 0, sizeof vectors / sizeof *vectors);
    tcase_add_loop_test(tcase, bad_stages, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, patterns_are_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
