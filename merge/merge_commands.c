#include "merge_commands.h"

#include <stddef.h>

const struct command *const merge_commands[] = {
    &command_apply,
    &command_explain,
    &command_merge,
    &command_task_vector,
    NULL,
};
