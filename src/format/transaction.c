/* The order of one change: the states and transitions of docs/history-format.md, "One change", one function
 * per row. Taking back is recover.c's. */
#include "transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "format.h"
#include "guard.h"
#include "memory.h"
#include "quote.h"
#include "range.h"
#include "record.h"
#include "records.h"
#include "recover.h"
#include "store.h"

enum transaction_state {
    TRANSACTION_NEW,
    TRANSACTION_RECORDED,
    TRANSACTION_GUARDED,
    TRANSACTION_WRITTEN,
    TRANSACTION_VALID,
    TRANSACTION_SEALED,
    TRANSACTION_COMMITTED,
    TRANSACTION_PROVEN
};

enum { CHUNK_BYTES = 8 << 20, LARGEST_CHUNK = RECORD_MAX_CHUNK - 2 * RECORD_PAGE, PACK_LEVEL = 1 };

struct writing { /* one listed tensor */
    const struct tensor *tensor;
    struct digest_stream *after; /* over the intended bytes up to `position` */
    uint64_t position;
};

struct transaction {
    const struct context *context;
    const struct fs *fs;
    struct checkpoint *checkpoint;
    enum transaction_state state;
    bool unsynced; /* a sync failed: nothing more is written, and nothing is rolled back in this process */
    bool no_history, force;
    struct store store;
    char *open_path, *final_path;
    int fd;               /* of the record; -1: none yet */
    struct record record; /* `end` is where the next chunk goes */
    struct guarded *files;
    struct writing *tensors; /* as in the record */
    uint64_t reserved, chunk_bytes, done, total;
    struct buffer held, packed; /* a chunk's old pages; its head and stream */
};

/* ---- what is going to change, as the record says it ---- */

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static bool list_file(struct transaction *t, const struct checkpoint_file *file, struct error *err)
{
    struct record_file *r = &t->record.files[t->record.n_files];
    struct guarded *g = &t->files[t->record.n_files];
    if (!file->format || !file->format->guard)
        return error_set(err, ERROR_UNSUPPORTED, "%s: a file of this format cannot be changed in place",
                         file->shown);
    *r = (struct record_file){.name = path_base(file->path),
                              .size = file->size,
                              .head = file->head,
                              .guard_bytes = file->format->guard_bytes};
    file->format->guard(t->record.nonce, r->guard);
    *g = (struct guarded){.fd = file->fd, .path = file->shown, .n = r->guard_bytes};
    memcpy(g->invalid, r->guard, g->n);
    if (!fs_read_at(t->fs, file->fd, file->shown, g->truth, g->n, 0, err))
        return false;
    t->record.n_files++;
    return true;
}

static bool list_tensors(struct transaction *t, const struct tensor *const *tensors, size_t n,
                         struct error *err)
{
    t->record.files = arena_array(&t->record.arena, t->checkpoint->n_files, sizeof *t->record.files);
    t->record.tensors = arena_array(&t->record.arena, n, sizeof *t->record.tensors);
    t->files = memory_zeroed(t->checkpoint->n_files, sizeof *t->files);
    t->tensors = memory_zeroed(n, sizeof *t->tensors);
    const struct tensor **sorted = memory_array(n, sizeof *sorted);
    bool ok = (t->record.files && t->record.tensors && t->files && t->tensors && sorted) ||
              error_memory(err, "preparing a change");
    if (ok && n) {
        memcpy(sorted, tensors, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_place);
    }
    for (size_t i = 0; ok && i < n; i++) {
        const struct tensor *s = sorted[i];
        if (i && s == sorted[i - 1])
            ok = error_set(err, ERROR_USAGE, "tensor %s is listed twice in one change", quote(s->name).text);
        if (ok && (i == 0 || s->file != sorted[i - 1]->file))
            ok = list_file(t, &t->checkpoint->files[s->file], err);
        if (!ok)
            break;
        t->record.tensors[i] = (struct record_tensor){.name = s->name,
                                                      .file = t->record.n_files - 1,
                                                      .dtype = s->dtype,
                                                      .offset = s->offset,
                                                      .bytes = s->bytes};
        t->tensors[i].tensor = s;
        t->total += s->bytes;
        t->record.n_tensors++;
    }
    free(sorted);
    return ok;
}

