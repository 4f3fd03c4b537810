/* The commands about a checkpoint as such: one file cmd_NAME.c each, one row in commands.c. */
#ifndef LANCET_COMMANDS_H
#define LANCET_COMMANDS_H

#include "command.h"

extern const struct command *const src_commands[]; /* NULL-terminated */

extern const struct command command_completion, command_help, command_info, command_tensors;

#endif
