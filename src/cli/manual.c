#include "manual.h"

#include <string.h>

#include "dispatch.h"
#include "help.h"
#include "options.h"

enum { LINE = 72 }; /* what fits into 80 columns with the margin of man(1) */

/* Text in the language of man(7): no line may begin with a control character by accident. */
static void text(struct str *s, const char *bytes, size_t n)
{
    bool at_start = true;
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (at_start && (c == '.' || c == '\''))
            str_append(s, "\\&");
        if (c == '\\')
            str_append(s, "\\e");
        else if (c == '-')
            str_append(s, "\\-");
        else if (c == '\'')
            str_append(s, "\\(aq");
        else if (c == '^')
            str_append(s, "\\(ha");
        else if (c == '~')
            str_append(s, "\\(ti");
        else if (c == '`')
            str_append(s, "\\(ga");
        else
            str_append_bytes(s, &c, 1);
        at_start = c == '\n';
    }
}

static void line(struct str *s, const char *string)
{
    text(s, string, strlen(string));
    str_append(s, "\n");
}

static void options(struct str *s, const struct option_row *rows)
{
    for (size_t i = 0; i < option_rows_count(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!row->help)
            continue;
        str_append(s, ".TP\n");
        if (row->short_name)
            str_printf(s, "\\fB\\-%c\\fR, ", row->short_name);
        str_append(s, "\\fB\\-\\-");
        text(s, row->name, strlen(row->name));
        str_append(s, "\\fR");
        if (row->value) {
            str_append(s, " \\fI");
            text(s, row->value, strlen(row->value));
            str_append(s, "\\fR");
        }
        str_append(s, "\n");
        text(s, row->help, strlen(row->help));
        if (row->standard) {
            str_append(s, " (default: ");
            text(s, row->standard, strlen(row->standard));
            str_append(s, ")");
        }
        str_append(s, "\n");
    }
}

static void paragraph(void *user, const char *bytes, size_t n, bool verbatim)
{
    struct str *s = user;
    str_append(s, verbatim ? ".PP\n.nf\n" : ".PP\n");
    text(s, bytes, n);
    str_append(s, verbatim ? "\n.fi\n" : "\n");
}

static void more(struct str *s, const struct command *command)
{
    struct str lines = {0}, filled = {0};
    command->more_help(&lines);
    if (lines.data)
        help_fill_lines(&filled, lines.data, LINE);
    if (lines.failed || filled.failed)
        s->failed = true;
    else if (filled.data) {
        str_append(s, ".PP\n.nf\n");
        text(s, filled.data, filled.length);
        str_append(s, "\n.fi\n");
    }
    str_release(&filled);
    str_release(&lines);
}

static void command_section(struct str *s, const struct command *command)
{
    str_append(s, ".SS lancet ");
    text(s, command->name, strlen(command->name));
    if (option_rows_count(command->options))
        str_append(s, " [OPTIONS]");
    if (command->synopsis) {
        str_append(s, " ");
        text(s, command->synopsis, strlen(command->synopsis));
    }
    str_append(s, "\n");
    text(s, command->summary, strlen(command->summary));
    str_append(s, ".\n");
    if (command->help)
        help_paragraphs(command->help, paragraph, s);
    options(s, command->options);
    if (command->more_help)
        more(s, command);
    for (const struct command_example *e = command->examples; e && e->line; e++) {
        str_append(s, ".PP\nExample: ");
        line(s, e->says);
        str_append(s, ".PP\n.in +4n\n.nf\n");
        line(s, e->line);
        str_append(s, ".fi\n.in\n");
    }
}

static void exit_status(struct str *s)
{
    str_append(s, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ERROR_KINDS; i++) {
        str_printf(s, ".TP\n%d\n", exit_rows[i].status);
        line(s, exit_rows[i].meaning);
    }
}

static void environment(struct str *s)
{
    static const char *const rows[][2] = {
        {"OPENBLAS_CORETYPE",
         "The kernels that OpenBLAS is to use. Unset, lancet chooses the widest that the processor "
         "runs."},
        {"NO_COLOR", "When set, no colours are used unless --color always asks for them."},
        {"XDG_CACHE_HOME", "Second moments are cached in lancet/ below it (default: ~/.cache)."},
        {"HF_HOME, HF_HUB_CACHE",
         "Where models of the Hugging Face hub that were downloaded already are looked for."},
    };
    str_append(s, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        str_append(s, ".TP\n");
        line(s, rows[i][0]);
        line(s, rows[i][1]);
    }
}

bool manual_print(const struct command *const *commands, FILE *out, struct error *err)
{
    struct str s = {0};
    str_append(&s, ".\\\" Generated from the command tables: lancet help --man\n"
                   ".TH LANCET 1 \"\" \"lancet\" \"User Commands\"\n"
                   ".SH NAME\n"
                   "lancet \\- surgery on model checkpoints, and inspection of them\n"
                   ".SH SYNOPSIS\n"
                   "\\fBlancet\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIOPTIONS\\fR] \\fIARGUMENTS\\fR\n"
                   ".SH DESCRIPTION\n"
                   "lancet edits facts in the weights of language models, in place and reversibly, and looks "
                   "into them.\n"
                   "A \\fIMODEL\\fR is a Hugging Face folder, a .safetensors or .gguf file, or the name\n"
                   "of a model that the local\n"
                   "Hugging Face cache holds (then it is only read).\n"
                   "The result goes to standard output, everything else to standard error.\n"
                   ".SH OPTIONS\n"
                   "They may stand before the command or after it.\n");
    options(&s, program_options);
    str_append(&s, ".SH COMMANDS\n");
    for (size_t i = 0; commands[i]; i++)
        if (!(commands[i]->flags & COMMAND_HIDDEN))
            command_section(&s, commands[i]);
    exit_status(&s);
    environment(&s);
    bool ok = !s.failed;
    if (ok)
        fputs(s.data, out);
    else
        error_memory(err, "writing the manual");
    str_release(&s);
    return ok;
}