static bool copy_numbers(struct record *record, const uint32_t *numbers, size_t n, size_t spare,
                         uint32_t **out, struct error *err)
{
    uint32_t *copy = arena_array(&record->arena, n + spare, sizeof *copy);
    if (!copy)
        return error_memory(err, "preparing a change");
    if (n)
        memcpy(copy, numbers, n * sizeof *copy);
    *out = copy;
    return true;
}

static bool host_name(struct record *record, struct error *err)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) < 0)
        return error_set_errno(err, "the name of this host is not to be had");
    record->host = arena_copy(&record->arena, name, strlen(name));
    return record->host || error_memory(err, "preparing a change");
}

static bool describe(struct transaction *t, const struct transaction_options *options, struct error *err)
{
    struct record *r = &t->record;
    if (getrandom(&r->nonce, sizeof r->nonce, 0) != (ssize_t)sizeof r->nonce)
        return error_set_errno(err, "no random number is to be had");
    r->kind = options->kind;
    r->command = options->command ? options->command : "";
    r->note = options->note;
    r->time = time(NULL) < 0 ? 0 : (int64_t)time(NULL);
    r->n_undoes = options->n_undoes;
    r->n_drops = options->n_drops;
    return host_name(r, err) && copy_numbers(r, options->undoes, options->n_undoes, 0, &r->undoes, err) &&
           copy_numbers(r, options->drops, options->n_drops, 1, &r->drops, err);
}

/* ---- syncs: one that fails ends it ---- */

static bool sync_record(struct transaction *t, struct error *err)
{
    if (t->fs->sync(t->fs->state, t->fd) == 0)
        return true;
    t->unsynced = true;
    return error_set_errno(err, "%s: cannot sync", t->open_path);
}

static bool sync_files(struct transaction *t, struct error *err)
{
    if (guard_sync(t->fs, t->files, t->record.n_files, err))
        return true;
    t->unsynced = true;
    return false;
}

/* ---- NEW to RECORDED ---- */

/* Without a record of its own this change would make older records of its tensors useless. An undo does not:
 * it returns to a state that they know, and drops those after it. */
static bool history_can_do_without(struct transaction *t, struct error *err)
{
    struct record_list list = {0};
    if (!t->no_history || t->force || t->record.n_undoes)
        return true;
    bool ok = records_read(t->context, t->checkpoint->directory, &list, err);
    for (size_t i = 0; ok && i < list.n; i++)
        for (size_t k = 0; ok && k < t->record.n_tensors; k++)
            if (records_find(&list.items[i], t->checkpoint, t->tensors[k].tensor) < list.items[i].n_tensors)
                ok = error_set(
                    err, ERROR_USAGE,
                    "tensor %s was changed before (record %" PRIu32
                    "), and that could not be undone any more after a change without history; --force "
                    "does it all the same",
                    quote(t->record.tensors[k].name).text, list.items[i].number);
    records_release(&list);
    return ok;
}

static bool number_and_names(struct transaction *t, struct error *err)
{
    struct store *store = &t->store;
    if (!store_list(t->fs, t->checkpoint->directory, store, err))
        return false;
    if (store->there && !store->readable)
        return error_set(err, ERROR_IO, "%s: cannot be read, so nothing is changed here", store->path);
    if (store->open)
        return error_set(err, ERROR_BUSY,
                         "%s: record %04" PRIu32 " is open: another change is under way or was cut",
                         store->path, store->open);
    if (store->newest >= RECORD_MAX_NUMBER)
        return error_set(err, ERROR_UNSUPPORTED, "%s: there are no record numbers left", store->path);
    t->record.number = store->newest + 1;
    if (t->no_history)
        t->record.drops[t->record.n_drops++] = t->record.number;
    t->open_path = store_path(store, t->record.number, STORE_OPEN, err);
    t->final_path = t->open_path ? store_path(store, t->record.number, STORE_COMMITTED, err) : NULL;
    return t->final_path != NULL;
}

