#include "edit_commands.h"

#include <stddef.h>

const struct command *const edit_commands[] = {
    &command_covariance,
    &command_edit,
    NULL,
};
