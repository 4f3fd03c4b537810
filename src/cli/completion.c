#include "completion.h"

#include <string.h>

#include "dispatch.h"
#include "memory.h"
#include "options.h"

static bool is_shown(const struct command *command)
{
    return !(command->flags & COMMAND_HIDDEN);
}

static bool takes_value(const struct option_row *row)
{
    return row->kind != OPTION_FLAG;
}

static bool takes_directory(const struct option_row *row)
{
    return row->value && strcmp(row->value, "DIR") == 0;
}

static void append_choices(struct str *s, const struct option_row *row, const char *separator)
{
    for (size_t i = 0; row->choices && row->choices[i]; i++)
        str_printf(s, "%s%s", i ? separator : "", row->choices[i]);
}

/* ---- bash ---- */

static void bash_words(struct str *s, const struct option_row *rows)
{
    for (size_t i = 0; i < option_rows_count(rows); i++) {
        if (!rows[i].help)
            continue;
        str_printf(s, " --%s", rows[i].name);
        if (rows[i].short_name)
            str_printf(s, " -%c", rows[i].short_name);
    }
}

static void bash_values(struct str *s, const struct option_row *rows, const char *command)
{
    for (size_t i = 0; i < option_rows_count(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!takes_value(row) || !row->help)
            continue;
        str_printf(s, "        %s:--%s", command, row->name);
        if (row->short_name)
            str_printf(s, "|%s:-%c", command, row->short_name);
        if (row->choices) {
            str_append(s, ") COMPREPLY=($(compgen -W '");
            append_choices(s, row, " ");
            str_append(s, "' -- \"$current\")); return ;;\n");
        } else
            str_printf(s, ") COMPREPLY=($(compgen -%c -- \"$current\")); return ;;\n",
                       takes_directory(row) ? 'd' : 'f');
    }
}

static void bash(struct str *s, const struct command *const *commands)
{
    str_append(s, "# bash completion for lancet; load it with: source <(lancet completion bash)\n"
                  "_lancet()\n"
                  "{\n"
                  "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local command='' i options\n"
                  "    compopt -o filenames 2>/dev/null\n"
                  "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                  "        case ${COMP_WORDS[i]} in\n"
                  "        --threads|--progress|--color) ((i++)) ;;\n"
                  "        -*) ;;\n"
                  "        *) command=${COMP_WORDS[i]}; break ;;\n"
                  "        esac\n"
                  "    done\n"
                  "    case $command:$previous in\n");
    bash_values(s, program_options, "*");
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i]))
            bash_values(s, commands[i]->options, commands[i]->name);
    str_append(s, "    esac\n    options='");
    bash_words(s, program_options);
    str_append(s, "'\n    case $command in\n    '') if [[ $current != -* ]]; then\n"
                  "            compopt +o filenames 2>/dev/null\n            COMPREPLY=($(compgen -W '");
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i]))
            str_printf(s, "%s%s", i ? " " : "", commands[i]->name);
    str_append(s, "' -- \"$current\")); return\n        fi ;;\n");
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i]) && option_rows_count(commands[i]->options)) {
            str_printf(s, "    %s) options+='", commands[i]->name);
            bash_words(s, commands[i]->options);
            str_append(s, "' ;;\n");
        }
    str_append(s, "    esac\n"
                  "    if [[ $current == -* ]]; then\n"
                  "        COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
                  "    else\n"
                  "        COMPREPLY=($(compgen -f -- \"$current\"))\n"
                  "    fi\n"
                  "}\n"
                  "complete -F _lancet lancet\n");
}

/* ---- zsh ---- */

/* Text inside '...[...]' of _arguments. */
static void zsh_text(struct str *s, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            str_append(s, "'\\''");
        else {
            if (strchr("[]:\\", *p))
                str_append(s, "\\");
            str_append_bytes(s, p, 1);
        }
    }
}

static void zsh_action(struct str *s, const struct option_row *row)
{
    if (!takes_value(row))
        return;
    str_append(s, ":");
    zsh_text(s, row->value);
    str_append(s, ":");
    if (row->choices) {
        str_append(s, "(");
        append_choices(s, row, " ");
        str_append(s, ")");
    } else
        str_append(s, takes_directory(row) ? "_files -/" : "_files");
}

