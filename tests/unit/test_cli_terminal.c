#include "suite.h"

#include <string.h>

#include "nearest.h"
#include "table.h"
#include "terminal.h"

static const struct terminal plain = {.width = 80, .utf8 = true},
                             narrow = {.is_tty = true, .utf8 = true, .width = 30};

START_TEST(columns_count_wide_and_combining_characters)
{
    ck_assert_uint_eq(text_columns("abc", 3), 3);
    ck_assert_uint_eq(text_columns("\u4e2d\u6587", 6), 4);
    ck_assert_uint_eq(text_columns("e\u0301", 3), 1);
    ck_assert_uint_eq(text_columns("\xff", 1), 1);
    ck_assert_uint_eq(text_fit("\u4e2d\u6587", 6, 3), 3);
    ck_assert_uint_eq(text_fit("abc", 3, 2), 2);
    ck_assert_uint_eq(text_fit("abc", 3, 9), 3);
}
END_TEST

START_TEST(bytes_and_counts_are_readable)
{
    static const struct {
        unsigned long long n;
        const char *bytes, *count;
    } cases[] = {{0, "0 bytes", "0"},
                 {999, "999 bytes", "999"},
                 {1000, "1.00 kB", "1,000"},
                 {1536, "1.54 kB", "1,536"},
                 {134515008, "135 MB", "134,515,008"},
                 {999999, "1.00 MB", "999,999"},
                 {16060522496, "16.1 GB", "16,060,522,496"}};
    struct str s = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str_clear(&s);
        text_bytes(&s, cases[i].n);
        ck_assert_str_eq(s.data, cases[i].bytes);
        str_clear(&s);
        text_count(&s, cases[i].n);
        ck_assert_str_eq(s.data, cases[i].count);
    }
    str_release(&s);
}
END_TEST

START_TEST(bars_fill_in_eighths)
{
    static const struct {
        double fraction;
        const char *bar;
    } cases[] = {{0, "    "},
                 {1, "\u2588\u2588\u2588\u2588"},
                 {0.5, "\u2588\u2588  "},
                 {2, "\u2588\u2588\u2588\u2588"},
                 {-1, "    "},
                 {0.0 / 0.0, "    "},
                 {1.0 / 32, "\u258f   "}};
    struct str s = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str_clear(&s);
        text_bar(&s, &plain, cases[i].fraction, 4);
        ck_assert_str_eq(s.data, cases[i].bar);
    }
    struct terminal ascii = plain;
    ascii.utf8 = false;
    str_clear(&s);
    text_bar(&s, &ascii, 0.5, 4);
    ck_assert_str_eq(s.data, "##  ");
    str_release(&s);
}
END_TEST

START_TEST(text_is_filled)
{
    struct str s = {0};
    text_wrap(&s, "one two\nthree   four five", 12, 2, 2);
    ck_assert_str_eq(s.data, "one two\n  three four\n  five");
    str_release(&s);
}
END_TEST

static char *printed(const struct terminal *terminal, const char *align)
{
    struct table table;
    struct error err = {0};
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    table_init(&table, align);
    table_cell(&table, "name");
    table_cell(&table, "n");
    table_cell_text(&table, "\u4e2d\u6587\n", 7);
    table_cell(&table, "%d", 1);
    table_cell(&table, "a-rather-long-name-of-a-tensor");
    table_cell(&table, "%d", 12345);
    ck_assert(table_print(&table, out, terminal, &err));
    table_release(&table);
    fclose(out);
    return text;
}

START_TEST(tables_are_aligned)
{
    char *text = printed(&plain, "lr");
    ck_assert_str_eq(text, "name                                n\n"
                           "\u4e2d\u6587\\n                              1\n"
                           "a-rather-long-name-of-a-tensor  12345\n");
    free(text);
}
END_TEST

START_TEST(tables_shrink_on_a_narrow_terminal)
{
    char *text = printed(&narrow, "lr");
    ck_assert_str_eq(text, "name                         n\n"
                           "\u4e2d\u6587\\n                       1\n"
                           "a-rather-long-name-of-\u2026  12345\n");
    free(text);
    text = printed(&narrow, "pr");
    ck_assert_str_eq(text, "name                         n\n"
                           "\u4e2d\u6587\\n                       1\n"
                           "\u2026-long-name-of-a-tensor  12345\n");
    free(text);
}
END_TEST

START_TEST(the_nearest_word_is_found)
{
    static const struct {
        const char *word, *best;
    } cases[] = {{"predcit", "predict"}, {"tokenise", "tokenize"}, {"per", "perplexity"}, {"x", NULL},
                 {"zzzzzz", NULL},       {"predict", "predict"},   {"undoo", "undo"},     {"inof", "info"}};
    static const char *const words[] = {"info", "perplexity", "predict", "tokenize", "undo"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nearest nearest = {.word = cases[i].word};
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            nearest_consider(&nearest, words[k]);
        if (cases[i].best)
            ck_assert_pstr_eq(nearest.best, cases[i].best);
        else
            ck_assert_ptr_null(nearest.best);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_terminal");
    TCase *tc = tcase_create("cli_terminal");
    tcase_add_test(tc, columns_count_wide_and_combining_characters);
    tcase_add_test(tc, bytes_and_counts_are_readable);
    tcase_add_test(tc, bars_fill_in_eighths);
    tcase_add_test(tc, text_is_filled);
    tcase_add_test(tc, tables_are_aligned);
    tcase_add_test(tc, tables_shrink_on_a_narrow_terminal);
    tcase_add_test(tc, the_nearest_word_is_found);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
