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

#include "memory.h"
#include "pending.h"
#include "quote.h"
#include "range.h"
#include "records.h"
#include "recover.h"
#include "transaction_parts.h"

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
    for (size_t i = 0; i < t->record.n_tensors && t->record.version == RECORD_BEFORE_IN_HEADER; i++) {
        struct record_tensor *r = &t->record.tensors[i];
        const struct guarded *file = &t->files[r->file];
        context_progress(t->context, "reading old bytes", done, t->total);
        if (!range_digest(t->context, true, file->fd, file->path, r->offset, r->bytes, &r->before, err))
            return false;
        r->before_known = true;
        done += r->bytes;
    }
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
              create_record(t, err) && transaction_reserve(t, n + transaction_bound(t), err) &&
              fs_write_at(t->fs, t->fd, t->open_path, header, n, 0, err) && transaction_sync_record(t, err);
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

/* ---- RECORDED to GUARDED ---- */

static bool guard_files(struct transaction *t, struct error *err)
{
    for (size_t i = t->record.n_chunks; i < t->record.n_files; i++) {
        struct record_chunk first = {.file = i, .bytes = u64_least(RECORD_PAGE, t->record.files[i].size)};
        if (!digest_of("", 0, &first.intended, err) || !transaction_save(t, &first, err))
            return false;
    }
    return guard_write_invalid(t->fs, t->files, t->record.n_files, err) && transaction_sync_files(t, err);
}

/* ---- GUARDED to WRITTEN ---- */

static bool finish_writing(struct transaction *t, struct error *err)
{
    return transaction_finish(t, err) && transaction_sync_files(t, err);
}

/* ---- WRITTEN to VALID ---- */

static bool make_valid(struct transaction *t, struct error *err)
{
    return guard_write_truth(t->fs, t->files, t->record.n_files, err) && transaction_sync_files(t, err);
}

/* ---- VALID to SEALED ---- */

static bool append_trailer(struct transaction *t, struct error *err)
{
    uint8_t *trailer = NULL;
    size_t n = 0;
    if (!record_trailer_encode(&t->record, &trailer, &n, err))
        return false;
    bool ok = transaction_reserve(t, t->record.end + n, err) &&
              fs_write_at(t->fs, t->fd, t->open_path, trailer, n, t->record.end, err);
    free(trailer);
    t->record.end += n;
    return ok;
}

/* A run that was cut may have done it, and what was synced is not written again. */
static bool seal(struct transaction *t, struct error *err)
{
    if (!t->record.sealed && !append_trailer(t, err))
        return false;
    if (t->fs->truncate(t->fs->state, t->fd, (off_t)t->record.end) < 0)
        return error_set_errno(err, "%s: cannot cut off unused space", t->open_path);
    return transaction_sync_record(t, err);
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
    {TRANSACTION_NEW, TRANSACTION_RECORDED, record_change}, /* a resumed change: transaction_adopt */
    {TRANSACTION_RECORDED, TRANSACTION_GUARDED, guard_files},
    /* GUARDED to GUARDED: a chunk, from transaction_write */
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

static struct transaction *new_transaction(const struct context *context, struct checkpoint *checkpoint,
                                           const struct transaction_options *options, struct error *err)
{
    struct transaction *t = memory_zeroed(1, sizeof *t);
    if (!t) {
        error_memory(err, "preparing a change");
        return NULL;
    }
    *t = (struct transaction){.context = context,
                              .fs = context->fs,
                              .checkpoint = checkpoint,
                              .no_history = options->no_history,
                              .force = options->force,
                              .packing = options->before_with_chunks ? RECORD_RAW : RECORD_PAGES,
                              .chunk_bytes = transaction_chunk_bytes(options),
                              .fd = -1};
    pthread_mutex_init(&t->index, NULL);
    pthread_mutex_init(&t->cache, NULL);
    pthread_mutex_init(&t->behind.lock, NULL);
    pthread_cond_init(&t->behind.changed, NULL);
    return t;
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
    struct transaction *t = new_transaction(context, checkpoint, options, err);
    if (t && (options->resume
                  ? transaction_adopt(t, options, tensors, n_tensors, err) &&
                        advance(t, TRANSACTION_GUARDED, err) && transaction_read_back(t, err)
                  : transaction_describe(t, options, err) && transaction_list(t, tensors, n_tensors, err) &&
                        advance(t, TRANSACTION_GUARDED, err))) {
        t->keep = false;
        *out = t;
        return true;
    }
    struct error second;
    if (!transaction_end(t, &second))
        error_prefix(err, "%s", second.text);
    return false;
}

const char *transaction_note(const struct transaction *t)
{
    return t->record.note;
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

/* Whether they load is known only between the guard and the true headers. */
static bool left_open(const struct transaction *t, struct error *err)
{
    return error_prefix(err,
                        "the change is not taken back yet%s; record %s is open, `lancet verify --recover` "
                        "takes it back",
                        t->state == TRANSACTION_GUARDED ? ", and the files load nowhere" : "", t->open_path);
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
    if (t->keep)
        return true;
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
    transaction_stop_behind(t);
    bool ok = abandon(t, err);
    if (t->fd >= 0)
        t->fs->close(t->fs->state, t->fd);
    for (size_t i = 0; t->tensors && i < t->record.n_tensors; i++) {
        digest_stream_free(t->tensors[i].after);
        digest_stream_free(t->tensors[i].again);
    }
    free(t->tensors);
    free(t->files);
    free(t->record_files);
    free(t->differs);
    buffer_release(&t->held);
    buffer_release(&t->packed);
    buffer_release(&t->unpacking);
    buffer_release(&t->behind.bytes);
    for (size_t i = 0; i < TRANSACTION_CACHED; i++)
        buffer_release(&t->cached[i].bytes);
    pthread_mutex_destroy(&t->index);
    pthread_mutex_destroy(&t->cache);
    pthread_mutex_destroy(&t->behind.lock);
    pthread_cond_destroy(&t->behind.changed);
    free(t->open_path);
    free(t->final_path);
    store_release(&t->store);
    record_release(&t->record);
    free(t);
    return ok;
}
