#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "checkpoint.h"
#include "history.h"

static const struct option_row options[] = {
    {.name = "keep",
     .kind = OPTION_U64,
     .value = "N",
     .standard = "10",
     .help = "prune: how many records stay"},
    {.name = "force",
     .kind = OPTION_FLAG,
     .help = "also files with other names, in a cache, or open in another program"},
    {0}};

static void print_bytes(const struct command_call *call, uint64_t bytes)
{
    fputs(bytes_figure(bytes).text, call->out);
}

static bool prune(struct command_call *call, struct checkpoint *checkpoint, struct error *err)
{
    uint64_t keep = option_u64(call, "keep");
    size_t removed = 0;
    if (!history_prune(&call->context, checkpoint, keep < UINT32_MAX ? (uint32_t)keep : UINT32_MAX, &removed,
                       err))
        return false;
    if (call->json) {
        struct json_write w;
        command_json_begin(call, &w);
        json_write_member_u64(&w, "removed", removed);
        return command_json_end(call, &w, err);
    }
    fprintf(call->out, "removed %zu record%s\n", removed, removed == 1 ? "" : "s");
    return true;
}

/* Every record that can be: the tensors must still be as it left them. */
static bool repack(struct command_call *call, struct checkpoint *checkpoint, struct error *err)
{
    struct history history = {0};
    uint64_t saved = 0, more = 0;
    size_t repacked = 0;
    bool ok = history_of(&call->context, checkpoint, &history, err);
    for (size_t i = history.n_records; ok && i-- > 0;) {
        ok = history_repack(&call->context, checkpoint, history.records[i].number, &more, err);
        if (ok) {
            saved += more;
            repacked += more > 0;
        } else {
            ok = err->kind == ERROR_MISMATCH;
        }
    }
    history_release(&history);
    command_quiet_progress(call);
    if (!ok)
        return false;
    if (call->json) {
        struct json_write w;
        command_json_begin(call, &w);
        json_write_member_u64(&w, "repacked", repacked);
        json_write_member_u64(&w, "saved_bytes", saved);
        return command_json_end(call, &w, err);
    }
    fprintf(call->out, "repacked %zu record%s, ", repacked, repacked == 1 ? "" : "s");
    print_bytes(call, saved);
    fputs(" smaller\n", call->out);
    return true;
}

static const struct {
    const char *name;
    bool (*run)(struct command_call *call, struct checkpoint *checkpoint, struct error *err);
} actions[] = {{"prune", prune}, {"repack", repack}};

static bool run(struct command_call *call, struct error *err)
{
    struct checkpoint_options how = {.mode = CHECKPOINT_CHANGE, .force = option_given(call, "force")};
    struct checkpoint *checkpoint = NULL;
    size_t i = 0, n = sizeof actions / sizeof *actions;
    while (i < n && strcmp(call->args[0], actions[i].name) != 0)
        i++;
    if (i == n)
        return command_usage(call, err, "found \"%s\", expected prune or repack", call->args[0]);
    bool ok = checkpoint_open(&call->context, call->args[1], &how, &checkpoint, err) &&
              actions[i].run(call, checkpoint, err);
    checkpoint_close(checkpoint);
    return ok;
}

static const struct command_example examples[] = {
    {"lancet history prune gemma3 --keep 3", "keep the three newest records"},
    {"lancet history repack gemma3", "make records smaller; they undo the same"},
    {NULL, NULL},
};

const struct command command_history = {
    .name = "history",
    .summary = "remove old records of changes, or make them smaller",
    .synopsis = "prune|repack MODEL",
    .help =
        "prune removes the oldest records beyond --keep; what they hold cannot be undone any more. repack "
        "stores the old bytes as differences to the new ones, which is much smaller for edits; it is done "
        "for "
        "records whose tensors have not changed since.",
    .options = options,
    .examples = examples,
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
