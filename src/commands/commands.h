/* The commands about a checkpoint as such. */
#ifndef LANCET_COMMANDS_H
#define LANCET_COMMANDS_H

#include "command.h"

extern const struct command *const src_commands[]; /* NULL-terminated */

#endif
