#include "dispatch.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "help.h"
#include "memory.h"
#include "nearest.h"
#include "options.h"
#include "progress.h"
#include "quote.h"
#include "resident.h"

enum { MOST_THREADS = 1024, SIGNAL_STATUS = 128, PIPE_STATUS = SIGNAL_STATUS + SIGPIPE };

static const char *const when_choices[] = {"auto", "always", "never", NULL};

const struct option_row program_options[] = {
    {.name = "json", .kind = OPTION_FLAG, .help = "write the result as one JSON document"},
    {.name = "threads",
     .kind = OPTION_U64,
     .value = "N",
     .help = "compute with N threads (default: one per processor); results do not depend on it"},
    {.name = "quiet", .short_name = 'q', .kind = OPTION_FLAG, .help = "say nothing but results and errors"},
    {.name = "progress",
     .kind = OPTION_STRING,
     .value = "WHEN",
     .standard = "auto",
     .choices = when_choices,
     .help = "show progress on stderr: auto (on a terminal), always, never"},
    {.name = "color",
     .kind = OPTION_STRING,
     .value = "WHEN",
     .standard = "auto",
     .choices = when_choices,
     .help = "use colours: auto (on a terminal), always, never"},
    {.name = "version", .kind = OPTION_FLAG, .help = "print the version and exit"},
    {.name = "help",
     .short_name = 'h',
     .kind = OPTION_FLAG,
     .help = "print help (after a command: its help) and exit"},
    {0}};

const struct exit_row exit_rows[ERROR_KINDS] = {
    [ERROR_NONE] = {0, "done"},
    [ERROR_ANSWER_NO] =
        {1, "the answer is no: differences found, verification failed, an edit refused by its gates"},
    [ERROR_USAGE] = {2, "wrong command line"},
    [ERROR_IO] = {3, "input or output failed"},
    [ERROR_FORMAT] = {4, "malformed file"},
    [ERROR_UNSUPPORTED] = {5, "well-formed, but not supported"},
    [ERROR_MISMATCH] = {6, "two inputs do not belong together"},
    [ERROR_NUMERIC] = {7, "numeric failure: NaN, infinity, or a matrix that cannot be factored"},
    [ERROR_MEMORY] = {8, "out of memory"},
    [ERROR_BUSY] = {9, "busy: locked, or a change was cut and waits for 'lancet verify --recover'"},
    [ERROR_CANCELLED] = {SIGNAL_STATUS + SIGINT, "interrupted by SIGINT (143: SIGTERM, 129: SIGHUP)"},
};

const struct command *command_find(const struct command *const *commands, const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

const char *command_nearest(const struct command *const *commands, const char *name)
{
    struct nearest nearest = {.word = name};
    for (size_t i = 0; commands[i]; i++)
        if (!(commands[i]->flags & COMMAND_HIDDEN))
            nearest_consider(&nearest, commands[i]->name);
    return nearest.best;
}

static int status_of(const struct program *program, const struct error *err)
{
    if (err->kind == ERROR_CANCELLED && *program->cancel)
        return SIGNAL_STATUS + (int)*program->cancel;
    return exit_rows[err->kind].status;
}

/* Everything that may come from a file or from the user is made harmless for the terminal. */
static void say(const char *sentence)
{
    fputs("lancet: ", stderr);
    text_print(stderr, sentence, strlen(sentence));
    fputs("\n", stderr);
}

/* A full disk may show only now. */
static int close_stdout(const struct program *program, int status)
{
    bool failed = ferror(stdout);
    errno = 0;
    if (fclose(stdout))
        failed = true;
    if (*program->reader_gone)
        return status ? status : PIPE_STATUS;
    /* An answer "no" is a result as any other; what failed before is worse than a result that was lost. */
    if (!failed || (status && status != exit_rows[ERROR_ANSWER_NO].status))
        return status;
    struct error err;
    if (errno)
        error_set_errno(&err, "cannot write to standard output");
    else
        error_set(&err, ERROR_IO, "cannot write to standard output");
    say(err.text);
    return exit_rows[ERROR_IO].status;
}

/* The command line for records: words that a shell would take apart are quoted. */
char *command_line_quote(int argc, const char *const *argv)
{
    struct str s = {0};
    str_append(&s, "lancet");
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        size_t safe =
            strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%");
        str_append(&s, " ");
        if (*word && !word[safe]) {
            str_append(&s, word);
            continue;
        }
        str_append(&s, "'");
        for (const char *p = word; *p; p++)
            if (*p == '\'')
                str_append(&s, "'\\''");
            else
                str_append_bytes(&s, p, 1);
        str_append(&s, "'");
    }
    return str_take(&s);
}

