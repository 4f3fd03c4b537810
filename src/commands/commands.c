#include "commands.h"

#include <stddef.h>

const struct command *const src_commands[] = {
    &command_completion,
    &command_convert,
    &command_demo,
    &command_help,
    &command_history,
    &command_info,
    &command_log,
    &command_tensors,
    &command_undo,
    &command_verify,
    NULL,
};
