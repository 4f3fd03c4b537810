/* Merges into one of the models itself, through a transaction. */
#include "execute.h"

#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "memory.h"
#include "merge_note.h"
#include "merge_run.h"

/* ---- in which order ---- */

/* It is what it should be already. */
static bool is_left_alone(const struct merge_tensor *t)
{
    return t->copied && t->sources[0].tensor == t->target;
}

struct place { /* of a tensor of the plan in the target's files */
    const struct tensor *target;
    size_t tensor;
};

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = ((const struct place *)a)->target, *y = ((const struct place *)b)->target;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones lie where the next begins */
}

struct changes {                   /* what will be overwritten, in the order of the files */
    size_t *order;                 /* [n] tensors of the plan */
    const struct tensor **targets; /* [n] */
    size_t n;
};

static void changes_release(struct changes *changes)
{
    free(changes->order);
    free(changes->targets);
}

static bool list_changes(const struct merge_plan *plan, struct changes *out, struct error *err)
{
    struct place *places = memory_array(plan->n_tensors, sizeof *places);
    struct changes c = {.order = memory_array(plan->n_tensors, sizeof *c.order),
                        .targets = memory_array(plan->n_tensors, sizeof *c.targets)};
    bool ok = places && c.order && c.targets;

    for (size_t i = 0; ok && i < plan->n_tensors; i++)
        if (!is_left_alone(&plan->tensors[i]))
            places[c.n++] = (struct place){.target = plan->tensors[i].target, .tensor = i};
    if (ok && c.n)
        qsort(places, c.n, sizeof *places, by_place);
    for (size_t i = 0; ok && i < c.n; i++) {
        c.order[i] = places[i].tensor;
        c.targets[i] = places[i].target;
    }
    free(places);
    if (ok)
        *out = c;
    else
        changes_release(&c);
    return ok || error_memory(err, "merging");
}

/* ---- the sink ---- */

struct into {
    const struct merge_plan *plan;
    const struct checkpoint *target;
    struct transaction *transaction;
    size_t *turn; /* [n_tensors of the target] when a tensor is overwritten; SIZE_MAX: never */
    bool resumed;
};

/* What a resumed change had in the file already is passed over. */
static bool put(void *user, size_t tensor, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    struct into *into = user;
    const struct tensor *target = into->plan->tensors[tensor].target;
    const uint8_t *p = bytes;
    uint64_t end = offset + n, at = offset, missing, run;
    bool ok = true;

    while (ok && at < end && transaction_missing(into->transaction, target, at, &missing, &run) &&
           missing < end) {
        uint64_t stop = missing + run < end ? missing + run : end;
        ok = transaction_write(into->transaction, target, missing, p + (missing - offset),
                               (size_t)(stop - missing), err);
        at = stop;
    }
    return ok;
}

static bool has(void *user, size_t tensor, uint64_t offset, uint64_t n)
{
    struct into *into = user;

    return into->resumed && transaction_has(into->transaction, into->plan->tensors[tensor].target, offset, n);
}

static bool old(void *user, const struct tensor *source, uint64_t offset, uint64_t n, void *out,
                struct error *err)
{
    struct into *into = user;

    return transaction_old(into->transaction, source, offset, n, out, err);
}

/* A source of the target moves once an earlier tensor was written over it; what the run before a cut has
 * overwritten is not known. The tensor that is being made reads its own rows before they are handed over. */
static bool is_moving(void *user, size_t tensor, size_t source)
{
    struct into *into = user;
    const struct merge_tensor *t = &into->plan->tensors[tensor];
    size_t of_source = (size_t)(t->sources[source].tensor - into->target->tensors);

    return into->turn[of_source] != SIZE_MAX &&
           (into->resumed || into->turn[of_source] < into->turn[t->target - into->target->tensors]);
}

