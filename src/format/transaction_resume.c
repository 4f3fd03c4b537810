/* Going on with a change that was cut. The record was checked when the model was opened, as recovery checks
 * it; a chunk in it is the old bytes, synced, of what it owns, whatever the file holds there now. */
#include "transaction_parts.h"

#include <inttypes.h>
#include <string.h>

#include "format.h"
#include "memory.h"
#include "pending.h"
#include "quote.h"
#include "range.h"

/* ---- NEW to RECORDED: taking the record over ---- */

static bool other_tensors(const struct transaction *t, struct error *err, const char *name, const char *what)
{
    return error_set(err, ERROR_MISMATCH,
                     "%s: tensor %s %s, so this is not the change that was cut (record %s)",
                     t->checkpoint->path, quote(name).text, what, t->open_path);
}

/* The record's tensors as the checkpoint has them, in the record's order. */
static bool find_tensors(struct transaction *t, const struct pending *pending, struct error *err)
{
    for (size_t i = 0; i < t->record.n_tensors; i++) {
        const struct record_tensor *r = &t->record.tensors[i];
        const struct tensor *tensor = checkpoint_find(t->checkpoint, r->name);
        if (!tensor || tensor->file != pending->files[r->file].checkpoint_file || tensor->dtype != r->dtype ||
            tensor->offset != r->offset || tensor->bytes != r->bytes)
            return other_tensors(t, err, r->name, "is not as the record has it");
        t->tensors[i].tensor = tensor;
        t->total += r->bytes;
    }
    return true;
}

static bool same_tensors(struct transaction *t, const struct tensor *const *tensors, size_t n,
                         struct error *err)
{
    size_t listed = t->record.n_tensors, i = 0;
    const struct tensor **a = memory_array(n, sizeof *a), **b = memory_array(listed, sizeof *b);
    bool ok = (a && b) || error_memory(err, "going on with a change");
    if (ok) {
        memcpy(a, tensors, n * sizeof *a);
        for (size_t k = 0; k < listed; k++)
            b[k] = t->tensors[k].tensor;
        transaction_sort(a, n);
        transaction_sort(b, listed);
        while (i < n && i < listed && a[i] == b[i])
            i++;
        if (i < listed)
            ok = other_tensors(t, err, b[i]->name, "is in the record and not to be changed now");
        else if (i < n)
            ok = other_tensors(t, err, a[i]->name, "is to be changed and not in the record");
    }
    free(a);
    free(b);
    return ok;
}

static bool list_file(struct transaction *t, size_t index, struct pending *pending, struct error *err)
{
    const struct record_file *r = &t->record.files[index];
    const struct pending_file *p = &pending->files[index];
    const struct checkpoint_file *file = &t->checkpoint->files[p->checkpoint_file];
    struct guarded *g = &t->files[index];
    if (!file->format || !file->format->guard || file->format->guard_bytes != r->guard_bytes)
        return error_set(err, ERROR_MISMATCH, "%s: is of another format than record %s says", file->shown,
                         t->open_path);
    *g = (struct guarded){.fd = file->fd, .path = file->shown, .n = r->guard_bytes};
    memcpy(g->invalid, r->guard, g->n);
    t->record_files[p->checkpoint_file] = index;
    if (!p->head_bytes)
        return fs_read_at(t->fs, file->fd, file->shown, g->truth, g->n, 0, err);
    memcpy(g->truth, p->head.bytes, g->n);
    return true;
}

static bool list_files(struct transaction *t, struct pending *pending, struct error *err)
{
    size_t n_files = t->checkpoint->n_files;
    t->files = memory_zeroed(t->record.n_files, sizeof *t->files);
    t->record_files = memory_array(n_files, sizeof *t->record_files);
    t->tensors = memory_zeroed(t->record.n_tensors, sizeof *t->tensors);
    t->differs = memory_zeroed(t->record.n_chunks, sizeof *t->differs);
    if (!t->files || !t->record_files || !t->tensors || !t->differs)
        return error_memory(err, "going on with a change");
    for (size_t i = 0; i < n_files; i++)
        t->record_files[i] = n_files;
    for (size_t i = 0; i < t->record.n_files; i++)
        if (!list_file(t, i, pending, err))
            return false;
    return true;
}

/* What the checkpoint found is the transaction's from here on, whatever comes. */
static void take(struct transaction *t, struct pending *pending)
{
    t->record = pending->record;
    t->store = pending->store;
    t->open_path = pending->path;
    t->fd = pending->fd;
    t->n_adopted = t->record.n_chunks;
    t->reserved = t->record.disk_size;
    t->no_history = t->record.n_drops && t->record.drops[t->record.n_drops - 1] == t->record.number;
    if (t->record.n_chunks) /* all have the same */
        t->packing = t->record.chunks[0].packing;
    else
        t->packing = t->record.version == RECORD_BEFORE_IN_CHUNKS ? RECORD_RAW : RECORD_PAGES;
}

