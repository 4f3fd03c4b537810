#include "merge_commands.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "execute.h"
#include "memory.h"
#include "merge_report.h"
#include "model_card.h"
#include "numbers.h"
#include "quote.h"
#include "recipe.h"

static const char *const semantics_names[] = {"lancet", "mergekit", NULL};

static const struct option_row options[] = {
    {.name = "method",
     .short_name = 'm',
     .kind = OPTION_STRING,
     .value = "NAME",
     .help = "how (below); in place of RECIPE"},
    {.name = "base",
     .short_name = 'b',
     .kind = OPTION_STRING,
     .value = "MODEL",
     .help = "the base of --method"},
    {.name = "model",
     .kind = OPTION_LIST,
     .value = "MODEL[:WEIGHT]",
     .help = "a model to merge, with its weight (scale)"},
    {.name = "set", .kind = OPTION_LIST, .value = "NAME=VALUE", .help = "a parameter of the method"},
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_STRING,
     .value = "DIR",
     .help = "write a new model folder"},
    {.name = "into",
     .short_name = 'i',
     .kind = OPTION_STRING,
     .value = "MODEL",
     .help = "change this model in place, reversibly; it may be one of those that are merged"},
    {.name = "dry-run", .short_name = 'n', .kind = OPTION_FLAG, .help = "show the plan and write nothing"},
    {.name = "resume", .kind = OPTION_FLAG, .help = "go on with a merge into MODEL that was cut"},
    {.name = "semantics",
     .kind = OPTION_STRING,
     .value = "NAME",
     .choices = semantics_names,
     .help = "lancet: exact, rounded once; mergekit: its roundings and choices"},
    {.name = "memory",
     .kind = OPTION_STRING,
     .value = "SIZE",
     .standard = "1G",
     .help = "use no more than this: 512M, 2G"},
    {.name = "shard-size",
     .kind = OPTION_STRING,
     .value = "SIZE",
     .standard = "5GB",
     .help = "of a file of weights at most"},
    {.name = "dtype", .kind = OPTION_STRING, .value = "NAME", .help = "round the inputs of --method to it"},
    {.name = "out-dtype",
     .kind = OPTION_STRING,
     .value = "NAME",
     .help = "store the result of --method in it"},
    {.name = "untie", .kind = OPTION_FLAG, .help = "a tied model gets a head of its own"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "replace the model in DIR; change linked files and files that are open elsewhere"},
    {.name = "no-history",
     .kind = OPTION_FLAG,
     .help = "keep no record: a merge into MODEL cannot be undone"},
    {0},
};

static const struct command_example examples[] = {
    {"lancet merge recipe.yml --output merged", "runs a recipe, mergekit's too, into a new folder"},
    {"lancet merge --method linear --model code:0.6 --model chinese:0.4 --output merged",
     "the same without a file"},
    {"lancet merge recipe.yml --into code",
     "changes the model code itself; 'lancet undo code' takes it back"},
    {"lancet merge recipe.yml --dry-run", "shows the plan: sources, parameters, memory, disk"},
    {NULL, NULL},
};

static void more_help(struct str *out)
{
    str_append(out, "Methods and their parameters:\n");
    for (size_t i = 0; merge_methods[i]; i++) {
        const struct merge_method *m = merge_methods[i];
        if (m->hidden)
            continue;
        str_printf(out, "  %-16s %s\n", m->name, m->summary);
        for (size_t p = 0; p < m->n_parameters; p++) {
            const struct merge_parameter *row = &m->parameters[p];
            str_printf(out, "    %-14s %s, ", row->name, row->help);
            if (row->required)
                str_append(out, "required\n");
            else if (row->kind == PARAMETER_BOOL)
                str_printf(out, "default %s\n", row->standard != 0 ? "true" : "false");
            else
                str_printf(out, "default %g\n", row->standard);
        }
    }
}

static bool parse_size(struct command_call *call, const char *name, uint64_t *out, struct error *err)
{
    const char *text = option_string(call, name);

    return (number_parse_bytes(text, out) && *out > 0) ||
           command_usage(call, err, "--%s %s is not a size such as 512M or 2G", name, quote(text).text);
}