static bool before_digests(struct transaction *t, struct error *err)
{
    uint64_t done = 0;
    for (size_t i = 0; i < t->record.n_files; i++) {
        struct record_file *r = &t->record.files[i];
        if (!range_digest(t->context, true, t->files[i].fd, t->files[i].path, 0, r->head, &r->digest, err))
            return false;
    }
    for (size_t i = 0; i < t->record.n_tensors; i++) {
        struct record_tensor *r = &t->record.tensors[i];
        const struct guarded *file = &t->files[r->file];
        context_progress(t->context, "reading old bytes", done, t->total);
        if (!range_digest(t->context, true, file->fd, file->path, r->offset, r->bytes, &r->before, err))
            return false;
        done += r->bytes;
    }
    return true;
}

static uint64_t chunk_bound(uint64_t held)
{
    return page_ceil(RECORD_CHUNK_HEAD + record_pack_bound((size_t)held));
}

/* Bytes that the record has at most if tensors are written in one piece each: nothing counted on being
 * packed. */
static uint64_t space_bound(const struct transaction *t, uint64_t header)
{
    uint64_t bound = header + t->record.n_files * chunk_bound(RECORD_PAGE);
    for (size_t i = 0; i < t->record.n_tensors; i++) {
        uint64_t bytes = t->record.tensors[i].bytes, whole = bytes / t->chunk_bytes,
                 rest = bytes % t->chunk_bytes;
        bound += whole * chunk_bound(t->chunk_bytes + 2 * RECORD_PAGE);
        bound += rest ? chunk_bound(rest + 2 * RECORD_PAGE) : 0;
    }
    return bound + page_ceil(RECORD_HEAD + 16 + t->record.n_tensors * 68);
}

static bool reserve(struct transaction *t, uint64_t end, struct error *err)
{
    if (end <= t->reserved)
        return true;
    uint64_t more = end - t->reserved, available = 0;
    if (t->fs->reserve(t->fs->state, t->fd, (off_t)t->reserved, (off_t)more) == 0) {
        t->reserved = end;
        return true;
    }
    if (errno == ENOSPC)
        return error_set(err, ERROR_IO, "%s: no space for the old bytes: %" PRIu64 " bytes are needed",
                         t->open_path, more);
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return error_set_errno(err, "%s: cannot reserve %" PRIu64 " bytes", t->open_path, more);
    if (t->fs->free_bytes(t->fs->state, t->fd, &available) < 0)
        return error_set_errno(err, "%s: cannot tell how much space is free", t->open_path);
    if (available < more)
        return error_set(err, ERROR_IO,
                         "%s: no space for the old bytes: %" PRIu64 " bytes are needed, %" PRIu64 " are free",
                         t->open_path, more, available);
    if (t->reserved == 0 &&
        !checkpoint_warn(
            t->checkpoint, err,
            "%s: space cannot be reserved on this file system: should it run full on the way, the change "
            "is taken back",
            t->store.path))
        return false;
    t->reserved = end;
    return true;
}

/* What we write we must be able to read: a file name that is not UTF-8 would come back as another. */
static bool readable_again(struct transaction *t, const uint8_t *header, size_t n, struct error *err)
{
    struct record copy = {0};
    bool torn = false, same = false;
    if (record_header_decode(t->open_path, t->record.number, header, n, &copy, &torn, err)) {
        same = !torn && copy.n_files == t->record.n_files && copy.n_tensors == t->record.n_tensors;
        for (size_t i = 0; same && i < copy.n_files; i++)
            same = strcmp(copy.files[i].name, t->record.files[i].name) == 0;
        for (size_t i = 0; same && i < copy.n_tensors; i++)
            same = strcmp(copy.tensors[i].name, t->record.tensors[i].name) == 0;
        if (!same)
            error_set(err, ERROR_UNSUPPORTED,
                      "%s: the name of a file or tensor is not UTF-8, and a record could not "
                      "name it",
                      t->files[0].path);
    }
    record_release(&copy);
    return same;
}

