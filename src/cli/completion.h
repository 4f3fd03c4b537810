/* Completion scripts for shells, made from the rows. */
#ifndef LANCET_COMPLETION_H
#define LANCET_COMPLETION_H

#include "command.h"

/* "bash", "zsh", "fish", NULL. */
extern const char *const completion_shells[];

/* `shell` must be one of them. */
bool completion_print(const char *shell, const struct command *const *commands, FILE *out, struct error *err);

#endif
