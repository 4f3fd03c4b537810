/* Going back, or forth, in the history of a model: a change like any other, whose new bytes are old ones. */
#include "history.h"

#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "past.h"
#include "quote.h"
#include "records.h"
#include "transaction.h"

enum { WINDOW = 8 << 20 };

struct plan {
    uint32_t to;      /* the state to go to: after this record */
    uint32_t *undoes; /* records that are taken back, ascending */
    uint32_t *newer;  /* all records after `to`, ascending */
    size_t n_undoes, n_newer;
    const struct tensor **tensors; /* whose bytes differ there */
    size_t n_tensors;
    bool *planned;     /* [checkpoint.n_tensors] listed already */
    bool whole_models; /* a merge is among what is taken back */
};

static void plan_release(struct plan *plan)
{
    free(plan->undoes);
    free(plan->newer);
    free(plan->tensors);
    free(plan->planned);
}

/* ---- which records ---- */

static bool choose_newest(const struct record_list *list, struct plan *plan)
{
    for (size_t i = list->n; i-- > 0;) {
        if (list->undone[i] || strcmp(list->items[i].kind, "undo") == 0)
            continue;
        plan->to = list->items[i].number - 1;
        plan->undoes[plan->n_undoes++] = list->items[i].number;
        return true;
    }
    return false;
}

static bool choose_state(const struct checkpoint *checkpoint, const struct record_list *list, uint32_t to,
                         struct plan *plan, struct error *err)
{
    uint32_t newest = list->n ? list->items[list->n - 1].number : 0;
    uint32_t oldest = list->store.n ? list->store.entries[0].number : 1;
    if (to > newest)
        return error_set(err, ERROR_USAGE, "%s: there is no record %" PRIu32 "; the newest is %" PRIu32,
                         checkpoint->path, to, newest);
    if (to + 1 < oldest)
        return error_set(err, ERROR_USAGE,
                         "%s: the records before %" PRIu32
                         " are gone; the oldest state that can be reached is "
                         "--to %" PRIu32,
                         checkpoint->path, oldest, oldest - 1);
    plan->to = to;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].number > to)
            plan->undoes[plan->n_undoes++] = list->items[i].number;
    return true;
}

static bool choose(const struct checkpoint *checkpoint, const struct record_list *list,
                   const struct history_undo_options *options, struct plan *plan, struct error *err)
{
    plan->undoes = memory_array(list->n, sizeof *plan->undoes);
    plan->newer = memory_array(list->n, sizeof *plan->newer);
    if (!plan->undoes || !plan->newer)
        return error_memory(err, "undoing a change");
    if (options->to_given) {
        if (!choose_state(checkpoint, list, options->to, plan, err))
            return false;
    } else if (!choose_newest(list, plan)) {
        return true;
    }
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].number > plan->to)
            plan->newer[plan->n_newer++] = list->items[i].number;
    return true;
}

/* ---- which tensors: proven before anything is written ---- */

static bool concerns(const struct plan *plan, const struct record *record)
{
    for (size_t i = 0; i < plan->n_undoes; i++)
        if (plan->undoes[i] == record->number)
            return true;
    return false;
}

static bool plan_record(const struct context *context, const struct checkpoint *checkpoint,
                        const struct record_list *list, size_t record, struct plan *plan, struct error *err)
{
    for (size_t k = 0; k < list->items[record].n_tensors; k++) {
        const struct tensor *tensor = NULL;
        if (!records_tensor(context, checkpoint, list, record, k, &tensor, err))
            return false;
        bool *planned = &plan->planned[tensor - checkpoint->tensors];
        if (!*planned)
            plan->tensors[plan->n_tensors++] = tensor;
        *planned = true;
    }
    return true;
}

static bool prove(const struct context *context, const struct checkpoint *checkpoint,
                  const struct record_list *list, const struct tensor *tensor, uint32_t to, bool *differs,
                  struct error *err)
{
    struct past *past = NULL;
    bool ok = past_open(context, checkpoint, list, tensor, to, false, &past, err) &&
              (!past || past_prove(past, err));
    if (ok)
        *differs = past && !digest_equal(past_digest(past), past_present(past));
    past_close(past);
    return ok;
}

