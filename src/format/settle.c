/* What is done about records when a model is opened: a reader keeps away from an open one, a writer takes the
 * change back and clears up what cuts have left. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "format.h"
#include "memory.h"
#include "pending.h"
#include "quote.h"
#include "record.h"
#include "recover.h"
#include "store.h"

/* Bytes of the directory part of a path; 0: it has none. */
static size_t directory_bytes(const char *path)
{
    size_t n = (size_t)(path_base(path) - path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

static char *directory_of(const char *path)
{
    size_t n = directory_bytes(path);
    return n ? memory_copy(path, n) : memory_string(".");
}

static bool lies_in(const char *path, const char *directory)
{
    size_t n = directory_bytes(path);
    return n ? strlen(directory) == n && memcmp(path, directory, n) == 0 : strcmp(directory, ".") == 0;
}

static size_t file_in(const struct checkpoint *checkpoint, const char *directory, const char *name)
{
    size_t i = 0;
    while (i < checkpoint->n_files && (strcmp(path_base(checkpoint->files[i].path), name) != 0 ||
                                       !lies_in(checkpoint->files[i].path, directory)))
        i++;
    return i;
}

/* ---- readers ---- */

static bool reader_look(const struct context *context, const struct checkpoint *checkpoint,
                        const struct store *store, const char *path, struct error *err)
{
    const struct fs *fs = context->fs;
    struct record record = {0};
    int fd = fs->open(fs->state, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) /* not ours to read, or gone: the header of the model file tells */
        return true;
    bool ok = record_load_header(fs, fd, path, store->open, &record, err);
    for (size_t i = 0; ok && !record.torn && i < record.n_files; i++)
        if (file_in(checkpoint, store->directory, record.files[i].name) < checkpoint->n_files)
            ok = error_set(
                err, ERROR_BUSY,
                "%s: a change is under way or was cut (record %s); `lancet verify --recover` takes it back",
                checkpoint->path, path);
    record_release(&record);
    fs->close(fs->state, fd);
    return ok;
}

static bool reader_settle(const struct context *context, const struct checkpoint *checkpoint,
                          const char *directory, struct error *err)
{
    struct store store = {0};
    if (!store_list(context->fs, directory, &store, err))
        return err->kind == ERROR_FORMAT; /* something foreign in there is no affair of a reader's */
    char *path = store.open ? store_path(&store, store.open, STORE_OPEN, err) : NULL;
    bool ok = !store.open || (path && reader_look(context, checkpoint, &store, path, err));
    free(path);
    store_release(&store);
    return ok;
}

/* ---- writers: an open record ---- */

struct opened { /* files of a record: borrowed from the checkpoint, or opened here */
    struct recover_file *files;
    bool *own;
    char **paths; /* [n_paths], NULL where borrowed */
    size_t n, n_paths;
};

static void opened_close(const struct fs *fs, struct opened *o)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->own[i])
            fs->close(fs->state, o->files[i].fd);
    for (size_t i = 0; i < o->n_paths; i++)
        free(o->paths[i]);
    free(o->files);
    free(o->own);
    free(o->paths);
}

/* The same inode under another name: flocks belong to descriptions, so it must not be opened twice. */
static int twin(const struct checkpoint *checkpoint, const struct fs *fs, const struct opened *o,
                const struct stat *st)
{
    for (size_t i = 0; i < checkpoint->n_files; i++)
        if (checkpoint->files[i].inode == st->st_ino && checkpoint->files[i].device == st->st_dev)
            return checkpoint->files[i].fd;
    for (size_t i = 0; i < o->n; i++) {
        struct stat other;
        if (o->own[i] && fs->fstat(fs->state, o->files[i].fd, &other) == 0 && other.st_ino == st->st_ino &&
            other.st_dev == st->st_dev)
            return o->files[i].fd;
    }
    return -1;
}