bool transaction_adopt(struct transaction *t, const struct transaction_options *options,
                       const struct tensor *const *tensors, size_t n, struct error *err)
{
    struct pending *pending = t->checkpoint->pending;
    if (!pending)
        return error_set(err, ERROR_USAGE, "%s: there is no open record to go on with", t->checkpoint->path);
    t->checkpoint->pending = NULL;
    t->keep = true;
    take(t, pending);
    t->final_path = store_path(&t->store, t->record.number, STORE_COMMITTED, err);
    bool ok = t->final_path && list_files(t, pending, err) && find_tensors(t, pending, err) &&
              same_tensors(t, tensors, n, err);
    if (ok && strcmp(t->record.kind, options->kind) != 0)
        ok = error_set(err, ERROR_MISMATCH, "%s: is the record of another change (%s)", t->open_path,
                       quote(t->record.kind).text);
    if (ok && options->no_history && !t->no_history)
        ok = error_set(err, ERROR_USAGE, "%s: the change that goes on was begun with history, and keeps it",
                       t->open_path);
    pending->record = (struct record){0};
    pending->store = (struct store){0};
    pending->path = NULL;
    pending->fd = -1;
    pending_free(pending);
    if (ok)
        t->state = TRANSACTION_RECORDED;
    return ok;
}

/* ---- GUARDED: what does the file hold of it? ---- */

/* Puts bytes that the change never touched back, where a torn page spoilt them. */
static bool repair(struct transaction *t, size_t file, uint64_t from, uint64_t to, const uint8_t *saved,
                   struct error *err)
{
    const struct guarded *f = &t->files[file];
    size_t n = (size_t)(to - from);
    if (!buffer_grow(&t->held, n, "going on with a change", err) ||
        !fs_read_at(t->fs, f->fd, f->path, t->held.bytes, n, from, err))
        return false;
    return memcmp(t->held.bytes, saved, n) == 0 || fs_write_at(t->fs, f->fd, f->path, saved, n, from, err);
}

static bool repair_first_page(struct transaction *t, size_t file, struct record_reader *reader,
                              struct error *err)
{
    const struct record *record = &t->record;
    uint64_t at = record->files[file].guard_bytes, end = record->chunks[file].bytes;
    if (!record_reader_load(reader, file, err))
        return false;
    struct record_range range = record_owning(record, file, 0, end);
    for (size_t i = range.first; i <= range.end && at < end; i++) {
        const struct record_chunk *c = i < range.end ? &record->chunks[record->by_place[i]] : NULL;
        uint64_t to = c ? c->own_offset : end;
        if (to > at && !repair(t, file, at, to, reader->bytes + at, err))
            return false;
        at = c ? c->own_offset + c->own_bytes : end;
    }
    return true;
}

/* The bytes around what a chunk owns that no other owns. */
static bool repair_around(struct transaction *t, size_t place, struct record_reader *reader,
                          struct error *err)
{
    const struct record_chunk *c = &t->record.chunks[t->record.by_place[place]];
    uint64_t from, to, own_end = c->own_offset + c->own_bytes;
    record_chunk_tells(&t->record, place, &from, &to);
    if (from >= c->own_offset && to <= own_end)
        return true;
    if (!record_reader_load(reader, t->record.by_place[place], err))
        return false;
    return (from >= c->own_offset ||
            repair(t, c->file, from, c->own_offset, reader->bytes + (from - c->offset), err)) &&
           (to <= own_end || repair(t, c->file, own_end, to, reader->bytes + (own_end - c->offset), err));
}

static bool repair_all(struct transaction *t, struct error *err)
{
    struct record_reader reader;
    record_reader_init(&reader, t->fs, t->fd, t->open_path, &t->record);
    bool ok = true;
    for (size_t i = 0; ok && i < t->record.n_files && i < t->n_adopted; i++)
        ok = repair_first_page(t, i, &reader, err);
    for (size_t i = 0; ok && i < t->record.n_placed; i++)
        ok = repair_around(t, i, &reader, err);
    record_reader_release(&reader);
    return ok && transaction_sync_files(t, err);
}

/* Whether the file holds the owned bytes as they were meant to be; then `after`, if it is not NULL, takes
 * them. */
static bool compare(struct transaction *t, const struct record_chunk *c, struct digest_stream *after,
                    bool *same, struct error *err)
{
    const struct guarded *f = &t->files[c->file];
    struct digest now;
    size_t n = (size_t)c->own_bytes;
    if (!context_continue(t->context, err) || !buffer_grow(&t->held, n, "going on with a change", err) ||
        !fs_read_at(t->fs, f->fd, f->path, t->held.bytes, n, c->own_offset, err) ||
        !digest_of(t->held.bytes, n, &now, err))
        return false;
    *same = digest_equal(&now, &c->intended);
    return !*same || !after || digest_stream_add(after, t->held.bytes, n, err);
}

/* The chunks are in order of place: a tensor's after-digest takes them in one go as long as nothing is
 * missing. */
static bool compare_chunk(struct transaction *t, size_t chunk, struct error *err)
{
    const struct record_chunk *c = &t->record.chunks[chunk];
    size_t i = record_tensor_at(&t->record, c->file, c->own_offset, c->own_bytes);
    struct writing *w = &t->tensors[i];
    bool next = c->own_offset == t->record.tensors[i].offset + w->position, same = false;
    if (next && !w->after && !digest_stream_new(&w->after, err))
        return false;
    if (!compare(t, c, next ? w->after : NULL, &same, err))
        return false;
    t->differs[chunk] = !same;
    if (!same)
        return true;
    t->done += c->own_bytes;
    context_progress(t->context, "reading back", t->done, t->total);
    if (next)
        w->position += c->own_bytes;
    return true;
}

bool transaction_read_back(struct transaction *t, struct error *err)
{
    if (!repair_all(t, err))
        return false;
    for (size_t i = 0; i < t->record.n_placed; i++)
        if (!compare_chunk(t, t->record.by_place[i], err))
            return false;
    return true;
}