static bool global_given(const struct option_values *before, const struct option_values *after,
                         const char *name)
{
    return option_values_find(before, name)->given || option_values_find(after, name)->given;
}

static const char *global_text(const struct option_values *before, const struct option_values *after,
                               const char *name)
{
    const struct option_value *value = option_values_find(after, name);
    return option_value_text(value->given ? value : option_values_find(before, name));
}

/* Index into when_choices, which the enums of colour and progress follow. */
static unsigned when(const char *text)
{
    unsigned i = 0;
    while (when_choices[i + 1] && strcmp(when_choices[i], text) != 0)
        i++;
    return i;
}

struct run { /* all that one run holds */
    const struct program *program;
    FILE *out;
    struct option_values *before, *after; /* global options on both sides of the command's name */
    struct option_values *values;
    struct progress progress;
    struct command_call call;
    char *line;
    char noted[256]; /* the last note */
};

static void run_release(struct run *run)
{
    resident_watch_free(run->call.resident);
    pool_free(run->call.context.pool);
    option_values_free(run->values);
    option_values_free(run->after);
    option_values_free(run->before);
    free(run->line);
}

static bool check_arity(const struct command *command, unsigned n, struct error *err)
{
    if (n >= command->min_args && n <= command->max_args)
        return true;
    const char *synopsis = command->synopsis ? command->synopsis : "";
    return error_set(err, ERROR_USAGE, "%s: %s, expected: lancet %s %s", command->name,
                     n < command->min_args ? "too few arguments" : "too many arguments", command->name,
                     synopsis);
}

/* Once, if a command would say the same again and again. */
static void note_once(void *user, const char *sentence)
{
    struct run *run = user;
    if (strcmp(run->noted, sentence) == 0)
        return;
    snprintf(run->noted, sizeof run->noted, "%s", sentence);
    command_note(&run->call, "%s", sentence);
}

static bool set_up(struct run *run, const struct command *command, struct error *err)
{
    struct command_call *call = &run->call;
    const char *threads = global_text(run->before, run->after, "threads");
    call->command = command;
    call->commands = run->program->commands;
    call->values = run->values;
    call->line = run->line;
    call->json = global_given(run->before, run->after, "json");
    call->quiet = global_given(run->before, run->after, "quiet");
    call->out = run->out;
    call->terminal = terminal_detect((enum color_choice)when(global_text(run->before, run->after, "color")));
    run->progress = progress_new((enum progress_choice)when(global_text(run->before, run->after, "progress")),
                                 call->quiet, &call->terminal);
    call->context = (struct context){
        .fs = run->program->fs,
        .progress = progress_report,
        .progress_user = &run->progress,
        .note = note_once,
        .note_user = run,
        .cancel = run->program->cancel,
    };
    uint64_t n_threads = threads ? strtoull(threads, NULL, 10) : 0;
    if (threads && (n_threads == 0 || n_threads > MOST_THREADS))
        return error_set(err, ERROR_USAGE, "--threads: %s is not between 1 and %d", threads, MOST_THREADS);
    if (!(command->flags & COMMAND_COMPUTES))
        return true;
    return (!call->json || resident_watch_new(&call->resident, err)) &&
           pool_new((unsigned)n_threads, &call->context.pool, err);
}

static bool run_command(struct run *run, const struct command *command, int argc, const char **argv,
                        struct error *err)
{
    if (!option_values_new(command->options, &run->values, err) ||
        !options_read(run->values, run->after, argc, argv, false, &run->call.args, &run->call.n_args, err)) {
        if (err->kind == ERROR_USAGE)
            error_prefix(err, "%s", command->name);
        return false;
    }
    struct terminal terminal =
        terminal_detect((enum color_choice)when(global_text(run->before, run->after, "color")));
    if (global_given(run->before, run->after, "help"))
        return help_command(command, stdout, &terminal, err);
    if (!check_arity(command, run->call.n_args, err) || !set_up(run, command, err))
        return false;
    bool ok = command->run(&run->call, err);
    progress_clear(&run->progress);
    return ok;
}

static bool unknown_command(const struct program *program, const char *name, struct error *err)
{
    const char *best = command_nearest(program->commands, name);
    if (best)
        return error_set(err, ERROR_USAGE, "unknown command \"%s\", did you mean \"%s\"?", name, best);
    return error_set(err, ERROR_USAGE, "unknown command \"%s\" (see 'lancet help')", name);
}