static bool create_record(struct transaction *t, struct error *err)
{
    if (!store_create(t->fs, &t->store, err))
        return false;
    t->fd = t->fs->open(t->fs->state, t->open_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (t->fd < 0)
        return errno == EEXIST
                   ? error_set(err, ERROR_BUSY, "%s: another change has just begun here", t->open_path)
                   : error_set_errno(err, "%s: cannot create the record", t->open_path);
    if (store_lock(t->fs, t->fd, t->open_path, err))
        return true;
    if (err->kind == ERROR_BUSY) { /* the name is not ours any more, so it is not ours to remove */
        t->fs->close(t->fs->state, t->fd);
        t->fd = -1;
    }
    return false;
}

static bool write_header(struct transaction *t, struct error *err)
{
    uint8_t *header = NULL;
    size_t n = 0;
    bool ok = record_header_encode(&t->record, &header, &n, err) && readable_again(t, header, n, err) &&
              create_record(t, err) && reserve(t, space_bound(t, n), err) &&
              fs_write_at(t->fs, t->fd, t->open_path, header, n, 0, err) && sync_record(t, err);
    free(header);
    if (!ok)
        return false;
    t->record.end = n;
    if (store_sync(t->fs, &t->store, err))
        return true;
    t->unsynced = true;
    return false;
}

static bool record_change(struct transaction *t, struct error *err)
{
    return number_and_names(t, err) && history_can_do_without(t, err) && before_digests(t, err) &&
           write_header(t, err);
}

/* ---- chunks ---- */

/* Saves the pages that the chunk holds, and syncs the record. */
static bool save_chunk(struct transaction *t, struct record_chunk *chunk, struct error *err)
{
    const struct guarded *file = &t->files[chunk->file];
    size_t n = (size_t)chunk->bytes, bound = record_pack_bound(n), packed = 0;
    if (!buffer_grow(&t->held, n, "saving old bytes", err) ||
        !buffer_grow(&t->packed, RECORD_CHUNK_HEAD + bound, "saving old bytes", err) ||
        !fs_read_at(t->fs, file->fd, file->path, t->held.bytes, n, chunk->offset, err) ||
        !digest_of(t->held.bytes, n, &chunk->old, err) ||
        !record_pack(t->open_path, t->held.bytes, n, PACK_LEVEL, t->packed.bytes + RECORD_CHUNK_HEAD, bound,
                     &packed, err) ||
        !digest_of(t->packed.bytes + RECORD_CHUNK_HEAD, packed, &chunk->packed, err))
        return false;
    chunk->sequence = t->record.n_chunks;
    chunk->packed_bytes = packed;
    if (!record_chunk_encode(t->record.nonce, chunk, t->packed.bytes, err) ||
        !reserve(t, t->record.end + RECORD_CHUNK_HEAD + packed, err) ||
        !fs_write_at(t->fs, t->fd, t->open_path, t->packed.bytes, RECORD_CHUNK_HEAD + packed, t->record.end,
                     err) ||
        !sync_record(t, err))
        return false;
    t->record.n_chunks++;
    t->record.end = page_ceil(t->record.end + RECORD_CHUNK_HEAD + packed);
    return true;
}

/* ---- RECORDED to GUARDED ---- */

static bool guard_files(struct transaction *t, struct error *err)
{
    for (size_t i = 0; i < t->record.n_files; i++) {
        struct record_chunk first = {.file = i, .bytes = u64_least(RECORD_PAGE, t->record.files[i].size)};
        if (!digest_of("", 0, &first.intended, err) || !save_chunk(t, &first, err))
            return false;
    }
    return guard_write_invalid(t->fs, t->files, t->record.n_files, err) && sync_files(t, err);
}

/* ---- GUARDED to GUARDED: one chunk ---- */

static bool change_chunk(struct transaction *t, const struct record_tensor *tensor, uint64_t offset,
                         const uint8_t *bytes, size_t n, struct error *err)
{
    const struct guarded *file = &t->files[tensor->file];
    struct record_chunk chunk = {.file = tensor->file, .own_offset = tensor->offset + offset, .own_bytes = n};
    record_pages_around(chunk.own_offset, n, t->record.files[tensor->file].size, &chunk.offset, &chunk.bytes);
    if (!context_continue(t->context, err) || !digest_of(bytes, n, &chunk.intended, err) ||
        !save_chunk(t, &chunk, err) ||
        !fs_write_at(t->fs, file->fd, file->path, bytes, n, chunk.own_offset, err) ||
        !fs_read_at(t->fs, file->fd, file->path, t->held.bytes, n, chunk.own_offset, err))
        return false;
    if (memcmp(t->held.bytes, bytes, n) != 0)
        return error_set(err, ERROR_IO, "%s: tensor %s does not read back as it was written", file->path,
                         quote(tensor->name).text);
    t->done += n;
    context_progress(t->context, "writing", t->done, t->total);
    return true;
}

/* Bytes of the tensor that are left as they are belong to the after-digest too. */
static bool pass_over(struct transaction *t, size_t tensor, uint64_t until, struct error *err)
{
    const struct record_tensor *r = &t->record.tensors[tensor];
    const struct guarded *file = &t->files[r->file];
    struct writing *w = &t->tensors[tensor];
    if (!w->after && !digest_stream_new(&w->after, err))
        return false;
    if (!range_digest_add(t->context, true, file->fd, file->path, r->offset + w->position,
                          until - w->position, w->after, err))
        return false;
    w->position = until;
    return true;
}

bool transaction_write(struct transaction *t, const struct tensor *tensor, uint64_t offset, const void *bytes,
                       size_t n, struct error *err)
{
    size_t i = 0;
    while (i < t->record.n_tensors && t->tensors[i].tensor != tensor)
        i++;
    if (t->state != TRANSACTION_GUARDED || t->unsynced || i == t->record.n_tensors)
        return error_set(err, ERROR_USAGE, "tensor %s is not part of this change", quote(tensor->name).text);
    struct writing *w = &t->tensors[i];
    if (offset < w->position || offset > tensor->bytes || n > tensor->bytes - offset)
        return error_set(err, ERROR_USAGE, "tensor %s: bytes [%" PRIu64 ", +%zu) are out of order or outside",
                         quote(tensor->name).text, offset, n);
    if (!pass_over(t, i, offset, err))
        return false;
    for (const uint8_t *p = bytes; n;) {
        size_t piece = (size_t)u64_least(n, t->chunk_bytes);
        if (!change_chunk(t, &t->record.tensors[i], w->position, p, piece, err) ||
            !digest_stream_add(w->after, p, piece, err))
            return false;
        w->position += piece;
        p += piece;
        n -= piece;
    }
    return true;
}

/* ---- GUARDED to WRITTEN ---- */

static bool finish_writing(struct transaction *t, struct error *err)
{
    for (size_t i = 0; i < t->record.n_tensors; i++)
        if (!pass_over(t, i, t->record.tensors[i].bytes, err) ||
            !digest_stream_finish(t->tensors[i].after, &t->record.tensors[i].after, err))
            return false;
    return sync_files(t, err);
}

/* ---- WRITTEN to VALID ---- */

static bool make_valid(struct transaction *t, struct error *err)
{
    return guard_write_truth(t->fs, t->files, t->record.n_files, err) && sync_files(t, err);
}

/* ---- VALID to SEALED ---- */

static bool seal(struct transaction *t, struct error *err)
{
    uint8_t *trailer = NULL;
    size_t n = 0;
    if (!record_trailer_encode(&t->record, &trailer, &n, err))
        return false;
    bool ok = reserve(t, t->record.end + n, err) &&
              fs_write_at(t->fs, t->fd, t->open_path, trailer, n, t->record.end, err);
    free(trailer);
    if (!ok)
        return false;
    t->record.end += n;
    if (t->fs->truncate(t->fs->state, t->fd, (off_t)t->record.end) < 0)
        return error_set_errno(err, "%s: cannot cut off unused space", t->open_path);
    return sync_record(t, err);
}

/* ---- SEALED to COMMITTED ---- */

static bool commit(struct transaction *t, struct error *err)
{
    struct stat named, ours;
    if (!context_continue(t->context, err) || !store_lock(t->fs, t->fd, t->open_path, err))
        return false;
    if (t->fs->lstat(t->fs->state, t->final_path, &named) == 0)
        return error_set(err, ERROR_FORMAT, "%s: is there already", t->final_path);
    if (errno != ENOENT)
        return error_set_errno(err, "%s: cannot look at it", t->final_path);
    if (t->fs->rename(t->fs->state, t->open_path, t->final_path) == 0)
        return true;
    int number = errno;
    /* A rename may be done and yet reported as failed; its name tells. */
    if (t->fs->fstat(t->fs->state, t->fd, &ours) == 0 &&
        t->fs->lstat(t->fs->state, t->final_path, &named) == 0 && ours.st_ino == named.st_ino &&
        ours.st_dev == named.st_dev)
        return true;
    errno = number;
    return error_set_errno(err, "%s: cannot rename the record", t->open_path);
}

/* ---- COMMITTED to PROVEN ---- */

static bool settle_names(struct transaction *t, struct error *err)
{
    if (!store_sync(t->fs, &t->store, err))
        return error_prefix(err, "changed, not proven durable");
    size_t n = t->record.n_drops;
    if (n == 0)
        return true;
    bool ok = true;
    for (size_t i = 0; ok && i + 1 < n; i++)
        ok = store_remove(t->fs, &t->store, t->record.drops[i], STORE_COMMITTED, err);
    /* The record that says what is dropped goes last. */
    ok = ok && (n < 2 || store_sync(t->fs, &t->store, err)) &&
         store_remove(t->fs, &t->store, t->record.drops[n - 1], STORE_COMMITTED, err) &&
         store_sync(t->fs, &t->store, err);
    return ok || error_prefix(err, "changed, but the record could not be removed");
}

/* ---- the table ---- */

static const struct {
    enum transaction_state from, to;
    bool (*run)(struct transaction *t, struct error *err);
} transitions[] = {
    {TRANSACTION_NEW, TRANSACTION_RECORDED, record_change},
    {TRANSACTION_RECORDED, TRANSACTION_GUARDED, guard_files},
    /* GUARDED to GUARDED: change_chunk, from transaction_write */
    {TRANSACTION_GUARDED, TRANSACTION_WRITTEN, finish_writing},
    {TRANSACTION_WRITTEN, TRANSACTION_VALID, make_valid},
    {TRANSACTION_VALID, TRANSACTION_SEALED, seal},
    {TRANSACTION_SEALED, TRANSACTION_COMMITTED, commit},
    {TRANSACTION_COMMITTED, TRANSACTION_PROVEN, settle_names},
};

static bool advance(struct transaction *t, enum transaction_state until, struct error *err)
{
    for (size_t i = 0; i < sizeof transitions / sizeof *transitions && t->state < until; i++) {
        if (transitions[i].from != t->state)
            continue;
        if (!transitions[i].run(t, err))
            return false;
        t->state = transitions[i].to;
    }
    return true;
}

bool transaction_begin(const struct context *context, struct checkpoint *checkpoint,
                       const struct transaction_options *options, const struct tensor *const *tensors,
                       size_t n_tensors, struct transaction **out, struct error *err)
{
    if (!checkpoint->writable || n_tensors == 0)
        return error_set(err, ERROR_USAGE, "%s: %s", checkpoint->path,
                         n_tensors ? "was opened for reading only" : "no tensor to change");
    if (!checkpoint->directory)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: its files lie in several directories, and so cannot be changed in place",
                         checkpoint->path);
    struct transaction *t = memory_zeroed(1, sizeof *t);
    if (!t)
        return error_memory(err, "preparing a change");
    *t = (struct transaction){.context = context,
                              .fs = context->fs,
                              .checkpoint = checkpoint,
                              .no_history = options->no_history,
                              .force = options->force,
                              .fd = -1};
    t->chunk_bytes = options->chunk_bytes ? options->chunk_bytes : CHUNK_BYTES;
    if (t->chunk_bytes > LARGEST_CHUNK)
        t->chunk_bytes = LARGEST_CHUNK;
    if (describe(t, options, err) && list_tensors(t, tensors, n_tensors, err) &&
        advance(t, TRANSACTION_GUARDED, err)) {
        *out = t;
        return true;
    }
    struct error second;
    if (!transaction_end(t, &second))
        error_prefix(err, "%s", second.text);
    return false;
}

