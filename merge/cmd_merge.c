#include "merge_commands.h"

#include <string.h>
#include <time.h>

#include "execute.h"
#include "memory.h"
#include "merge_report.h"
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
    {.name = "dry-run", .short_name = 'n', .kind = OPTION_FLAG, .help = "show the plan and write nothing"},
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
    {.name = "force", .kind = OPTION_FLAG, .help = "replace the model in DIR"},
    {0},
};

static const struct command_example examples[] = {
    {"lancet merge recipe.yml --output merged", "runs a recipe, mergekit's too, into a new folder"},
    {"lancet merge --method linear --model code:0.6 --model chinese:0.4 --output merged",
     "the same without a file"},
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
                                 .semantics = option_string(call, "semantics")};
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

static bool carry_out(struct command_call *call, const struct recipe *recipe, const struct merge_plan *plan,
                      struct error *err)
{
    struct merge_limits limits = {0};
    struct merge_folder folder = {.directory = option_string(call, "output"),
                                  .recipe = recipe->text,
                                  .force = option_given(call, "force")};
    struct merge_estimate estimate;
    struct merge_done done = {0};
    struct merge_outcome outcome = {.plan = plan, .estimate = &estimate, .output = folder.directory};
    double start = seconds_now();
    bool ok = parse_size(call, "memory", &limits.memory, err) &&
              parse_size(call, "shard-size", &folder.shard_size, err) &&
              merge_estimate(&call->context, plan, &limits, NULL, &estimate, err);

    for (size_t i = 0; ok && i < plan->n_notes; i++)
        command_note(call, "%s", plan->notes[i]);
    if (ok && !option_given(call, "dry-run")) {
        ok = merge_to_folder(&call->context, plan, &limits, &folder, &done, err);
        outcome.done = &done;
        outcome.seconds = seconds_now() - start;
    }
    ok = ok && report(call, &outcome, err);
    merge_done_release(&done);
    return ok;
}

static bool run(struct command_call *call, struct error *err)
{
    struct recipe recipe = {0};
    struct merge_plan plan = {0};
    bool ok;

    if (!option_given(call, "dry-run") && !option_string(call, "output"))
        return command_usage(call, err, "give --output DIR, or --dry-run");
    ok = read_recipe(call, &recipe, err) && plan_recipe(&call->context, &recipe, NULL, &plan, err) &&
         carry_out(call, &recipe, &plan, err);
    plan_release(&plan);
    recipe_release(&recipe);
    return ok;
}

const struct command command_merge = {
    .name = "merge",
    .summary = "merge models by a recipe into a new one",
    .synopsis = "(RECIPE.yml | --method M --model A:W ...) (--output DIR | --dry-run)",
    .help = "Combines the tensors of several models of one architecture, in f64 with one rounding at the "
            "end, in chunks "
            "below a cap of memory. A recipe is mergekit's YAML, read strictly: an unknown key is an error "
            "with its line.\n\n"
            "Files of the donor (the base model, else the first) are carried: tokenizer, templates, config; "
            "a model card and "
            "the recipe are added. Nothing is visible under DIR before all of it is there.",
    .options = options,
    .examples = examples,
    .min_args = 0,
    .max_args = 1,
    .flags = COMMAND_COMPUTES,
    .more_help = more_help,
    .run = run,
};
