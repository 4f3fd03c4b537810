#include "merge_commands.h"

#include <math.h>
#include <string.h>

#include "execute.h"
#include "memory.h"
#include "numbers.h"
#include "quote.h"
#include "task_vector.h"

static const struct option_row options[] = {
    {.name = "scale",
     .short_name = 's',
     .kind = OPTION_LIST,
     .value = "S",
     .help = "factor on the vector; one for all files, or one for each (default: 1)"},
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_STRING,
     .value = "DIR",
     .help = "write a new folder and leave MODEL as it is"},
    {.name = "memory",
     .kind = OPTION_STRING,
     .value = "SIZE",
     .standard = "1G",
     .help = "use no more than this: 512M, 2G"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help =
         "also to a model that is not the vector's base; replace the model in DIR; change linked files and "
         "files that are open elsewhere"},
    {.name = "no-history", .kind = OPTION_FLAG, .help = "keep no record: the change cannot be undone"},
    {0},
};

static const struct command_example examples[] = {
    {"lancet apply base code.safetensors",
     "the base becomes the fine-tune; 'lancet undo base' takes it back"},
    {"lancet apply base code.safetensors chinese.safetensors --scale 0.6 --scale 0.8 -o both",
     "adds two task vectors, into a new folder"},
    {"lancet apply model toxic.safetensors --scale=-0.5 --force", "takes half of a task vector away"},
    {NULL, NULL},
};

struct application {
    struct task_file *files;
    size_t n_files;
    struct merge_limits limits;
    struct checkpoint *model;
    struct merge_plan plan;
    struct merge_estimate estimate;
    struct merge_done done;
};

static bool read_files(struct command_call *call, struct application *a, struct error *err)
{
    const char *const *scales;
    size_t n = option_list(call, "scale", &scales);

    a->n_files = call->n_args - 1;
    if (n > 1 && n != a->n_files)
        return command_usage(call, err, "--scale is given %zu times for %zu files, expected once or for each",
                             n, a->n_files);
    a->files = memory_array(a->n_files, sizeof *a->files);
    if (!a->files)
        return error_memory(err, "applying a task vector");
    for (size_t i = 0; i < a->n_files; i++) {
        a->files[i] = (struct task_file){.path = call->args[1 + i], .scale = 1};
        if (n && !number_parse_double(scales[n > 1 ? i : 0], &a->files[i].scale))
            return command_usage(call, err, "--scale %s is not a number", quote(scales[n > 1 ? i : 0]).text);
        if (a->files[i].scale == 0)
            return command_usage(call, err, "a scale of 0 changes nothing");
    }
    return true;
}

/* What `lancet log` says of it. */
static bool make_note(const struct application *a, struct str *out, struct error *err)
{
    struct str summary = {0};
    struct json_write w;

    str_append(&summary, "apply ");
    for (size_t i = 0; i < a->n_files; i++) {
        str_printf(&summary, "%s%s", i ? " + " : "", path_base(a->files[i].path));
        if (a->files[i].scale != 1)
            str_printf(&summary, " x %g", a->files[i].scale);
    }
    json_write_to_str(&w, out, false);
    json_write_object_begin(&w);
    json_write_member_string(&w, "summary", summary.data);
    json_write_object_end(&w);
    bool ok = json_write_finish(&w, "a note", err) && !summary.failed;
    str_release(&summary);
    return ok || error_memory(err, "applying a task vector");
}

static bool carry_out(struct command_call *call, struct application *a, struct error *err)
{
    struct merge_folder folder = {.directory = option_string(call, "output"),
                                  .force = option_given(call, "force")};
    struct transaction_options how = {.kind = "apply",
                                      .command = call->line,
                                      .force = option_given(call, "force"),
                                      .no_history = option_given(call, "no-history")};
    struct str note = {0};
    size_t n_records;
    bool ok;

    if (folder.directory && !merge_check_folder(&call->context, &a->plan, &folder, &n_records, err))
        return false;
    if (folder.directory) {
        command_note_records(call, folder.directory, n_records);
        return merge_to_folder(&call->context, &a->plan, &a->limits, &folder, &a->done, err);
    }
    ok = merge_estimate(&call->context, &a->plan, &a->limits, a->model, &a->estimate, err) &&
         make_note(a, &note, err);
    how.note = note.data;
    if (ok)
        command_note(call,
                     "the record of the old bytes takes up to %s on the disk, and an undo up to %s more",
                     bytes_figure(a->estimate.disk).text, bytes_figure(a->estimate.undo_disk).text);
    ok = ok && merge_into_model(&call->context, &a->plan, &a->limits, a->model, &how, &a->done, err);
    str_release(&note);
    return ok;
}

