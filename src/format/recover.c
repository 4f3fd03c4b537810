/* The states and transitions of docs/history-format.md, "Recovery": one function per row. */
#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "format.h"
#include "guard.h"
#include "memory.h"
#include "quote.h"
#include "range.h"

enum recover_state {
    RECOVER_FOUND,
    RECOVER_CHECKED,
    RECOVER_GUARDED,
    RECOVER_RESTORED,
    RECOVER_PROVEN,
    RECOVER_VALID,
    RECOVER_REMOVED
};

enum { WINDOW = 8 << 20 };

struct recover {
    const struct context *context;
    const struct fs *fs;
    const struct recovery *what;
    const struct record *record;
    struct guarded *files;
    struct record_reader reader;
    uint8_t *window; /* [WINDOW] or as much as is needed */
    enum recover_state state;
    bool stoppable; /* the cancel flag is heeded */
};

/* ---- FOUND to CHECKED: look, touch nothing ---- */

static bool another_file(const struct recover *r, size_t file, struct error *err, const char *found)
{
    return error_set(
        err, ERROR_MISMATCH,
        "%s: %s, so it is not the file that record %s belongs to; nothing was touched (if this file is "
        "meant to be here, move the record away)",
        r->what->files[file].path, found, r->what->path);
}

/* Lays the bytes [from, to) of the file that a chunk holds over a window that begins at `offset`. */
static bool lay(struct recover *r, size_t chunk, uint64_t from, uint64_t to, uint64_t offset, size_t n,
                uint8_t *out, struct error *err)
{
    if (from < offset)
        from = offset;
    to = u64_least(to, offset + n);
    if (from >= to)
        return true;
    if (!record_reader_load(&r->reader, chunk, err))
        return false;
    memcpy(out + (from - offset), r->reader.bytes + (from - r->record->chunks[chunk].offset),
           (size_t)(to - from));
    return true;
}

/* The old bytes of [offset, offset + n) of a file: what is there, with the chunks laid over it. */
static bool old_bytes(struct recover *r, size_t file, uint64_t offset, size_t n, uint8_t *out,
                      struct error *err)
{
    const struct recover_file *f = &r->what->files[file];
    const struct record *record = r->record;
    if (!fs_read_at(r->fs, f->fd, f->path, out, n, offset, err) ||
        (file < record->n_chunks && !lay(r, file, 0, record->chunks[file].bytes, offset, n, out, err)))
        return false;
    struct record_range range = record_holding(record, file, offset, n);
    for (size_t i = range.first; i < range.end; i++) {
        uint64_t from, to;
        record_chunk_tells(record, i, &from, &to);
        if (!lay(r, record->by_place[i], from, to, offset, n, out, err))
            return false;
    }
    return true;
}

static bool old_digest(struct recover *r, size_t file, uint64_t offset, uint64_t n, struct digest *out,
                       struct error *err)
{
    struct digest_stream *stream = NULL;
    bool ok = digest_stream_new(&stream, err);
    for (uint64_t done = 0; ok && done < n;) {
        size_t piece = (size_t)u64_least(WINDOW, n - done);
        ok = old_bytes(r, file, offset + done, piece, r->window, err) &&
             digest_stream_add(stream, r->window, piece, err);
        done += piece;
    }
    ok = ok && digest_stream_finish(stream, out, err);
    digest_stream_free(stream);
    return ok;
}

/* Marks the bytes of a chunk's held range that any chunk owns, and the guard bytes. */
static void mark_owned(const struct record *record, const struct record_chunk *chunk, uint8_t *mask)
{
    uint64_t begin = chunk->offset, end = chunk->offset + chunk->bytes;
    memset(mask, 0, (size_t)chunk->bytes);
    if (begin == 0)
        memset(mask, 1, record->files[chunk->file].guard_bytes);
    struct record_range range = record_owning(record, chunk->file, begin, chunk->bytes);
    for (size_t i = range.first; i < range.end; i++) {
        const struct record_chunk *c = &record->chunks[record->by_place[i]];
        uint64_t from = c->own_offset > begin ? c->own_offset : begin;
        uint64_t to = u64_least(c->own_offset + c->own_bytes, end);
        memset(mask + (from - begin), 1, (size_t)(to - from));
    }
}

static bool chunk_old_or_new(struct recover *r, size_t index, uint8_t *now, uint8_t *mask, struct error *err)
{
    const struct record_chunk *chunk = &r->record->chunks[index];
    const struct recover_file *f = &r->what->files[chunk->file];
    if (!record_reader_load(&r->reader, index, err) ||
        !fs_read_at(r->fs, f->fd, f->path, now, (size_t)chunk->bytes, chunk->offset, err))
        return false;
    const uint8_t *old = r->reader.bytes;
    size_t own = (size_t)(chunk->own_offset - chunk->offset), own_bytes = (size_t)chunk->own_bytes;
    if (own_bytes && memcmp(now + own, old + own, own_bytes) != 0) {
        struct digest digest;
        if (!digest_of(now + own, own_bytes, &digest, err))
            return false;
        if (!digest_equal(&digest, &chunk->intended))
            return another_file(r, chunk->file, err,
                                "its header is valid and its tensors are neither old nor new");
    }
    mark_owned(r->record, chunk, mask);
    for (size_t i = 0; i < chunk->bytes; i++)
        if (!mask[i] && now[i] != old[i])
            return another_file(r, chunk->file, err,
                                "its header is valid and bytes beside the changed ones differ");
    return true;
}

