#include "merge_commands.h"

#include <stddef.h>

extern const struct command command_explain;

const struct command *const merge_commands[] = {
    &command_explain,
    NULL,
};
