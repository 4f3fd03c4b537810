#include "merge_commands.h"

#include <stddef.h>

const struct command *const merge_commands[] = {
    &command_explain,
    &command_merge,
    NULL,
};
