/* The commands that merge models and carry task vectors: one file cmd_NAME.c each, one row in
 * merge_commands.c. */
#ifndef LANCET_MERGE_COMMANDS_H
#define LANCET_MERGE_COMMANDS_H

#include "command.h"

extern const struct command command_apply, command_explain, command_merge, command_task_vector;

extern const struct command *const merge_commands[]; /* NULL-terminated */

#endif
