#include "inspect_commands.h"

#include <stddef.h>

const struct command *const inspect_commands[] = {
    &command_attention,  &command_diff,    &command_generate, &command_heads, &command_lens,
    &command_perplexity, &command_predict, &command_tokenize, NULL,
};