static bool make_turns(struct into *into, const struct changes *changes, struct error *err)
{
    into->turn = memory_array(into->target->n_tensors, sizeof *into->turn);
    if (!into->turn)
        return error_memory(err, "merging");
    for (size_t i = 0; i < into->target->n_tensors; i++)
        into->turn[i] = SIZE_MAX;
    for (size_t i = 0; i < changes->n; i++)
        into->turn[changes->targets[i] - into->target->tensors] = i;
    return true;
}

/* ---- the merge ---- */

static uint64_t transaction_bytes(size_t chunk_bytes)
{
    return transaction_memory(
        &(struct transaction_options){.before_with_chunks = true, .chunk_bytes = chunk_bytes});
}

static struct transaction_options options_for(const struct transaction_options *options, size_t chunk_bytes)
{
    struct transaction_options o = *options;

    o.before_with_chunks = true;
    o.chunk_bytes = chunk_bytes;
    return o;
}

bool merge_into_estimate(const struct context *context, const struct merge_plan *plan,
                         const struct merge_limits *limits, const struct checkpoint *target,
                         struct merge_estimate *out, struct error *err)
{
    struct merge_size size;
    struct changes changes = {0};
    struct transaction_space space;
    bool ok = merge_prepare(context, plan, limits, transaction_bytes, true, &size, err) &&
              list_changes(plan, &changes, err);
    struct transaction_options options =
        options_for(&(struct transaction_options){.kind = "merge"}, ok ? size.chunk_bytes : 0);

    ok = ok && transaction_space(target, &options, changes.targets, changes.n, &space, err);
    if (ok) {
        out->memory = size.memory;
        out->disk = space.record;
        out->undo_disk = space.undo;
        out->written = 0;
        for (size_t i = 0; i < changes.n; i++)
            out->written += changes.targets[i]->bytes;
    }
    changes_release(&changes);
    return ok;
}

static bool run(const struct context *context, const struct merge_plan *plan, struct into *into,
                const struct changes *changes, size_t chunk_bytes, bool digests, struct merge_done *done,
                struct error *err)
{
    struct merge_sink sink = {.user = into,
                              .order = changes->order,
                              .n = changes->n,
                              .put = put,
                              .has = has,
                              .old = old,
                              .is_moving = is_moving,
                              .chunk_bytes = chunk_bytes,
                              .digests = digests};
    struct merge_done made = {0};
    bool ok = merge_run(context, plan, &sink, &made, err) &&
              transaction_commit(into->transaction, &made.number, err);

    if (ok)
        *done = made;
    else
        merge_done_release(&made);
    return ok;
}

bool merge_into_model(const struct context *context, const struct merge_plan *plan,
                      const struct merge_limits *limits, struct checkpoint *target,
                      const struct transaction_options *options, struct merge_done *done, struct error *err)
{
    struct into into = {.plan = plan, .target = target, .resumed = options->resume};
    struct context silent = *context; /* progress is told by this thread */
    struct changes changes = {0};
    struct merge_size size;
    struct error undone = {0};
    bool ok = merge_prepare(context, plan, limits, transaction_bytes, true, &size, err) &&
              list_changes(plan, &changes, err) && make_turns(&into, &changes, err) &&
              (!options->resume || merge_same_note(history_open_note(target), options->note, err));

    silent.progress = NULL;
    if (ok) {
        struct transaction_options how = options_for(options, size.chunk_bytes);
        ok = transaction_begin(&silent, target, &how, changes.targets, changes.n, &into.transaction, err) &&
             run(context, plan, &into, &changes, size.chunk_bytes, limits->digests, done, err);
    }
    bool begun = into.transaction, ended = transaction_end(into.transaction, &undone);
    if (!ok && !ended) {
        error_prefix(&undone, "%s", err->text); /* that the record is still open matters most */
        *err = undone;
    } else if (!ok && err->kind == ERROR_CANCELLED && (begun || !options->resume))
        error_set(err, ERROR_CANCELLED, "interrupted; the model is as it was");
    free(into.turn);
    changes_release(&changes);
    return ok;
}
