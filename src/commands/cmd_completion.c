#include "commands.h"

#include <string.h>

#include "completion.h"

static bool run(struct command_call *call, struct error *err)
{
    for (size_t i = 0; completion_shells[i]; i++)
        if (strcmp(completion_shells[i], call->args[0]) == 0)
            return completion_print(call->args[0], call->commands, call->out, err);
    return command_usage(call, err, "there is no completion for \"%s\", only for bash, zsh and fish",
                         call->args[0]);
}

static const struct command_example examples[] = {
    {"source <(lancet completion bash)", "completes commands and options in this bash"},
    {"lancet completion zsh > ~/.zfunc/_lancet", "for zsh, with ~/.zfunc in $fpath"},
    {"lancet completion fish > ~/.config/fish/completions/lancet.fish", "for fish"},
    {NULL, NULL},
};

const struct command command_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .synopsis = "bash|zsh|fish",
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
