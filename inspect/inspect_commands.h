/* The commands that look into a model: one file cmd_NAME.c each, one row in inspect_commands.c. */
#ifndef LANCET_INSPECT_COMMANDS_H
#define LANCET_INSPECT_COMMANDS_H

#include "command.h"

extern const struct command *const inspect_commands[]; /* NULL-terminated */

extern const struct command command_attention, command_diff, command_generate, command_heads, command_lens,
    command_perplexity, command_predict, command_tokenize;

#endif