/* A file that loads: all that the change may have touched must be as it was or as it was meant to be. */
static bool examine_valid(struct recover *r, size_t file, struct error *err)
{
    uint64_t most = 0;
    for (size_t i = 0; i < r->record->n_chunks; i++)
        if (r->record->chunks[i].bytes > most)
            most = r->record->chunks[i].bytes;
    uint8_t *now = memory_array((size_t)most, 1), *mask = memory_array((size_t)most, 1);
    bool ok = (now && mask) || error_memory(err, "examining a file");
    for (size_t i = 0; ok && i < r->record->n_chunks; i++)
        if (r->record->chunks[i].file == file)
            ok = chunk_old_or_new(r, i, now, mask, err);
    free(now);
    free(mask);
    return ok;
}

static bool could_open(const uint8_t *page, size_t n, uint64_t file_bytes)
{
    for (size_t i = 0; formats[i]; i++)
        if (formats[i]->could_open(page, n < 16 ? n : 16, file_bytes))
            return true;
    return false;
}

static bool examine_saved(struct recover *r, size_t file, struct error *err)
{
    const struct record_file *recorded = &r->record->files[file];
    const struct recover_file *f = &r->what->files[file];
    struct guarded *guarded = &r->files[file];
    size_t n = (size_t)u64_least(RECORD_PAGE, recorded->size);
    uint8_t page[RECORD_PAGE];
    struct digest as_is, restored;
    if (!fs_read_at(r->fs, f->fd, f->path, page, n, 0, err) ||
        !range_digest(r->context, false, f->fd, f->path, 0, recorded->head, &as_is, err) ||
        !old_digest(r, file, 0, recorded->head, &restored, err) || !record_reader_load(&r->reader, file, err))
        return false;
    if (!digest_equal(&restored, &recorded->digest))
        return another_file(r, file, err, "its header is another");
    *guarded = (struct guarded){.fd = f->fd, .path = f->path, .n = recorded->guard_bytes};
    memcpy(guarded->truth, r->reader.bytes, guarded->n);
    memcpy(guarded->invalid, recorded->guard, guarded->n);
    if (memcmp(page, guarded->invalid, guarded->n) == 0)
        return true;
    if (digest_equal(&as_is, &recorded->digest))
        return examine_valid(r, file, err);
    /* Garbage is what a torn first page looks like; the start of another model file is not. */
    return !could_open(page, n, recorded->size) || another_file(r, file, err, "its header is another");
}

static bool examine(struct recover *r, size_t file, struct error *err)
{
    const struct record_file *recorded = &r->record->files[file];
    const struct recover_file *f = &r->what->files[file];
    struct stat st;
    if (r->fs->fstat(r->fs->state, f->fd, &st) < 0)
        return error_set_errno(err, "%s: cannot stat", f->path);
    if ((uint64_t)st.st_size != recorded->size)
        return another_file(r, file, err, "its size is another");
    if (file < r->record->n_chunks)
        return examine_saved(r, file, err);
    /* Its first page was not saved yet: it was never touched, nor is it now. */
    struct digest digest;
    r->files[file] = (struct guarded){.fd = -1, .path = f->path};
    if (!range_digest(r->context, false, f->fd, f->path, 0, recorded->head, &digest, err))
        return false;
    return digest_equal(&digest, &recorded->digest) || another_file(r, file, err, "its header is another");
}

static bool provable(struct recover *r, const struct record_tensor *t, struct error *err)
{
    struct digest digest;
    if (!t->before_known) /* nor was any of it overwritten */
        return true;
    if (!old_digest(r, t->file, t->offset, t->bytes, &digest, err))
        return false;
    return digest_equal(&digest, &t->before) ||
           error_set(err, ERROR_MISMATCH,
                     "%s: tensor %s would not get its old bytes back from record %s, so this is not the file "
                     "that the "
                     "record belongs to; nothing was touched",
                     r->what->files[t->file].path, quote(t->name).text, r->what->path);
}

static bool make_window(struct recover *r, struct error *err)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < r->record->n_files; i++)
        if (r->record->files[i].size > largest)
            largest = r->record->files[i].size;
    r->window = memory_array((size_t)u64_least(largest, WINDOW), 1);
    return r->window || error_memory(err, "recovering a file");
}

static bool may_go_on(const struct recover *r, struct error *err)
{
    return !r->stoppable || context_continue(r->context, err);
}

