/* Walks every command's row: what help, completion, the manual and the dispatcher rely on. */
#include "suite.h"

#include <ctype.h>
#include <string.h>

#include "commands.h"
#include "dispatch.h"
#include "edit_commands.h"
#include "help.h"
#include "inspect_commands.h"
#include "merge_commands.h"
#include "numbers.h"
#include "options.h"

static const struct command *const *const lists[] = {src_commands, edit_commands, merge_commands, inspect_commands};

static const struct command *row(size_t wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (size_t k = 0; lists[i][k]; k++)
            if (n++ == wanted)
                return lists[i][k];
    return NULL;
}

/* A phrase: begins small (or with a name in capitals), has no full stop at its end, fits a line of help. */
static void check_phrase(const char *owner, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    ck_assert_msg(n > 3 && n < 200, "%s: \"%s\" is no phrase", owner, text ? text : "");
    ck_assert_msg(text[n - 1] != '.', "%s: \"%s\" ends in a full stop", owner, text);
    ck_assert_msg(!isupper((unsigned char)text[0]) || isupper((unsigned char)text[1]) || text[1] == ' ',
                  "%s: \"%s\" begins with a capital", owner, text);
}

static void check_option(const struct command *command, const struct option_row *o, size_t i)
{
    const struct option_row *all[] = {command->options, program_options};
    uint64_t u;
    double d;
    ck_assert_msg((o->kind == OPTION_FLAG) == (o->value == NULL), "--%s: a value has a placeholder", o->name);
    if (o->help)
        check_phrase(o->name, o->help);
    if (o->standard && o->kind == OPTION_U64)
        ck_assert_msg(number_parse_u64(o->standard, &u), "--%s: %s", o->name, o->standard);
    if (o->standard && o->kind == OPTION_NUMBER)
        ck_assert_msg(number_parse_double(o->standard, &d), "--%s: %s", o->name, o->standard);
    ck_assert_msg(!o->standard || (o->kind != OPTION_FLAG && o->kind != OPTION_LIST), "--%s", o->name);
    for (size_t t = 0; t < 2; t++)
        for (size_t k = 0; k < option_rows_count(all[t]); k++) {
            if (t == 0 && k == i)
                continue;
            ck_assert_msg(strcmp(all[t][k].name, o->name) != 0, "%s has two --%s", command->name, o->name);
            ck_assert_msg(!o->short_name || all[t][k].short_name != o->short_name, "%s has two -%c",
                          command->name, o->short_name);
        }
}

START_TEST(rows_are_whole)
{
    for (size_t i = 0; row(i); i++) {
        const struct command *c = row(i);
        ck_assert_msg(c->name && c->run, "row %zu", i);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(c->name, row(k)->name);
        check_phrase(c->name, c->summary);
        ck_assert_msg(c->min_args <= c->max_args, "%s", c->name);
        ck_assert_msg((c->max_args > 0) == (c->synopsis != NULL), "%s: synopsis and arguments", c->name);
        for (size_t k = 0; k < option_rows_count(c->options); k++)
            check_option(c, &c->options[k], k);
        for (const struct command_example *e = c->examples; e && e->line; e++)
            ck_assert_msg(strstr(e->line, "lancet ") && e->says, "%s: %s", c->name, e->line);
    }
}
END_TEST

START_TEST(help_names_every_option)
{
    struct terminal terminal = {.width = 80};
    for (size_t i = 0; row(i); i++) {
        struct error err;
        char *page = NULL;
        size_t n;
        FILE *out = open_memstream(&page, &n);
        ck_assert(help_command(row(i), out, &terminal, &err));
        fclose(out);
        for (size_t k = 0; k < option_rows_count(row(i)->options); k++) {
            char spelling[64];
            snprintf(spelling, sizeof spelling, "--%s", row(i)->options[k].name);
            ck_assert_msg(!row(i)->options[k].help || strstr(page, spelling), "%s: no %s", row(i)->name,
                          spelling);
        }
        free(page);
    }
}
END_TEST

START_TEST(each_kind_of_error_has_a_status)
{
    for (int kind = 0; kind < ERROR_KINDS; kind++) {
        ck_assert_ptr_nonnull(exit_rows[kind].meaning);
        for (int k = 0; k < kind; k++)
            ck_assert_int_ne(exit_rows[kind].status, exit_rows[k].status);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command_rows");
    TCase *tc = tcase_create("command_rows");
    tcase_add_test(tc, rows_are_whole);
    tcase_add_test(tc, help_names_every_option);
    tcase_add_test(tc, each_kind_of_error_has_a_status);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
