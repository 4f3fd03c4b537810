/* The commands that look into a model. */
#ifndef LANCET_INSPECT_COMMANDS_H
#define LANCET_INSPECT_COMMANDS_H

#include "command.h"

extern const struct command *const inspect_commands[]; /* NULL-terminated */

#endif
