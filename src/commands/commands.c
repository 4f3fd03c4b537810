#include "commands.h"

#include <stddef.h>

const struct command *const src_commands[] = {
    &command_completion,
    &command_help,
    &command_info,
    &command_tensors,
    NULL,
};