static bool open_named(const struct context *context, const struct checkpoint *checkpoint,
                       const char *directory, const char *name, struct opened *o, struct error *err)
{
    const struct fs *fs = context->fs;
    struct stat st;
    char *path = o->paths[o->n] = path_join(directory, name);
    if (!path)
        return error_memory(err, "recovering a change");
    if (fs->lstat(fs->state, path, &st) < 0)
        return errno == ENOENT
                   ? error_set(err, ERROR_MISMATCH,
                               "%s: is missing, but a change of it was cut and must be taken back; nothing "
                               "was touched",
                               path)
                   : error_set_errno(err, "%s: cannot look at it", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_MISMATCH, "%s: is not a regular file, but a change of it was cut", path);
    int fd = twin(checkpoint, fs, o, &st);
    bool own = fd < 0;
    if (own && (fd = fs->open(fs->state, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0)) < 0)
        return error_set_errno(err, "%s: cannot open it for taking back a change", path);
    o->files[o->n] = (struct recover_file){fd, path};
    o->own[o->n++] = own;
    if (own && fs->lock(fs->state, fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? error_set(err, ERROR_BUSY, "%s: is in use by another lancet", path)
                                    : error_set_errno(err, "%s: cannot lock", path);
    return true;
}

static bool open_files(const struct context *context, const struct checkpoint *checkpoint,
                       const char *directory, const struct record *record, struct opened *o,
                       struct error *err)
{
    o->files = memory_zeroed(record->n_files, sizeof *o->files);
    o->own = memory_zeroed(record->n_files, sizeof *o->own);
    o->paths = memory_zeroed(record->n_files, sizeof *o->paths);
    if (!o->files || !o->own || !o->paths)
        return error_memory(err, "recovering a change");
    o->n_paths = record->n_files;
    for (size_t i = 0; i < record->n_files; i++) {
        size_t known = file_in(checkpoint, directory, record->files[i].name);
        if (known < checkpoint->n_files) {
            const struct checkpoint_file *file = &checkpoint->files[known];
            o->files[o->n++] = (struct recover_file){file->fd, file->shown};
        } else if (!open_named(context, checkpoint, directory, record->files[i].name, o, err)) {
            return false;
        }
    }
    return true;
}

/* A format's guard keeps the marks of an invalid value, so it maps such a value to itself. */
static bool is_invalid(const struct context *context, const struct checkpoint_file *file, bool *invalid,
                       struct error *err)
{
    uint8_t bytes[16] = {0}, guard[RECORD_GUARD_MAX];
    size_t n = (size_t)u64_least(sizeof bytes, file->size);
    if (!fs_read_at(context->fs, file->fd, file->shown, bytes, n, 0, err))
        return false;
    const struct format *format = format_of(path_base(file->path), bytes, n);
    *invalid = false;
    if (format && format->guard && n >= format->guard_bytes) {
        uint64_t nonce;
        memcpy(&nonce, bytes, sizeof nonce);
        format->guard(nonce, guard);
        *invalid = memcmp(guard, bytes, format->guard_bytes) == 0;
    }
    return true;
}

/* A record whose header is torn: its change had not begun. */
static bool discard(const struct context *context, const struct checkpoint *checkpoint,
                    const struct store *store, const char *path, struct error *err)
{
    for (size_t i = 0; i < checkpoint->n_files; i++) {
        bool invalid = false;
        if (!is_invalid(context, &checkpoint->files[i], &invalid, err))
            return false;
        if (invalid)
            return error_set(
                err, ERROR_FORMAT,
                "%s: the header of this record cannot be read, and %s is half-changed: nothing was touched",
                path, checkpoint->files[i].shown);
    }
    return store_remove(context->fs, store, store->open, STORE_OPEN, err) &&
           store_sync(context->fs, store, err);
}

static bool is_from_here(const struct record *record, const char *path, struct error *err)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) < 0)
        return error_set_errno(err, "the name of this host is not to be had");
    return strcmp(host, record->host) == 0 || error_set(err, ERROR_BUSY,
                                                        "%s: the change was begun on the host %s and may "
                                                        "still be under way there; --force takes it back "
                                                        "all the same",
                                                        path, quote(record->host).text);
}

static bool take_back(const struct context *context, const struct checkpoint *checkpoint,
                      const struct checkpoint_options *options, const struct store *store, const char *path,
                      int fd, struct error *err)
{
    struct record record = {0};
    struct opened opened = {0};
    bool ok = record_load(context->fs, fd, path, store->open, true, &record, err);
    if (ok && record.torn) {
        ok = discard(context, checkpoint, store, path, err);
    } else if (ok) {
        ok = (options->force || is_from_here(&record, path, err)) &&
             open_files(context, checkpoint, store->directory, &record, &opened, err);
        struct recovery recovery = {
            .store = store, .record = &record, .fd = fd, .path = path, .files = opened.files};
        ok = ok && recover_record(context, &recovery, err);
    }
    opened_close(context->fs, &opened);
    record_release(&record);
    return ok;
}

