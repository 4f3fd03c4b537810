/* The program: collects the command rows of every folder, owns what a library may not have (signal handlers
 * and their flags), and hands over to the dispatcher. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blas_choice.h"
#include "commands.h"
#include "dispatch.h"
#include "edit_commands.h"
#include "inspect_commands.h"
#include "map_registry.h"
#include "merge_commands.h"

enum { MOST_COMMANDS = 128 };

static volatile sig_atomic_t cancel, reader_gone;

/* The first signal asks to stop (a change in place rolls back), the second one does not ask. */
static void on_stop(int signal_number)
{
    if (cancel) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    cancel = signal_number;
}

static void on_pipe(int signal_number)
{
    reader_gone = signal_number;
}

static void handle(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction old, action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler == SIG_IGN && signal_number != SIGPIPE)
        return; /* nohup: whoever started us wants it ignored */
    sigaction(signal_number, &action, NULL);
}

/* A model file must never get the number of a standard stream that was closed. The wrong way round, so that
 * using the stream still is an error. */
static void open_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            _exit(3);
}

static int by_name(const void *a, const void *b)
{
    const struct command *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static const struct command *const *collect(void)
{
    static const struct command *all[MOST_COMMANDS + 1];
    const struct command *const *const lists[] = {src_commands, edit_commands, merge_commands, inspect_commands};
    size_t n = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (size_t k = 0; lists[i][k] && n < MOST_COMMANDS; k++)
            all[n++] = lists[i][k];
    qsort(all, n, sizeof *all, by_name);
    return all;
}

int main(int argc, char **argv)
{
    open_standard_streams();
    handle(SIGINT, on_stop, 0);
    handle(SIGTERM, on_stop, 0);
    handle(SIGHUP, on_stop, 0);
    handle(SIGPIPE, on_pipe, SA_RESTART);
    map_registry_watch();
    struct program program = {
        .version = LANCET_VERSION,
        .commands = collect(),
        .fs = map_registry_fs(),
        .cancel = &cancel,
        .reader_gone = &reader_gone,
    };
    const struct command *command = program_command(&program, argc, argv);
    if (command && command->flags & COMMAND_COMPUTES)
        blas_choose(argv);
    return program_run(&program, argc, argv);
}
