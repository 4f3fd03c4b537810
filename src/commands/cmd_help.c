#include "commands.h"

#include "dispatch.h"
#include "help.h"
#include "manual.h"

static const struct option_row options[] = {
    {.name = "man", .kind = OPTION_FLAG, .help = "print the manual page (roff) instead"}, {0}};

static bool run(struct command_call *call, struct error *err)
{
    if (option_given(call, "man"))
        return manual_print(call->commands, call->out, err);
    if (call->n_args == 0)
        return help_overview(call->commands, call->out, &call->terminal, err);
    const struct command *command = command_find(call->commands, call->args[0]);
    if (command)
        return help_command(command, call->out, &call->terminal, err);
    const char *best = command_nearest(call->commands, call->args[0]);
    if (best)
        return error_set(err, ERROR_USAGE, "help: there is no command \"%s\", did you mean \"%s\"?",
                         call->args[0], best);
    return error_set(err, ERROR_USAGE, "help: there is no command \"%s\" (see 'lancet help')", call->args[0]);
}

static const struct command_example examples[] = {
    {"lancet help edit", "everything about one command"},
    {"lancet help --man | man -l -", "the manual page"},
    {NULL, NULL},
};

const struct command command_help = {
    .name = "help",
    .summary = "show all commands, or everything about one",
    .synopsis = "[COMMAND]",
    .options = options,
    .examples = examples,
    .max_args = 1,
    .run = run,
};
