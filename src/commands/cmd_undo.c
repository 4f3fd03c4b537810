#include "commands.h"

#include <inttypes.h>

#include "checkpoint.h"
#include "history.h"

static const struct option_row options[] = {
    {.name = "to",
     .kind = OPTION_U64,
     .value = "N",
     .help = "go to the state after record N, back or forth; 0 is the original"},
    {.name = "no-history", .kind = OPTION_FLAG, .help = "keep no record of this undo, nor of what it undoes"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "also files with other names, in a cache, or open in another program"},
    {0}};

static bool print_json(const struct command_call *call, const struct history_undone *done, bool recovered,
                       struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    json_write_member_bool(&w, "recovered", recovered);
    json_write_member_u64(&w, "records", done->n_records);
    json_write_member_u64(&w, "tensors", done->n_tensors);
    json_write_key(&w, "history");
    if (done->number)
        json_write_u64(&w, done->number);
    else
        json_write_null(&w);
    return command_json_end(call, &w, err);
}

static void print_done(const struct command_call *call, const struct history_undone *done)
{
    if (done->n_records == 0) {
        fputs(option_given(call, "to") ? "nothing to do: the model is in that state\n" : "nothing to undo\n",
              call->out);
        return;
    }
    fprintf(call->out, "took %zu change%s back: %zu tensor%s as ", done->n_records,
            done->n_records == 1 ? "" : "s", done->n_tensors, done->n_tensors == 1 ? " is" : "s are");
    if (done->to)
        fprintf(call->out, "after record %" PRIu32 "\n", done->to);
    else
        fprintf(call->out, "in the original\n");
}

static bool undo(struct command_call *call, struct checkpoint *checkpoint, struct history_undone *done,
                 struct error *err)
{
    struct history_undo_options how = {
        .to_given = option_given(call, "to"),
        .to = (uint32_t)(option_u64(call, "to") < UINT32_MAX ? option_u64(call, "to") : UINT32_MAX),
        .force = option_given(call, "force"),
        .no_history = option_given(call, "no-history"),
        .command = call->line,
    };
    return history_undo(&call->context, checkpoint, &how, done, err);
}

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_CHANGE, .force = option_given(call, "force")};
    struct checkpoint *checkpoint = NULL;
    struct history_undone done = {0};
    if (!checkpoint_open(&call->context, call->args[0], &how, &checkpoint, err))
        return false;
    bool recovered = checkpoint->recovered;
    bool ok = recovered || undo(call, checkpoint, &done, err);
    command_quiet_progress(call);
    for (size_t i = 0; !recovered && i < checkpoint->n_warnings; i++)
        command_note(call, "%s", checkpoint->warnings[i]);
    checkpoint_close(checkpoint);
    if (ok && call->json)
        return print_json(call, &done, recovered, err);
    if (ok && recovered)
        fprintf(call->out, "a change that was cut short was taken back; nothing else was undone\n");
    else if (ok)
        print_done(call, &done);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet undo gemma3", "take the newest change back, every byte of it"},
    {"lancet undo gemma3 --to 0", "give the original back"},
    {NULL, NULL},
};

const struct command command_undo = {
    .name = "undo",
    .summary = "take a change in place back, exactly",
    .synopsis = "MODEL",
    .help = "Takes back the newest change that is not yet undone (never an undo), or goes with --to N to the "
            "state "
            "after record N of 'lancet log'. An undo is a change like any other, with a record of its own, "
            "so that "
            "--to can go forth again. If something else changed the tensors since, nothing is touched (exit "
            "status "
            "6). A change that was cut short is taken back instead, and that is all.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