bool transaction_commit(struct transaction *t, uint32_t *number, struct error *err)
{
    if (t->state != TRANSACTION_GUARDED || t->unsynced)
        return error_set(err, ERROR_USAGE, "a change that failed cannot be committed");
    bool ok = advance(t, TRANSACTION_PROVEN, err);
    if (t->state >= TRANSACTION_COMMITTED)
        *number = t->no_history ? 0 : t->record.number;
    return ok;
}

/* ---- taking back ---- */

static bool left_open(const struct transaction *t, struct error *err)
{
    return error_prefix(err,
                        "the change is not taken back yet, and the files load nowhere; record %s is open, "
                        "`lancet verify --recover` takes it back",
                        t->open_path);
}

static bool roll_back(struct transaction *t, struct error *err)
{
    struct record record = {0};
    struct recover_file *files = memory_array(t->record.n_files, sizeof *files);
    bool ok = files || error_memory(err, "taking a change back");
    for (size_t i = 0; ok && i < t->record.n_files; i++)
        files[i] = (struct recover_file){t->files[i].fd, t->files[i].path};
    ok = ok && record_load(t->fs, t->fd, t->open_path, t->record.number, true, &record, err);
    struct recovery recovery = {
        .store = &t->store, .record = &record, .fd = t->fd, .path = t->open_path, .files = files};
    ok = ok && (record.torn ? error_set(err, ERROR_IO, "%s: its header does not read back", t->open_path)
                            : recover_record(t->context, &recovery, err));
    record_release(&record);
    free(files);
    return ok;
}

