#include "merge_commands.h"

#include <stddef.h>

const struct command *const merge_commands[] = {
    NULL,
};