static bool run_line(struct run *run, int argc, const char **argv, struct error *err)
{
    const struct program *program = run->program;
    const char *const *args;
    unsigned n_args;
    run->line = command_line_quote(argc, argv);
    if (!run->line)
        return error_memory(err, "reading the command line");
    if (!option_values_new(program_options, &run->before, err) ||
        !option_values_new(program_options, &run->after, err) ||
        !options_read(run->before, NULL, argc, argv, true, &args, &n_args, err))
        return false;
    struct terminal terminal =
        terminal_detect((enum color_choice)when(global_text(run->before, run->after, "color")));
    if (option_values_find(run->before, "version")->given) {
        printf("lancet %s\n", program->version);
        return true;
    }
    if (n_args == 0 && option_values_find(run->before, "help")->given)
        return help_overview(program->commands, stdout, &terminal, err);
    if (n_args == 0)
        return error_set(err, ERROR_USAGE, "no command given (see 'lancet help')");
    const struct command *command = command_find(program->commands, args[0]);
    if (!command)
        return unknown_command(program, args[0], err);
    return run_command(run, command, (int)n_args, (const char **)args, err);
}

const struct command *program_command(const struct program *program, int argc, char **argv)
{
    struct option_values *values = NULL;
    struct error err;
    const char *const *args;
    unsigned n_args = 0;
    const struct command *command = NULL;
    if (option_values_new(program_options, &values, &err) &&
        options_read(values, NULL, argc, (const char **)argv, true, &args, &n_args, &err) && n_args)
        command = command_find(program->commands, args[0]);
    option_values_free(values);
    return command;
}

int program_run(const struct program *program, int argc, char **argv)
{
    struct run run = {.program = program, .out = stdout};
    struct error err = {0};
    int status = 0;
    if (!run_line(&run, argc, (const char **)argv, &err)) {
        fflush(stdout);
        bool gone = *program->reader_gone && err.kind == ERROR_IO;
        if (err.text[0] && !gone)
            say(err.text);
        status = gone ? PIPE_STATUS : status_of(program, &err);
    }
    run_release(&run);
    return close_stdout(program, status);
}

bool command_run(const struct command_call *call, FILE *out, int argc, const char *const *argv,
                 struct error *err)
{
    const struct program program = {
        .commands = call->commands, .fs = call->context.fs, .cancel = call->context.cancel};
    const char **words = memory_array((size_t)argc, sizeof *words); /* popt takes words that it may reorder */
    if (!words)
        return error_memory(err, "running a command");
    memcpy(words, argv, (size_t)argc * sizeof *words);
    struct run run = {.program = &program, .out = out};
    bool ok = run_line(&run, argc, words, err);
    run_release(&run);
    free(words);
    return ok;
}

bool command_usage(const struct command_call *call, struct error *err, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return error_set(err, ERROR_USAGE, "%s: %s (see 'lancet help %s')", call->command->name, sentence,
                     call->command->name);
}

void command_note(const struct command_call *call, const char *format, ...)
{
    if (call->quiet)
        return;
    char sentence[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    progress_clear(call->context.progress_user);
    fflush(call->out);
    fprintf(stderr, "lancet: %s\n", sentence);
}

void command_note_records(const struct command_call *call, const char *directory, size_t n_records)
{
    if (n_records)
        command_note(call, "%s: %zu record%s of changes of the model that is replaced %s removed",
                     quote(directory).text, n_records, n_records == 1 ? "" : "s",
                     n_records == 1 ? "is" : "are");
}

void command_quiet_progress(struct command_call *call)
{
    progress_clear(call->context.progress_user);
}

void command_json_begin(const struct command_call *call, struct json_write *w)
{
    char schema[64];
    snprintf(schema, sizeof schema, "lancet.%s/1", call->command->name);
    progress_clear(call->context.progress_user);
    json_write_to_file(w, call->out, true);
    w->flat_from = 3; /* one line for each token, tensor, file ... */
    json_write_object_begin(w);
    json_write_member_string(w, "schema", schema);
}

bool command_json_end(const struct command_call *call, struct json_write *w, struct error *err)
{
    if (call->resident) {
        w->flat_from = 2;
        json_write_key(w, "memory");
        json_write_object_begin(w);
        json_write_member_u64(w, "peak_bytes", resident_watch_peak(call->resident));
        json_write_object_end(w);
    }
    json_write_object_end(w);
    return json_write_finish(w, "standard output", err);
}
