#include "help.h"

#include <string.h>

#include "dispatch.h"
#include "memory.h"
#include "options.h"

enum { WIDEST = 100, OPTION_COLUMN = 26 };

struct page { /* help under construction */
    struct str text;
    const struct terminal *terminal;
    size_t width;
};

static struct page page_new(const struct terminal *terminal)
{
    return (struct page){.terminal = terminal, .width = terminal->width < WIDEST ? terminal->width : WIDEST};
}

static bool page_print(struct page *page, FILE *out, struct error *err)
{
    bool ok = !page->text.failed;
    if (ok)
        fputs(page->text.data, out);
    else
        error_memory(err, "printing help");
    str_release(&page->text);
    return ok;
}

static void heading(struct page *page, const char *text)
{
    str_printf(&page->text, "\n%s%s%s\n", terminal_style(page->terminal, STYLE_BOLD), text,
               terminal_style(page->terminal, STYLE_PLAIN));
}

/* "  TERM   text filled in a column of its own" */
static void entry(struct page *page, const char *term, size_t column, const char *text)
{
    size_t columns = text_columns(term, strlen(term));
    str_printf(&page->text, "  %s%s%s", terminal_style(page->terminal, STYLE_CYAN), term,
               terminal_style(page->terminal, STYLE_PLAIN));
    if (columns + 4 > column)
        str_printf(&page->text, "\n%*s", (int)column, "");
    else
        str_printf(&page->text, "%*s", (int)(column - columns - 2), "");
    text_wrap(&page->text, text, page->width, column, column);
    str_append(&page->text, "\n");
}

static void option_entry(struct page *page, const struct option_row *row)
{
    struct str term = {0}, text = {0};
    if (!row->short_name)
        str_append(&term, "    ");
    option_spelling(row, &term);
    str_append(&text, row->help);
    if (row->standard)
        str_printf(&text, " (default: %s)", row->standard);
    if (term.failed || text.failed)
        page->text.failed = true;
    else
        entry(page, term.data, OPTION_COLUMN, text.data);
    str_release(&term);
    str_release(&text);
}

static void option_entries(struct page *page, const struct option_row *rows)
{
    for (size_t i = 0; i < option_rows_count(rows); i++)
        if (rows[i].help)
            option_entry(page, &rows[i]);
}

bool help_overview(const struct command *const *commands, FILE *out, const struct terminal *terminal,
                   struct error *err)
{
    struct page page = page_new(terminal);
    str_append(&page.text, "lancet: surgery on model checkpoints, and inspection of them\n\n"
                           "usage: lancet [OPTIONS] COMMAND [OPTIONS] ARGUMENTS\n");
    heading(&page, "commands");
    size_t longest = 0;
    for (size_t i = 0; commands[i]; i++)
        if (!(commands[i]->flags & COMMAND_HIDDEN) && strlen(commands[i]->name) > longest)
            longest = strlen(commands[i]->name);
    for (size_t i = 0; commands[i]; i++)
        if (!(commands[i]->flags & COMMAND_HIDDEN))
            entry(&page, commands[i]->name, longest + 5, commands[i]->summary);
    heading(&page, "options of every command");
    option_entries(&page, program_options);
    heading(&page, "exit status");
    for (size_t i = 0; i < ERROR_KINDS; i++) {
        char status[16];
        snprintf(status, sizeof status, "%3d", exit_rows[i].status);
        entry(&page, status, 8, exit_rows[i].meaning);
    }
    str_append(&page.text, "\nMODEL is a Hugging Face folder, a .safetensors or .gguf file, or the name of a "
                           "model that the\nlocal Hugging Face cache holds (then it is only read).\n"
                           "'lancet help COMMAND' tells more about one command.\n");
    return page_print(&page, out, err);
}

void help_paragraphs(const char *text,
                     void (*paragraph)(void *user, const char *bytes, size_t n, bool verbatim), void *user)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        while (n && text[n - 1] == '\n')
            n--;
        if (n)
            paragraph(user, text, n, *text == ' ');
        text += end ? (size_t)(end - text) : strlen(text);
        text += strspn(text, "\n");
    }
}

/* Where the last column of a line begins. */
static size_t last_column(const char *line, size_t n)
{
    size_t at = strspn(line, " ");
    for (size_t i = at; i + 2 < n; i++)
        if (line[i] == ' ' && line[i + 1] == ' ' && line[i + 2] != ' ')
            at = i + 2;
    return at < n ? at : 0;
}

void help_fill_lines(struct str *out, const char *text, size_t width)
{
    while (*text) {
        size_t n = strcspn(text, "\n"), column = last_column(text, n);
        bool fits = text_columns(text, n) <= width;
        char *last = fits ? NULL : memory_copy(text + column, n - column);
        if (last) {
            str_append_bytes(out, text, column);
            text_wrap(out, last, width, column, column);
        } else if (fits) {
            str_append_bytes(out, text, n);
        } else {
            out->failed = true;
        }
        free(last);
        text += n;
        if (*text) {
            str_append(out, "\n");
            text++;
        }
    }
}

static void add_more(struct page *page, const struct command *command)
{
    struct str more = {0};
    command->more_help(&more);
    str_append(&page->text, "\n");
    if (more.failed)
        page->text.failed = true;
    else if (more.data)
        help_fill_lines(&page->text, more.data, page->width);
    str_release(&more);
}

static void add_paragraph(void *user, const char *bytes, size_t n, bool verbatim)
{
    struct page *page = user;
    str_append(&page->text, "\n");
    char *copy = memory_copy(bytes, n);
    if (!copy)
        page->text.failed = true;
    else if (verbatim)
        str_append(&page->text, copy);
    else
        text_wrap(&page->text, copy, page->width, 0, 0);
    str_append(&page->text, "\n");
    free(copy);
}

static void add_globals(struct page *page)
{
    struct str all = {0};
    str_append(&all, "Every command also takes ");
    for (size_t i = 0; program_options[i].name; i++)
        str_printf(&all, "%s--%s", i ? ", " : "", program_options[i].name);
    str_append(&all, " (see 'lancet help').");
    if (all.failed)
        page->text.failed = true;
    else
        add_paragraph(page, all.data, all.length, false);
    str_release(&all);
}

bool help_command(const struct command *command, FILE *out, const struct terminal *terminal,
                  struct error *err)
{
    struct page page = page_new(terminal);
    str_printf(&page.text, "lancet %s: %s\n\nusage: lancet %s%s%s%s\n", command->name, command->summary,
               command->name, option_rows_count(command->options) ? " [OPTIONS]" : "",
               command->synopsis ? " " : "", command->synopsis ? command->synopsis : "");
    if (command->help)
        help_paragraphs(command->help, add_paragraph, &page);
    if (option_rows_count(command->options)) {
        heading(&page, "options");
        option_entries(&page, command->options);
    }
    if (command->more_help)
        add_more(&page, command);
    if (command->examples) {
        heading(&page, "examples");
        for (const struct command_example *e = command->examples; e->line; e++) {
            str_printf(&page.text, "  %s%s%s\n      ", terminal_style(terminal, STYLE_CYAN), e->line,
                       terminal_style(terminal, STYLE_PLAIN));
            text_wrap(&page.text, e->says, page.width, 6, 6);
            str_append(&page.text, "\n");
        }
    }
    add_globals(&page);
    return page_print(&page, out, err);
}