static bool read_recipe(struct command_call *call, struct recipe *out, struct error *err)
{
    struct recipe_flags flags = {.method = option_string(call, "method"),
                                 .base = option_string(call, "base"),
                                 .dtype = option_string(call, "dtype"),
                                 .out_dtype = option_string(call, "out-dtype"),
                                 .semantics = option_string(call, "semantics"),
                                 .untie = option_given(call, "untie")};
    bool ok;

    flags.n_models = option_list(call, "model", &flags.models);
    flags.n_parameters = option_list(call, "set", &flags.parameters);
    if (call->n_args && (flags.method || flags.base || flags.n_models || flags.n_parameters || flags.dtype ||
                         flags.out_dtype))
        return command_usage(call, err, "give either a recipe or --method with its models");
    if (!call->n_args && !flags.method)
        return command_usage(call, err, "give a recipe, or --method and --model");
    ok = call->n_args ? recipe_load(call->context.fs, call->args[0], out, err)
                      : recipe_from_flags(&flags, out, err);
    if (ok && flags.semantics)
        out->semantics = strcmp(flags.semantics, "mergekit") == 0 ? MERGE_MERGEKIT : MERGE_LANCET;
    if (ok && flags.untie)
        out->untie = true;
    return ok;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool report(struct command_call *call, const struct merge_outcome *outcome, struct error *err)
{
    struct json_write w;

    command_quiet_progress(call);
    if (!call->json)
        return merge_report_print(outcome, call->out, &call->terminal, err);
    command_json_begin(call, &w);
    merge_report_json(outcome, &w);
    return command_json_end(call, &w, err);
}

/* ---- what is done ---- */

struct job {
    struct recipe recipe;
    struct merge_plan plan;
    struct merge_limits limits;
    uint64_t shard_size;
    struct checkpoint *target; /* of --into */
    struct merge_estimate estimate;
    size_t n_records; /* that go with the model in --output */
    struct merge_done done;
};

static bool to_folder(struct command_call *call, struct job *job, struct error *err)
{
    const char *directory = option_string(call, "output");
    char *card = NULL, *name = realpath(directory, NULL);
    bool ok = model_card(&job->plan, &job->recipe, path_base(name ? name : directory), &card, err);
    struct merge_folder folder = {.directory = directory,
                                  .card = card,
                                  .recipe = job->recipe.text,
                                  .force = option_given(call, "force"),
                                  .shard_size = job->shard_size};

    ok = ok && merge_to_folder(&call->context, &job->plan, &job->limits, &folder, &job->done, err);
    free(card);
    free(name);
    return ok;
}

static bool into_model(struct command_call *call, struct job *job, struct error *err)
{
    struct str note = {0};
    bool ok = merge_note(&call->context, &job->plan, job->recipe.text, &note, err);
    struct transaction_options how = {.kind = "merge",
                                      .command = call->line,
                                      .note = note.data,
                                      .force = option_given(call, "force"),
                                      .no_history = option_given(call, "no-history"),
                                      .resume = option_given(call, "resume")};

    ok = ok && merge_into_model(&call->context, &job->plan, &job->limits, job->target, &how, &job->done, err);
    str_release(&note);
    return ok;
}

static bool check_output(struct command_call *call, struct job *job, struct error *err)
{
    struct merge_folder folder = {.directory = option_string(call, "output"),
                                  .force = option_given(call, "force")};

    return !folder.directory || merge_check_folder(&call->context, &job->plan, &folder, &job->n_records, err);
}

/* What the user should know before it starts. */
static void tell(struct command_call *call, const struct job *job)
{
    for (size_t i = 0; i < job->plan.n_notes; i++)
        command_note(call, "%s", job->plan.notes[i]);
    command_note_records(call, option_string(call, "output"), job->n_records);
    if (!job->target || option_given(call, "dry-run"))
        return;
    if (option_given(call, "no-history"))
        command_note(call, "the record of the old bytes takes up to %s on the disk until the merge is done",
                     bytes_figure(job->estimate.disk).text);
    else
        command_note(call,
                     "the record of the old bytes takes up to %s on the disk, and an undo up to %s more",
                     bytes_figure(job->estimate.disk).text, bytes_figure(job->estimate.undo_disk).text);
}

static bool carry_out(struct command_call *call, struct job *job, struct error *err)
{
    struct merge_outcome outcome = {.plan = &job->plan,
                                    .estimate = &job->estimate,
                                    .output = option_string(call, "output"),
                                    .into = option_string(call, "into")};
    double start = seconds_now();
    bool ok = merge_estimate(&call->context, &job->plan, &job->limits, job->target, &job->estimate, err) &&
              check_output(call, job, err);

    if (ok)
        tell(call, job);
    if (ok && option_given(call, "dry-run"))
        ok = merge_estimate_time(&call->context, &job->plan, &outcome.seconds, err);
    else if (ok) {
        ok = job->target ? into_model(call, job, err) : to_folder(call, job, err);
        outcome.done = &job->done;
        outcome.seconds = seconds_now() - start;
    }
    for (size_t i = 0; ok && job->target && i < job->target->n_warnings; i++)
        command_note(call, "%s", job->target->warnings[i]);
    ok = ok && report(call, &outcome, err);
    if (ok && !outcome.done)
        command_note(call, "the arithmetic would take about %.2g s; reading and writing go on beside it",
                     outcome.seconds);
    if (ok && outcome.done && outcome.seconds >= 1) {
        uint64_t bytes = merge_report_bytes(&outcome);
        command_note(call, "done in %.1f s, %s/s", outcome.seconds,
                     bytes_figure((uint64_t)((double)bytes / outcome.seconds)).text);
    }
    return ok;
}

static bool check_options(struct command_call *call, struct error *err)
{
    const char *output = option_string(call, "output"), *into = option_string(call, "into");

    if (output && into)
        return command_usage(call, err, "give either --output or --into");
    if (!output && !into && !option_given(call, "dry-run"))
        return command_usage(call, err, "give --output DIR, --into MODEL, or --dry-run");
    if (!into && (option_given(call, "resume") || option_given(call, "no-history")))
        return command_usage(call, err, "--resume and --no-history are for a merge --into MODEL");
    if (option_given(call, "resume") && option_given(call, "dry-run"))
        return command_usage(call, err, "--resume goes on with a plan that was made; --dry-run makes one");
    if (into && option_given(call, "shard-size"))
        return command_usage(call, err, "a merge --into MODEL keeps its files; --shard-size is for --output");
    return true;
}

static bool open_target(struct command_call *call, struct checkpoint **out, struct error *err)
{
    const char *into = option_string(call, "into");
    bool dry = option_given(call, "dry-run");
    struct checkpoint_options open = {.mode = dry ? CHECKPOINT_READ : CHECKPOINT_CHANGE,
                                      .force = option_given(call, "force"),
                                      .resume = !dry && option_given(call, "resume")};

    return !into || checkpoint_open(&call->context, into, &open, out, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct job job = {.limits.digests = call->json};
    bool ok = check_options(call, err) && parse_size(call, "memory", &job.limits.memory, err) &&
              parse_size(call, "shard-size", &job.shard_size, err) && read_recipe(call, &job.recipe, err) &&
              open_target(call, &job.target, err) &&
              plan_recipe(&call->context, &job.recipe, job.target, &job.plan, err) &&
              carry_out(call, &job, err);

    merge_done_release(&job.done);
    plan_release(&job.plan);
    checkpoint_close(job.target);
    recipe_release(&job.recipe);
    return ok;
}

const struct command command_merge = {
    .name = "merge",
    .summary = "merge models by a recipe, into a new folder or in place",
    .synopsis = "(RECIPE.yml | --method M --model A:W ...) (--output DIR | --into MODEL)",
    .help =
        "Combines the tensors of several models of one architecture, in f64 with one rounding at the end, in "
        "chunks below a cap of memory. A recipe is mergekit's YAML, read strictly: an unknown key is an "
        "error with its line.\n\n"
        "--output carries the files of the donor (the base model, else the first): tokenizer, templates, "
        "config; a model card and the recipe are added. Nothing is visible under DIR before all of it is "
        "there.\n\n"
        "--into changes a model in place, chunk by chunk, with the old bytes in a record beside it. A signal "
        "such as Ctrl-C takes it back at once. After a crash, a kill or a power cut it is taken back by the "
        "next command that changes the model (or 'lancet verify --recover'), or goes on with --resume. "
        "When it is done, 'lancet undo' takes it back.",
    .options = options,
    .examples = examples,
    .min_args = 0,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .more_help = more_help,
    .run = run,
};