static void zsh_options(struct str *s, const struct option_row *rows, const char *indent)
{
    for (size_t i = 0; i < option_rows_count(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!row->help)
            continue;
        for (int spelling = 0; spelling < (row->short_name ? 2 : 1); spelling++) {
            str_printf(s, "%s'%s", indent, row->kind == OPTION_LIST ? "*" : "");
            if (spelling == 0)
                str_printf(s, "--%s%s[", row->name, takes_value(row) ? "=" : "");
            else
                str_printf(s, "-%c%s[", row->short_name, takes_value(row) ? "+" : "");
            zsh_text(s, row->help);
            str_append(s, "]");
            zsh_action(s, row);
            str_append(s, "' \\\n");
        }
    }
}

static void zsh(struct str *s, const struct command *const *commands)
{
    str_append(s, "#compdef lancet\n"
                  "# zsh completion for lancet; put it into a folder of $fpath as _lancet\n"
                  "_lancet()\n"
                  "{\n"
                  "    local -a commands\n"
                  "    local state line\n"
                  "    commands=(\n");
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i])) {
            str_printf(s, "        '%s:", commands[i]->name);
            zsh_text(s, commands[i]->summary);
            str_append(s, "'\n");
        }
    str_append(s, "    )\n    _arguments -C \\\n");
    zsh_options(s, program_options, "        ");
    str_append(s, "        '1:command:->command' '*::argument:->argument'\n"
                  "    case $state in\n"
                  "    command) _describe command commands ;;\n"
                  "    argument)\n"
                  "        case $words[1] in\n");
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i])) {
            str_printf(s, "        %s)\n            _arguments \\\n", commands[i]->name);
            zsh_options(s, commands[i]->options, "                ");
            zsh_options(s, program_options, "                ");
            str_append(s, "                '*:argument:_files' ;;\n");
        }
    str_append(s, "        esac ;;\n"
                  "    esac\n"
                  "}\n"
                  "_lancet \"$@\"\n");
}

/* ---- fish ---- */

static void fish_text(struct str *s, const char *text)
{
    str_append(s, "'");
    for (const char *p = text; *p; p++) {
        if (*p == '\'' || *p == '\\')
            str_append(s, "\\");
        str_append_bytes(s, p, 1);
    }
    str_append(s, "'");
}

static void fish_options(struct str *s, const struct option_row *rows, const char *command)
{
    for (size_t i = 0; i < option_rows_count(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!row->help)
            continue;
        str_append(s, "complete -c lancet");
        if (command)
            str_printf(s, " -n '__fish_seen_subcommand_from %s'", command);
        str_printf(s, " -l %s", row->name);
        if (row->short_name)
            str_printf(s, " -s %c", row->short_name);
        if (row->choices) {
            str_append(s, " -x -a '");
            append_choices(s, row, " ");
            str_append(s, "'");
        } else if (takes_value(row))
            str_append(s, " -r");
        str_append(s, " -d ");
        fish_text(s, row->help);
        str_append(s, "\n");
    }
}

static void fish(struct str *s, const struct command *const *commands)
{
    str_append(s, "# fish completion for lancet; load it with: lancet completion fish | source\n");
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i])) {
            str_printf(s, "complete -c lancet -n __fish_use_subcommand -f -a %s -d ", commands[i]->name);
            fish_text(s, commands[i]->summary);
            str_append(s, "\n");
        }
    fish_options(s, program_options, NULL);
    for (size_t i = 0; commands[i]; i++)
        if (is_shown(commands[i]))
            fish_options(s, commands[i]->options, commands[i]->name);
}

const char *const completion_shells[] = {"bash", "zsh", "fish", NULL};
static void (*const writers[])(struct str *s, const struct command *const *commands) = {bash, zsh, fish};

bool completion_print(const char *shell, const struct command *const *commands, FILE *out, struct error *err)
{
    struct str s = {0};
    for (size_t i = 0; completion_shells[i]; i++)
        if (strcmp(completion_shells[i], shell) == 0)
            writers[i](&s, commands);
    bool ok = !s.failed && s.data;
    if (ok)
        fputs(s.data, out);
    else
        error_memory(err, "writing a completion script");
    str_release(&s);
    return ok;
}