static bool check(struct recover *r, struct error *err)
{
    if (!make_window(r, err))
        return false;
    for (size_t i = 0; i < r->record->n_chunks; i++)
        if (!may_go_on(r, err) || !record_reader_load(&r->reader, i, err))
            return false;
    for (size_t i = 0; i < r->record->n_files; i++)
        if (!examine(r, i, err))
            return false;
    for (size_t i = 0; i < r->record->n_tensors; i++)
        if (!may_go_on(r, err) || !provable(r, &r->record->tensors[i], err))
            return false;
    return true;
}

/* ---- the rows that write ---- */

static bool guard(struct recover *r, struct error *err)
{
    return guard_write_invalid(r->fs, r->files, r->record->n_files, err) &&
           guard_sync(r->fs, r->files, r->record->n_files, err);
}

static bool put_back(struct recover *r, const struct record_chunk *chunk, struct error *err)
{
    const struct guarded *f = &r->files[chunk->file];
    size_t skip = chunk->offset == 0 ? f->n : 0;
    errno = 0;
    if (fs_write_at(r->fs, f->fd, f->path, r->reader.bytes + skip, (size_t)chunk->bytes - skip,
                    chunk->offset + skip, err))
        return true;
    if (errno != ENOSPC)
        return false;
    uint64_t needed = 0;
    for (size_t i = 0; i < r->record->n_chunks; i++)
        needed += r->record->chunks[i].bytes;
    return error_prefix(
        err, "the record %s is kept; up to %" PRIu64 " free bytes are needed to take the change back",
        r->what->path, needed);
}

static bool restore(struct recover *r, struct error *err)
{
    size_t n = r->record->n_chunks;
    for (size_t i = n; i-- > 0;) {
        if (!record_reader_load(&r->reader, i, err) || !put_back(r, &r->record->chunks[i], err))
            return false;
        context_progress(r->context, "taking back", n - i, n);
    }
    return guard_sync(r->fs, r->files, r->record->n_files, err);
}

static bool prove(struct recover *r, struct error *err)
{
    for (size_t i = 0; i < r->record->n_tensors; i++) {
        const struct record_tensor *t = &r->record->tensors[i];
        const struct recover_file *f = &r->what->files[t->file];
        struct digest digest;
        if (!t->before_known)
            continue;
        if (!range_digest(r->context, false, f->fd, f->path, t->offset, t->bytes, &digest, err))
            return false;
        if (!digest_equal(&digest, &t->before))
            return error_set(
                err, ERROR_IO,
                "%s: tensor %s did not read back as it was written; record %s is kept, and the file "
                "loads nowhere",
                f->path, quote(t->name).text, r->what->path);
    }
    return true;
}

static bool make_valid(struct recover *r, struct error *err)
{
    return guard_write_truth(r->fs, r->files, r->record->n_files, err) &&
           guard_sync(r->fs, r->files, r->record->n_files, err);
}

static bool forget(struct recover *r, struct error *err)
{
    return store_remove(r->fs, r->what->store, r->record->number, STORE_OPEN, err) &&
           store_sync(r->fs, r->what->store, err);
}

static const struct {
    enum recover_state from, to;
    bool (*run)(struct recover *r, struct error *err);
} transitions[] = {
    {RECOVER_FOUND, RECOVER_CHECKED, check},      {RECOVER_CHECKED, RECOVER_GUARDED, guard},
    {RECOVER_GUARDED, RECOVER_RESTORED, restore}, {RECOVER_RESTORED, RECOVER_PROVEN, prove},
    {RECOVER_PROVEN, RECOVER_VALID, make_valid},  {RECOVER_VALID, RECOVER_REMOVED, forget},
};

static bool begin(struct recover *r, const struct context *context, const struct recovery *recovery,
                  struct error *err)
{
    *r =
        (struct recover){.context = context, .fs = context->fs, .what = recovery, .record = recovery->record};
    record_reader_init(&r->reader, r->fs, recovery->fd, recovery->path, r->record);
    r->files = memory_zeroed(r->record->n_files, sizeof *r->files);
    return r->files || error_memory(err, "recovering a file");
}

static void end(struct recover *r)
{
    record_reader_release(&r->reader);
    free(r->window);
    free(r->files);
}

bool recover_record(const struct context *context, const struct recovery *recovery, struct error *err)
{
    struct recover r;
    bool ok = begin(&r, context, recovery, err);
    for (size_t i = 0; ok && i < sizeof transitions / sizeof *transitions; i++) {
        ok = transitions[i].from == r.state && transitions[i].run(&r, err);
        if (ok)
            r.state = transitions[i].to;
    }
    end(&r);
    return ok;
}

bool recover_check(const struct context *context, const struct recovery *recovery, struct error *err)
{
    struct recover r;
    bool ok = begin(&r, context, recovery, err);
    r.stoppable = true;
    ok = ok && check(&r, err);
    end(&r);
    return ok;
}

bool recover_read(const struct context *context, const struct recovery *recovery, size_t file,
                  uint64_t offset, size_t n, uint8_t *out, struct error *err)
{
    struct recover r;
    bool ok = begin(&r, context, recovery, err) && old_bytes(&r, file, offset, n, out, err);
    end(&r);
    return ok;
}
