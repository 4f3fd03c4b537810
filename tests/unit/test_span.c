#include "suite.h"

#include <string.h>

#include "span.h"

/* "<s>" The Eiff el Tower, where the third token has no bytes of the text. */
static struct token items[] = {
    {.id = 1},
    {.id = 2, .placed = true, .start = 0, .end = 3},
    {.id = 3, .placed = true, .start = 3, .end = 3},
    {.id = 4, .placed = true, .start = 3, .end = 8},
    {.id = 5, .placed = true, .start = 8, .end = 10},
    {.id = 6, .placed = true, .start = 10, .end = 16},
    {.id = 7, .start = 16, .end = 16},
};
static const struct token_list tokens = {items, 7, 7};

static const struct {
    size_t start, end, first, last;
    bool inside;
} spans[] = {
    {4, 10, 3, 4, true},  {3, 10, 3, 4, false}, {4, 16, 3, 5, true},  {0, 3, 1, 1, false},
    {8, 10, 4, 4, false}, {9, 10, 4, 4, true},  {0, 16, 1, 5, false}, {15, 99, 5, 5, true},
};

START_TEST(covers)
{
    struct error err = {0};
    size_t first, last;
    bool inside;
    ck_assert(span_tokens(&tokens, spans[_i].start, spans[_i].end, &first, &last, &inside, &err));
    ck_assert_uint_eq(first, spans[_i].first);
    ck_assert_uint_eq(last, spans[_i].last);
    ck_assert_int_eq(inside, spans[_i].inside);
}
END_TEST

START_TEST(covers_nothing)
{
    static const size_t ranges[][2] = {{16, 20}, {5, 5}, {7, 3}};
    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        size_t first = 77, last = 77;
        bool inside;
        ck_assert(!span_tokens(&tokens, ranges[i][0], ranges[i][1], &first, &last, &inside, &err));
        ck_assert_int_eq(err.kind, ERROR_USAGE);
        ck_assert_uint_eq(first, 77);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("span");
    TCase *tcase = tcase_create("span");
    tcase_add_loop_test(tcase, covers, 0, sizeof spans / sizeof *spans);
    tcase_add_test(tcase, covers_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