static bool abandon(struct transaction *t, struct error *err)
{
    switch (t->state) {
    case TRANSACTION_NEW: /* no file was touched */
        return t->fd < 0 || (store_remove(t->fs, &t->store, t->record.number, STORE_OPEN, err) &&
                             store_sync(t->fs, &t->store, err));
    case TRANSACTION_RECORDED:
    case TRANSACTION_GUARDED:
    case TRANSACTION_WRITTEN:
    case TRANSACTION_VALID:
    case TRANSACTION_SEALED:
        if (t->unsynced) {
            error_set(err, ERROR_IO, "a sync failed");
            return left_open(t, err);
        }
        return roll_back(t, err) || left_open(t, err);
    case TRANSACTION_COMMITTED:
    case TRANSACTION_PROVEN:
        break;
    }
    return true;
}

bool transaction_end(struct transaction *t, struct error *err)
{
    if (!t)
        return true;
    bool ok = abandon(t, err);
    if (t->fd >= 0)
        t->fs->close(t->fs->state, t->fd);
    for (size_t i = 0; t->tensors && i < t->record.n_tensors; i++)
        digest_stream_free(t->tensors[i].after);
    free(t->tensors);
    free(t->files);
    buffer_release(&t->held);
    buffer_release(&t->packed);
    free(t->open_path);
    free(t->final_path);
    store_release(&t->store);
    record_release(&t->record);
    free(t);
    return ok;
}
