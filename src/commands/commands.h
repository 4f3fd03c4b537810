/* The commands about a checkpoint as such: one file cmd_NAME.c each, one row in commands.c. */
#ifndef LANCET_COMMANDS_H
#define LANCET_COMMANDS_H

#include "command.h"

extern const struct command *const src_commands[]; /* NULL-terminated */

extern const struct command command_completion, command_convert, command_demo, command_help, command_history,
    command_info, command_log, command_tensors, command_undo, command_verify;

#endif