static bool recover_open(const struct context *context, const struct checkpoint *checkpoint,
                         const struct checkpoint_options *options, const struct store *store,
                         struct error *err)
{
    int fd = -1;
    char *path = store_path(store, store->open, STORE_OPEN, err);
    bool ok = path && store_open_record(context->fs, path, O_RDONLY, &fd, err) &&
              store_lock(context->fs, fd, path, err) &&
              take_back(context, checkpoint, options, store, path, fd, err);
    if (fd >= 0)
        context->fs->close(context->fs->state, fd);
    free(path);
    return ok;
}

/* ---- writers: an open record that is to be gone on with ---- */

/* The heads of the files as they were, so that the model opens although they are invalid. */
static bool read_heads(const struct context *context, const struct recovery *recovery,
                       struct pending *pending, struct error *err)
{
    for (size_t i = 0; i < pending->record.n_files && i < pending->record.n_chunks; i++) {
        const struct record_file *r = &pending->record.files[i];
        struct pending_file *p = &pending->files[i];
        size_t n = (size_t)u64_least(page_ceil(r->head), r->size);
        if (!buffer_grow(&p->head, n, "opening a half-changed model", err) ||
            !recover_read(context, recovery, i, 0, n, p->head.bytes, err))
            return false;
        p->head_bytes = n;
    }
    return true;
}

static bool list_pending(const struct checkpoint *checkpoint, const char *directory, struct pending *pending,
                         struct recover_file **out, struct error *err)
{
    const struct record *record = &pending->record;
    struct recover_file *files = *out = memory_zeroed(record->n_files, sizeof *files);
    pending->files = memory_zeroed(record->n_files, sizeof *pending->files);
    if (!files || !pending->files)
        return error_memory(err, "opening a half-changed model");
    pending->n_files = record->n_files;
    for (size_t i = 0; i < record->n_files; i++) {
        size_t known = file_in(checkpoint, directory, record->files[i].name);
        if (known == checkpoint->n_files)
            return error_set(
                err, ERROR_MISMATCH,
                "%s: the open record %s also changes the file %s, which is not part of what was opened",
                checkpoint->path, pending->path, quote(record->files[i].name).text);
        pending->files[i].checkpoint_file = known;
        files[i] = (struct recover_file){checkpoint->files[known].fd, checkpoint->files[known].shown};
    }
    return true;
}

static bool can_go_on(const struct pending *pending, const struct checkpoint_options *options,
                      struct error *err)
{
    if (pending->record.torn)
        return error_set(err, ERROR_USAGE,
                         "%s: the change was cut before it began, so there is nothing to go on with",
                         pending->path);
    if (strcmp(pending->record.kind, "merge") != 0)
        return error_set(
            err, ERROR_USAGE,
            "%s: the change that was cut is no merge but %s, and only merges can be gone on with; "
            "`lancet verify --recover` takes it back",
            pending->path, quote(pending->record.kind).text);
    return options->force || is_from_here(&pending->record, pending->path, err);
}

static bool examine_pending(const struct context *context, const struct checkpoint *checkpoint,
                            const struct checkpoint_options *options, const char *directory,
                            struct pending *pending, struct error *err)
{
    struct recover_file *files = NULL;
    bool ok = record_load(context->fs, pending->fd, pending->path, pending->store.open, true,
                          &pending->record, err) &&
              can_go_on(pending, options, err) && list_pending(checkpoint, directory, pending, &files, err);
    struct recovery recovery = {.store = &pending->store,
                                .record = &pending->record,
                                .fd = pending->fd,
                                .path = pending->path,
                                .files = files};
    ok = ok && recover_check(context, &recovery, err) && read_heads(context, &recovery, pending, err);
    free(files);
    return ok;
}

/* The store becomes the pending record's. */
static bool keep_open(const struct context *context, struct checkpoint *checkpoint,
                      const struct checkpoint_options *options, const char *directory, struct store *store,
                      struct error *err)
{
    if (store->open == 0)
        return error_set(err, ERROR_USAGE, "%s: no merge was cut here, so there is nothing to go on with",
                         checkpoint->path);
    struct pending *pending = memory_zeroed(1, sizeof *pending);
    if (!pending)
        return error_memory(err, "opening a half-changed model");
    *pending = (struct pending){.fs = context->fs, .store = *store, .fd = -1};
    *store = (struct store){0};
    pending->store.directory = checkpoint->directory;
    pending->path = store_path(&pending->store, pending->store.open, STORE_OPEN, err);
    bool ok = pending->path && store_open_record(context->fs, pending->path, O_RDWR, &pending->fd, err) &&
              store_lock(context->fs, pending->fd, pending->path, err) &&
              examine_pending(context, checkpoint, options, directory, pending, err);
    if (ok)
        checkpoint->pending = pending;
    else
        pending_free(pending);
    return ok;
}

