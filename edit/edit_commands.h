/* The commands that change what a model believes. */
#ifndef LANCET_EDIT_COMMANDS_H
#define LANCET_EDIT_COMMANDS_H

#include "command.h"

extern const struct command command_covariance, command_edit;

extern const struct command *const edit_commands[]; /* NULL-terminated */

#endif
