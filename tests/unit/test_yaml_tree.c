#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "yaml_tree.h"

static struct arena arena;

static void teardown(void)
{
    arena_release(&arena);
}

static const struct yaml_node *parse(const char *text)
{
    struct error err = {0};
    const struct yaml_node *node = NULL;
    if (!yaml_tree_parse("f", text, strlen(text), &arena, &node, &err))
        ck_abort_msg("%s: %s", text, err.text);
    return node;
}

static void refused(const char *text, const char *sentence)
{
    struct error err = {0};
    const struct yaml_node *node = NULL;
    ck_assert_msg(!yaml_tree_parse("f", text, strlen(text), &arena, &node, &err), "%s", text);
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_ptr_null(node);
    if (!strstr(err.text, sentence))
        ck_abort_msg("%s: %s, expected %s", text, err.text, sentence);
}

START_TEST(nodes_know_their_places)
{
    const struct yaml_node *root = parse("a: 1\nb:\n  - x\n  - {c: \"y\", d: ~}\n");
    ck_assert(root->kind == YAML_MAPPING && root->n == 2);
    ck_assert(root->values[0]->place.line == 1 && root->values[0]->place.column == 4);
    const struct yaml_node *list = root->values[1];
    ck_assert(list->kind == YAML_LIST && list->n == 2);
    ck_assert(list->values[0]->place.line == 3 && list->values[0]->place.column == 5);
    const struct yaml_node *mapping = list->values[1];
    ck_assert_str_eq(mapping->keys[0]->text, "c");
    ck_assert(!mapping->values[0]->plain && mapping->values[1]->plain);
    ck_assert(yaml_is_null(mapping->values[1]) && !yaml_is_null(mapping->values[0]));
    ck_assert_uint_eq(root->weight, 11); /* 2 mappings, 1 list, 8 scalars */
}
END_TEST

START_TEST(aliases_share_nodes)
{
    const struct yaml_node *root = parse("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n");
    ck_assert_ptr_eq(root->values[0], root->values[1]);
    ck_assert_str_eq(root->values[3]->text, "3");
}
END_TEST

START_TEST(faults_are_placed)
{
    refused("", "f:1:1: the recipe is empty");
    refused("a: [1", "f:2:1: ");
    refused("a: *b", "f:1:4: alias");
    refused("a: &b [*b]", "f:1:8: an alias inside");
    refused("a: 1\na: 2", "f:2:1: \"a\" is here twice (first in line 1)");
    refused("a: 1\n\"a\": 2", "f:2:1: ");
    refused("a: 1\n---\nb: 2", "f:2:1: a second document");
    refused("a: !!int 1", "f:1:4: tags");
    refused("[1]: 2", "f:1:1: a key");
    refused("<<: {a: 1}", "f:1:1: merge keys");
    refused("a: \"x\\0y\"", "f:1:4: a NUL");
    refused("a: \x01", "f:1:4: ");
    refused("a: \xff", "f:1:4: ");
    refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "f:1:33: nested");
}
END_TEST

/* 10 levels of 10 aliases: 10^10 entries in a few hundred bytes. */
START_TEST(an_alias_bomb_is_refused)
{
    char text[2048] = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n";
    for (int i = 1; i < 10; i++) {
        char line[128];
        size_t n = (size_t)snprintf(line, sizeof line, "x%d: &x%d [", i, i);
        for (int k = 0; k < 10; k++)
            n += (size_t)snprintf(line + n, sizeof line - n, "%s*x%d", k ? ", " : "", i - 1);
        snprintf(line + n, sizeof line - n, "]\n");
        strcat(text, line);
    }
    refused(text, "aliases that come to more");
}
END_TEST

START_TEST(numbers_are_decimal)
{
    static const struct {
        const char *text;
        bool is;
        double value;
    } cases[] = {{"0", true, 0},      {"1e-5", true, 1e-5}, {"6e-3", true, 6e-3}, {"-.5", true, -0.5},
                 {"+5.", true, 5},    {"1E+3", true, 1000}, {"0.30", true, 0.3},  {"-0", true, 0},
                 {"010", false, 0},   {"0x10", false, 0},   {"1_000", false, 0},  {"1:30", false, 0},
                 {".inf", false, 0},  {".nan", false, 0},   {"1e999", false, 0},  {"e5", false, 0},
                 {".", false, 0},     {"1e", false, 0},     {"1 -", false, 0},    {"true", false, 0},
                 {"\"1\"", false, 0}, {"1 2", false, 0},    {"00.5", false, 0},   {"0.5", true, 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        double value = 0;
        snprintf(text, sizeof text, "a: %s", cases[i].text);
        const struct yaml_node *node = parse(text)->values[0];
        bool is = yaml_number(node, &value);
        if (is != cases[i].is || value != cases[i].value)
            ck_abort_msg("%s: %d %g", cases[i].text, is, value);
    }
}
END_TEST

START_TEST(booleans_and_sizes)
{
    bool truth = false;
    size_t size = 7;
    ck_assert(yaml_bool(parse("Yes"), &truth) && truth);
    ck_assert(yaml_bool(parse("off"), &truth) && !truth);
    ck_assert(!yaml_bool(parse("'yes'"), &truth) && !yaml_bool(parse("tRUE"), &truth));
    ck_assert(yaml_size(parse("12"), &size) && size == 12);
    ck_assert(!yaml_size(parse("-1"), &size) && !yaml_size(parse("1.0"), &size));
    ck_assert(!yaml_size(parse("99999999999999999999999"), &size) && size == 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml_tree");
    TCase *tc = tcase_create("yaml_tree");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, nodes_know_their_places);
    tcase_add_test(tc, aliases_share_nodes);
    tcase_add_test(tc, faults_are_placed);
    tcase_add_test(tc, an_alias_bomb_is_refused);
    tcase_add_test(tc, numbers_are_decimal);
    tcase_add_test(tc, booleans_and_sizes);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
