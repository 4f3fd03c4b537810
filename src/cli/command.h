/* What a command is: one row. Options, help, man page, completion and arity all come from it, so that adding
 * a command is a file cmd_NAME.c with one `const struct command`, its name in the folder's list (commands.h,
 * edit_commands.h, inspect_commands.h) and a line in meson.build.
 *
 *     static const struct option_row options[] = {
 *         {.name = "top", .short_name = 'k', .kind = OPTION_U64, .value = "K", .standard = "10",
 *          .help = "how many tokens to show"},
 *         {0}};
 *     static bool run(struct command_call *call, struct error *err) { ... call->args[0] ... option_u64(call,
 * "top") } const struct command command_predict = { .name = "predict", .summary = "show what the model would
 * say next", .synopsis = "MODEL PROMPT", .help = "...", .options = options, .min_args = 1, .max_args = 2,
 * .flags = COMMAND_COMPUTES, .run = run};
 *
 * A command parses, calls the library once and prints: no arithmetic. It writes its result to call->out and
 * never checks it for errors: the dispatcher does that once. What is said to the user apart from the result
 * goes through command_note. It never prints an error and never exits: it returns false with err set. */
#ifndef LANCET_COMMAND_H
#define LANCET_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "context.h"
#include "error.h"
#include "json_write.h"
#include "terminal.h"

enum option_kind {
    OPTION_FLAG,
    OPTION_STRING,
    OPTION_NUMBER, /* a finite double */
    OPTION_U64,
    OPTION_LIST /* a string that may be given several times */
};

struct option_row {
    const char *name; /* without dashes; NULL ends a table */
    char short_name;  /* 0: none */
    enum option_kind kind;
    const char *value;    /* placeholder for people: "N", "FILE" (files are completed), "DIR" (folders are) */
    const char *standard; /* the value when it is not given, spelt as the user would; NULL: none */
    const char *help;     /* one phrase, no full stop; NULL hides the option from help */
    const char *const *choices; /* NULL-terminated: the only values that a string may have; NULL: any */
};

struct command_example {
    const char *line; /* "lancet predict gpt2 'The Eiffel Tower is in'"; NULL ends a table */
    const char *says; /* what it does */
};

enum command_flags {
    COMMAND_COMPUTES = 1, /* call->context.pool is there; main.c gives OpenBLAS its best kernels first */
    COMMAND_HIDDEN = 2    /* not in the overview (nor in completions) */
};

enum { COMMAND_ANY_ARGS = 1000000 };

struct command_call;

struct command {
    const char *name;
    const char *summary;  /* one phrase, no full stop */
    const char *synopsis; /* what follows "lancet NAME [OPTIONS]": "MODEL [GLOB...]" */
    const char *help;     /* paragraphs, separated by an empty line; lines are filled anew, but for those that
                             begin     with a space */
    const struct option_row *options;       /* ended by a row without a name; NULL: none */
    const struct command_example *examples; /* ended by a row without a line; NULL: none */
    unsigned min_args, max_args;
    unsigned flags;
    /* Appends to the help what is generated from other tables (hyper-parameters, methods); NULL: nothing. */
    void (*more_help)(struct str *out);
    bool (*run)(struct command_call *call, struct error *err);
};

struct option_values; /* what the command line gave, opaque */
struct resident_watch;

struct command_call {
    const struct command *command;
    const struct command *const *commands; /* every row, sorted by name, NULL-terminated */
    const char *const *args;               /* positional arguments, min_args <= n_args <= max_args */
    unsigned n_args;
    const char *line; /* the whole command line, quoted for a shell: for records of changes */
    bool json, quiet;
    FILE *out; /* stdout */
    struct terminal terminal;
    struct context context; /* fs, progress, cancel flag; pool with COMMAND_COMPUTES only */
    struct option_values *values;
    struct resident_watch *resident; /* with --json, of a command that computes; else NULL */
};

/* Options by name; the name must be in the command's table (asserted). A value that was not given is the
 * row's `standard`; without one: NULL, NAN, 0. Values were checked when the command line was read. */
bool option_given(const struct command_call *call, const char *name); /* flags too */
const char *option_string(const struct command_call *call, const char *name);
double option_number(const struct command_call *call, const char *name);
uint64_t option_u64(const struct command_call *call, const char *name);
/* All values of a list, in the order given: *out has n strings, borrowed. Returns n. */
size_t option_list(const struct command_call *call, const char *name, const char *const **out);

/* ERROR_USAGE "lancet NAME: sentence (see 'lancet help NAME')". Returns false. */
bool command_usage(const struct command_call *call, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One line on stderr, unless --quiet: "lancet: sentence". Escape foreign text first (quote.h,
 * str_append_escaped). */
void command_note(const struct command_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says that records in DIR go with the model that is replaced there; of none, nothing. */
void command_note_records(const struct command_call *call, const char *directory, size_t n_records);
/* The progress line, if there is one, is taken away before anything else is printed to the terminal. */
void command_quiet_progress(struct command_call *call);

/* The JSON document of a command: opens the outermost object with "schema": "lancet.NAME/1" ... */
void command_json_begin(const struct command_call *call, struct json_write *w);
/* ... closes it, and tells whether it all went out. A command that computes says there how much memory it
 * took: "memory": {"peak_bytes"}, the highest RssAnon + RssShmem. */
bool command_json_end(const struct command_call *call, struct json_write *w, struct error *err);

#endif