static bool plan_tensors(const struct context *context, const struct checkpoint *checkpoint,
                         const struct record_list *list, bool to_given, struct plan *plan, struct error *err)
{
    size_t most = 0, different = 0;
    for (size_t i = 0; i < list->n; i++)
        most += concerns(plan, &list->items[i]) ? list->items[i].n_tensors : 0;
    plan->tensors = memory_array(most, sizeof *plan->tensors);
    plan->planned = memory_zeroed(checkpoint->n_tensors, sizeof *plan->planned);
    if (!plan->tensors || !plan->planned)
        return error_memory(err, "undoing a change");
    for (size_t i = 0; i < list->n; i++) {
        if (!concerns(plan, &list->items[i]))
            continue;
        plan->whole_models = plan->whole_models || list->items[i].version == RECORD_BEFORE_IN_CHUNKS;
        if (!plan_record(context, checkpoint, list, i, plan, err))
            return false;
    }
    for (size_t i = 0; i < plan->n_tensors; i++) {
        bool differs = false;
        context_progress(context, "checking old bytes", i, plan->n_tensors);
        if (!prove(context, checkpoint, list, plan->tensors[i], plan->to, &differs, err))
            return false;
        if (differs) { /* those that differ come to the front */
            const struct tensor *other = plan->tensors[different];
            plan->tensors[different++] = plan->tensors[i];
            plan->tensors[i] = other;
        }
    }
    /* A change that changed nothing is undone by name only. */
    if (different || to_given)
        plan->n_tensors = different;
    return true;
}

/* ---- the change ---- */

/* Writes the bytes of a window that differ, from the first to the last. */
static bool write_window(struct transaction *transaction, const struct tensor *tensor, uint64_t offset,
                         const uint8_t *old, const uint8_t *now, size_t n, struct error *err)
{
    size_t from = 0, to = n;
    while (from < n && old[from] == now[from])
        from++;
    while (to > from && old[to - 1] == now[to - 1])
        to--;
    return from == to || transaction_write(transaction, tensor, offset + from, old + from, to - from, err);
}

static bool write_tensor(const struct context *context, const struct checkpoint *checkpoint,
                         const struct record_list *list, const struct tensor *tensor, uint32_t to,
                         struct transaction *transaction, size_t window, struct error *err)
{
    const struct checkpoint_file *file = &checkpoint->files[tensor->file];
    struct past *past = NULL;
    if (!past_open(context, checkpoint, list, tensor, to, true, &past, err))
        return false;
    uint8_t *old = memory_array(window, 1), *now = memory_array(window, 1);
    bool ok = (old && now) || error_memory(err, "undoing a change");
    for (uint64_t done = 0; ok && past && done < tensor->bytes;) {
        size_t n = (size_t)u64_least(window, tensor->bytes - done);
        ok = past_read(past, done, n, old, err) &&
             fs_read_at(context->fs, file->fd, file->shown, now, n, tensor->offset + done, err) &&
             write_window(transaction, tensor, done, old, now, n, err);
        done += n;
    }
    free(old);
    free(now);
    past_close(past);
    return ok;
}

static bool carry_out(const struct context *context, struct checkpoint *checkpoint,
                      const struct record_list *list, const struct history_undo_options *options,
                      const struct plan *plan, struct history_undone *done, struct error *err)
{
    struct transaction_options change = {
        .kind = "undo",
        .command = options->command,
        .force = options->force,
        .no_history = options->no_history,
        .undoes = plan->undoes,
        .n_undoes = plan->n_undoes,
        .drops = plan->newer,
        .n_drops = options->no_history ? plan->n_newer : 0,
        .chunk_bytes = options->chunk_bytes,
        .before_with_chunks = plan->whole_models,
    };
    struct transaction *transaction = NULL;
    size_t window = options->chunk_bytes ? options->chunk_bytes : WINDOW;
    if (!transaction_begin(context, checkpoint, &change, plan->tensors, plan->n_tensors, &transaction, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < plan->n_tensors; i++)
        ok = write_tensor(context, checkpoint, list, plan->tensors[i], plan->to, transaction, window, err);
    uint32_t number = 0;
    ok = ok && transaction_commit(transaction, &number, err);
    struct error second;
    if (!transaction_end(transaction, &second))
        error_prefix(err, "%s", second.text);
    if (ok)
        *done = (struct history_undone){
            .number = number, .to = plan->to, .n_records = plan->n_undoes, .n_tensors = plan->n_tensors};
    return ok;
}

bool history_undo(const struct context *context, struct checkpoint *checkpoint,
                  const struct history_undo_options *options, struct history_undone *done, struct error *err)
{
    struct record_list list = {0};
    struct plan plan = {0};
    if (!checkpoint->directory)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: its files lie in several directories, and so have no history",
                         checkpoint->path);
    bool ok = records_read(context, checkpoint->directory, &list, err) &&
              records_of(&list, checkpoint, err) && choose(checkpoint, &list, options, &plan, err) &&
              plan_tensors(context, checkpoint, &list, options->to_given, &plan, err);
    if (ok && plan.n_tensors == 0)
        *done = (struct history_undone){.to = plan.to};
    else
        ok = ok && carry_out(context, checkpoint, &list, options, &plan, done, err);
    plan_release(&plan);
    records_release(&list);
    return ok;
}