const char *history_open_note(const struct checkpoint *checkpoint)
{
    return checkpoint->pending ? checkpoint->pending->record.note : NULL;
}

/* ---- writers: leftovers ---- */

/* A cut repack, unless somebody is still at it. */
static bool remove_temporary(const struct fs *fs, const struct store *store, uint32_t number,
                             struct error *err)
{
    char *path = store_path(store, number, STORE_TEMPORARY, err);
    if (!path)
        return false;
    int fd = fs->open(fs->state, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    bool busy = fd >= 0 && fs->lock(fs->state, fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    bool ok = busy || store_remove(fs, store, number, STORE_TEMPORARY, err);
    if (fd >= 0)
        fs->close(fs->state, fd);
    free(path);
    return ok;
}

/* Records that the newest one dropped and whose names a cut has left. */
static bool remove_dropped(const struct fs *fs, const struct store *store, struct error *err)
{
    struct record record = {0};
    int fd = -1;
    char *path = store_path(store, store->newest, STORE_COMMITTED, err);
    bool ok = path && store_open_record(fs, path, O_RDONLY, &fd, err) &&
              record_load_header(fs, fd, path, store->newest, &record, err);
    if (ok && record.torn)
        ok = error_set(err, ERROR_FORMAT, "%s: has no header of a record", path);
    size_t n = ok ? record.n_drops : 0;
    for (size_t i = 0; ok && i + 1 < n; i++)
        ok = store_remove(fs, store, record.drops[i], STORE_COMMITTED, err);
    if (ok && n)
        ok = store_sync(fs, store, err) &&
             store_remove(fs, store, record.drops[n - 1], STORE_COMMITTED, err) && store_sync(fs, store, err);
    record_release(&record);
    if (fd >= 0)
        fs->close(fs->state, fd);
    free(path);
    return ok;
}

static bool clear_up(const struct fs *fs, const struct store *store, struct error *err)
{
    bool committed = false;
    for (size_t i = 0; i < store->n; i++) {
        if (store->entries[i].kind == STORE_TEMPORARY &&
            !remove_temporary(fs, store, store->entries[i].number, err))
            return false;
        committed = committed || store->entries[i].kind == STORE_COMMITTED;
    }
    return !committed || remove_dropped(fs, store, err);
}

static bool writer_settle(const struct context *context, struct checkpoint *checkpoint,
                          const struct checkpoint_options *options, const char *directory, bool *recovered,
                          struct error *err)
{
    struct store store = {0};
    if (!store_list(context->fs, directory, &store, err))
        return false;
    bool ok = true, had_open = store.open != 0;
    if (store.there && !store.readable)
        ok = error_set(err, ERROR_IO, "%s: cannot be read, so nothing is changed here", store.path);
    if (ok && options->resume) {
        ok = keep_open(context, checkpoint, options, directory, &store, err);
        store_release(&store);
        return ok;
    }
    if (ok && had_open)
        ok = recover_open(context, checkpoint, options, &store, err);
    if (ok && had_open) { /* list again: the newest is another now */
        store_release(&store);
        ok = store_list(context->fs, directory, &store, err);
    }
    ok = ok && clear_up(context->fs, &store, err);
    store_release(&store);
    if (ok)
        *recovered = had_open;
    return ok;
}

bool history_settle(const struct context *context, struct checkpoint *checkpoint,
                    const struct checkpoint_options *options, bool *recovered, struct error *err)
{
    bool ok = true, found = false;
    for (size_t i = 0; ok && i < checkpoint->n_files; i++) {
        char *directory = directory_of(checkpoint->files[i].path);
        if (!directory)
            return error_memory(err, "looking for records");
        bool again = i && lies_in(checkpoint->files[0].path, directory);
        if (options->mode == CHECKPOINT_CHANGE && i && !again)
            ok = error_set(err, ERROR_UNSUPPORTED,
                           "%s: its files lie in several directories, and so cannot be changed in place",
                           checkpoint->path);
        else if (options->mode == CHECKPOINT_CHANGE && !again)
            ok = writer_settle(context, checkpoint, options, directory, &found, err);
        else if (options->mode == CHECKPOINT_READ && !again && !options->ignore_record)
            ok = reader_settle(context, checkpoint, directory, err);
        free(directory);
    }
    if (ok)
        *recovered = found;
    return ok;
}
