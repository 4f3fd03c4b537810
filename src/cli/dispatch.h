/* From a command line to the exit status of the program. */
#ifndef LANCET_DISPATCH_H
#define LANCET_DISPATCH_H

#include <signal.h>

#include "command.h"

struct program {
    const char *version;
    const struct command *const *commands; /* sorted by name, NULL-terminated */
    const struct fs *fs;
    const volatile sig_atomic_t *cancel; /* 0, or the signal that asked to stop */
    const volatile sig_atomic_t
        *reader_gone; /* SIGPIPE came: whoever read our output has left, which is no error */
};

/* Options that every command takes, before its name or after it. */
extern const struct option_row program_options[];

/* What each kind of error means for a script. */
struct exit_row {
    int status;
    const char *meaning;
};
extern const struct exit_row exit_rows[ERROR_KINDS];

/* NULL when there is none of this name. */
const struct command *command_find(const struct command *const *commands, const char *name);
/* "did you mean" for a name that is none; NULL when nothing is near. */
const char *command_nearest(const struct command *const *commands, const char *name);
/* The command that the line names; NULL when it names none. Says and changes nothing. */
const struct command *program_command(const struct program *program, int argc, char **argv);

/* Runs the command, says what went wrong once on stderr, makes sure that everything reached stdout. */
int program_run(const struct program *program, int argc, char **argv);

/* One more command line ("lancet" first) inside a command that is running, its result to `out`: for `demo`.
 */
bool command_run(const struct command_call *call, FILE *out, int argc, const char *const *argv,
                 struct error *err);
/* The words as a line that a shell reads back, malloc'ed; NULL when memory is out. The first one is printed
 * as "lancet". */
char *command_line_quote(int argc, const char *const *argv);

#endif