/* ---- report ---- */

struct changes { /* relative to the tensors as they were */
    size_t n;
    double least, most;
};

static struct changes changes_of(const struct application *a)
{
    struct changes c = {.least = INFINITY};

    for (size_t i = 0; i < a->plan.n_tensors; i++) {
        double change = a->done.tensors[i].change;
        if (a->plan.tensors[i].copied)
            continue;
        c.n++;
        c.least = change < c.least ? change : c.least;
        c.most = change > c.most ? change : c.most;
    }
    return c;
}

static void print_text(struct command_call *call, const struct application *a)
{
    const char *output = option_string(call, "output");
    struct changes c = changes_of(a);

    fprintf(call->out, "%zu of %zu tensor%s changed, by ", c.n, a->plan.n_tensors,
            a->plan.n_tensors == 1 ? "" : "s");
    if (c.n > 1)
        fprintf(call->out, "%s to ", percent_figure(c.least).text);
    fprintf(call->out, "%s\n", percent_figure(c.most).text);
    if (output) {
        fprintf(call->out, "Written to ");
        text_print(call->out, output, strlen(output));
        fprintf(call->out, ".\n");
    } else if (a->done.number)
        fprintf(call->out, "Written in place, as change %u. To take it back: lancet undo %s\n",
                (unsigned)a->done.number, call->args[0]);
    else
        fprintf(call->out, "Written in place, without a record.\n");
}

static bool print_json(struct command_call *call, const struct application *a, struct error *err)
{
    struct json_write w;

    command_json_begin(call, &w);
    json_write_member_string(&w, "output", option_string(call, "output"));
    json_write_key(&w, "history");
    if (a->done.number)
        json_write_u64(&w, a->done.number);
    else
        json_write_null(&w);
    json_write_key(&w, "tensors");
    json_write_array_begin(&w);
    for (size_t i = 0; i < a->plan.n_tensors; i++) {
        if (a->plan.tensors[i].copied)
            continue;
        json_write_object_begin(&w);
        json_write_member_string(&w, "name", a->plan.tensors[i].name);
        json_write_member_double(&w, "relative_norm", a->done.tensors[i].change);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

static bool report(struct command_call *call, const struct application *a, struct error *err)
{
    command_quiet_progress(call);
    if (call->json)
        return print_json(call, a, err);
    print_text(call, a);
    return true;
}

static bool run(struct command_call *call, struct error *err)
{
    struct application a = {0};
    bool force = option_given(call, "force"), in_place = !option_given(call, "output");
    struct checkpoint_options how = {.mode = in_place ? CHECKPOINT_CHANGE : CHECKPOINT_READ, .force = force};
    size_t n_others = 0;
    bool ok;

    if (!in_place && option_given(call, "no-history"))
        return command_usage(call, err, "--no-history is for a change in place");
    if (!number_parse_bytes(option_string(call, "memory"), &a.limits.memory) || a.limits.memory == 0)
        return command_usage(call, err, "--memory %s is not a size such as 512M or 2G",
                             quote(option_string(call, "memory")).text);
    ok = read_files(call, &a, err) && checkpoint_open(&call->context, call->args[0], &how, &a.model, err) &&
         task_apply_plan(&call->context, a.model, a.files, a.n_files, force, &a.plan, &n_others, err);
    if (ok && n_others)
        command_note(call, "tensors that are not those of a vector's base: %zu", n_others);
    ok = ok && carry_out(call, &a, err) && report(call, &a, err);
    for (size_t i = 0; ok && i < a.model->n_warnings; i++)
        command_note(call, "%s", a.model->warnings[i]);
    merge_done_release(&a.done);
    plan_release(&a.plan);
    checkpoint_close(a.model);
    free(a.files);
    return ok;
}

const struct command command_apply = {
    .name = "apply",
    .summary = "add task vectors to a model, in place or in a new folder",
    .synopsis = "MODEL FILE... [--scale S]",
    .help =
        "Adds the task vectors in the FILEs, each times its scale, to the tensors of MODEL: computed in f64 "
        "and rounded once. A vector of another base is refused, as is a result that is not finite. Several "
        "vectors of one base are given at once, since after the first the model is no longer that base.\n\n"
        "In place it is one transaction, with the old bytes in a record beside the model: 'lancet undo' "
        "takes it back byte for byte.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = COMMAND_ANY_ARGS,
    .flags = COMMAND_COMPUTES,
    .run = run,
};
