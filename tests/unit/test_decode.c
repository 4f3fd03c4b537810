#include "suite.h"

#include <string.h>

#include "decode.h"
#include "vectors_decode.h"

static void read_stages(const char *json, struct arena *arena, struct stage_list *list)
{
    struct error err = {0};
    struct json_reader r = {.arena = arena};
    json_scan_init(&r.scan, "stage", json, strlen(json));
    ck_assert_msg(stage_read(&r, &stage_decoders, list, &err), "%s: %s", json, err.text);
    json_scan_release(&r.scan);
}

static void add_pieces(struct pieces *pieces, const char *ended)
{
    struct error err = {0};
    for (const char *end; (end = strchr(ended, 0x1f)); ended = end + 1)
        ck_assert(pieces_add(pieces, ended, (size_t)(end - ended), &err));
}

START_TEST(known_answers)
{
    struct error err = {0};
    struct arena arena = {0};
    struct stage_list list = {0};
    struct pieces pieces = {0};
    struct str text = {0};
    read_stages(subjects[vectors[_i].subject], &arena, &list);
    add_pieces(&pieces, vectors[_i].pieces);
    ck_assert(decode(&list, &pieces, " ", &text, &err));
    ck_assert_msg(!strcmp(text.data ? text.data : "", vectors[_i].text),
                  "%s: \"%s\" became \"%s\", expected \"%s\"", subjects[vectors[_i].subject],
                  vectors[_i].pieces, text.data ? text.data : "", vectors[_i].text);
    str_release(&text);
    pieces_release(&pieces);
    stage_list_release(&list);
    arena_release(&arena);
}
END_TEST

/* Inside a text nothing is stripped and bytes stay bytes. */
START_TEST(inside)
{
    static const struct {
        unsigned subject;
        const char *piece, *bytes;
    } cases[] = {{0, "\u0120a", " a"}, {0, "\u00e4\u00bd", "\xe4\xbd"},
                 {1, "\u2581a", " a"}, {1, "<0xE4>", "\xe4"},
                 {2, "\u2581a", " a"}, {6, "---", "---"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct arena arena = {0};
        struct stage_list list = {0};
        struct pieces pieces = {.inside = true};
        struct str bytes = {0};
        read_stages(subjects[cases[i].subject], &arena, &list);
        ck_assert(pieces_add(&pieces, cases[i].piece, strlen(cases[i].piece), &err));
        ck_assert(decode(&list, &pieces, "", &bytes, &err));
        ck_assert_str_eq(bytes.data, cases[i].bytes);
        str_release(&bytes);
        pieces_release(&pieces);
        stage_list_release(&list);
        arena_release(&arena);
    }
}
END_TEST

START_TEST(without_stages)
{
    struct error err = {0};
    struct stage_list list = {0};
    struct pieces pieces = {0};
    struct str text = {0};
    add_pieces(&pieces, "a\x1f"
                        "b\x1f");
    ck_assert(decode(&list, &pieces, " ", &text, &err));
    ck_assert_str_eq(text.data, "a b");
    str_release(&text);
    pieces_release(&pieces);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tcase = tcase_create("decode");
    tcase_add_loop_test(tcase, known_answers, 0, sizeof vectors / sizeof *vectors);
    tcase_add_test(tcase, inside);
    tcase_add_test(tcase, without_stages);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
