#include "merge_commands.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "execute.h"
#include "numbers.h"
#include "quote.h"
#include "task_vector.h"

static const struct option_row options[] = {
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_STRING,
     .value = "FILE",
     .help = "the file to write: safetensors"},
    {.name = "memory",
     .kind = OPTION_STRING,
     .value = "SIZE",
     .standard = "1G",
     .help = "use no more than this: 512M, 2G"},
    {.name = "force", .kind = OPTION_FLAG, .help = "overwrite FILE"},
    {0},
};

static const struct command_example examples[] = {
    {"lancet task-vector base code -o code.safetensors", "what fine-tuning on code added to the base"},
    {"lancet apply base code.safetensors --scale 0.6", "adds 60 % of it to the base"},
    {"lancet apply chinese code.safetensors --force", "adds it to another fine-tune of the same base"},
    {NULL, NULL},
};

/* The output must be none of the files that are read, whatever path names it. */
static bool check_output(const struct command_call *call, const struct merge_plan *plan, const char *output,
                         struct error *err)
{
    const struct fs *fs = call->context.fs;
    struct stat st;

    if (fs->stat(fs->state, output, &st) != 0)
        return true;
    if (S_ISDIR(st.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is a folder, expected the name of a file",
                         quote(output).text);
    for (size_t m = 0; m < plan->n_models; m++) {
        const struct checkpoint *c = plan->models[m].checkpoint;
        for (size_t i = 0; i < c->n_files; i++)
            if (c->files[i].device == st.st_dev && c->files[i].inode == st.st_ino)
                return error_set(err, ERROR_USAGE, "%s: is a file of the model %s", quote(output).text,
                                 quote(c->path).text);
    }
    return true;
}

static bool report(struct command_call *call, const struct merge_plan *plan, const struct merge_done *done,
                   size_t n_same, struct error *err)
{
    const char *output = option_string(call, "output");
    double norm = sqrt(done->squares), relative = norm / sqrt(done->models[0].squares);
    uint64_t bytes = 0;
    struct json_write w;

    for (size_t i = 0; i < plan->n_tensors; i++)
        bytes += 4 * plan->tensors[i].elements;
    command_quiet_progress(call);
    if (!call->json) {
        fprintf(call->out, "%zu of %zu tensor%s, a difference of %s; %zu %s the same\n", plan->n_tensors,
                plan->n_tensors + n_same, plan->n_tensors + n_same == 1 ? "" : "s",
                percent_figure(relative).text, n_same, n_same == 1 ? "is" : "are");
        fprintf(call->out, "Written to ");
        text_print(call->out, output, strlen(output));
        fprintf(call->out, ", %s.\n", bytes_figure(bytes).text);
        return true;
    }
    command_json_begin(call, &w);
    json_write_member_string(&w, "output", output);
    json_write_member_u64(&w, "tensors", plan->n_tensors);
    json_write_member_u64(&w, "same", n_same);
    json_write_member_double(&w, "norm", norm);
    json_write_member_double(&w, "relative_norm", relative);
    json_write_member_u64(&w, "bytes", bytes);
    return command_json_end(call, &w, err);
}

static bool run(struct command_call *call, struct error *err)
{
    const char *output = option_string(call, "output");
    bool force = option_given(call, "force");
    struct merge_limits limits = {0};
    struct merge_plan plan = {0};
    struct merge_done done = {0};
    struct str metadata = {0};
    size_t n_same = 0;
    bool ok;

    if (!output)
        return command_usage(call, err, "give --output FILE");
    if (!number_parse_bytes(option_string(call, "memory"), &limits.memory) || limits.memory == 0)
        return command_usage(call, err, "--memory %s is not a size such as 512M or 2G",
                             quote(option_string(call, "memory")).text);
    if (!force && fs_exists(call->context.fs, output))
        return error_set(err, ERROR_USAGE, "%s: is there already; use --force to overwrite it",
                         quote(output).text);
    ok = task_vector_plan(&call->context, call->args[0], call->args[1], &plan, &n_same, err) &&
         check_output(call, &plan, output, err) &&
         task_vector_metadata(&call->context, &plan, &metadata, err) &&
         merge_to_file(&call->context, &plan, &limits, output, metadata.data, force, &done, err) &&
         report(call, &plan, &done, n_same, err);
    str_release(&metadata);
    merge_done_release(&done);
    plan_release(&plan);
    return ok;
}

const struct command command_task_vector = {
    .name = "task-vector",
    .summary = "save what a fine-tune adds to its base",
    .synopsis = "BASE TUNED -o FILE",
    .help = "Writes the difference TUNED - BASE of every tensor that differs, in F32, to a safetensors file "
            "that 'lancet apply' adds to a model. Tensors with the same values are left out. The file keeps "
            "digests of the base's tensors, so that it is not added to something else by mistake.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = 2,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
