/* Help for people, made from the rows. */
#ifndef LANCET_HELP_H
#define LANCET_HELP_H

#include "command.h"

/* All commands with their summaries, the global options, the exit status. */
bool help_overview(const struct command *const *commands, FILE *out, const struct terminal *terminal,
                   struct error *err);
/* One command: usage, text, options, examples. */
bool help_command(const struct command *command, FILE *out, const struct terminal *terminal,
                  struct error *err);

/* Calls `paragraph` for each paragraph of a help text; `verbatim`: lines that are to be kept as they are. */
void help_paragraphs(const char *text,
                     void (*paragraph)(void *user, const char *bytes, size_t n, bool verbatim), void *user);

/* Lines that are wider than `width` are filled, under the last column of the line: what follows its last gap
 * of two spaces or more. */
void help_fill_lines(struct str *out, const char *text, size_t width);

#endif
