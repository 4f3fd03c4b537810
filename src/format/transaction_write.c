/* GUARDED to GUARDED: a chunk is saved, the record synced, the owned bytes overwritten and read back. */
#include "transaction_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "quote.h"
#include "range.h"

enum { PACK_LEVEL = 1 };

bool transaction_sync_record(struct transaction *t, struct error *err)
{
    if (t->fs->sync(t->fs->state, t->fd) == 0)
        return true;
    t->unsynced = true;
    return error_set_errno(err, "%s: cannot sync", t->open_path);
}

bool transaction_sync_files(struct transaction *t, struct error *err)
{
    if (guard_sync(t->fs, t->files, t->record.n_files, err))
        return true;
    t->unsynced = true;
    return false;
}

bool transaction_reserve(struct transaction *t, uint64_t end, struct error *err)
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

/* ---- saving ---- */

/* Reads the held pages and puts their stream behind the room for the chunk's head. */
static bool pack_pages(struct transaction *t, struct record_chunk *chunk, struct error *err)
{
    const struct guarded *file = &t->files[chunk->file];
    size_t n = (size_t)chunk->bytes, bound = record_pack_bound(n), packed = 0;
    chunk->packing = t->packing;
    if (t->packing == RECORD_RAW) {
        if (!buffer_grow(&t->packed, RECORD_CHUNK_HEAD + n, "saving old bytes", err) ||
            !fs_read_at(t->fs, file->fd, file->path, t->packed.bytes + RECORD_CHUNK_HEAD, n, chunk->offset,
                        err) ||
            !digest_of(t->packed.bytes + RECORD_CHUNK_HEAD, n, &chunk->old, err))
            return false;
        chunk->packed = chunk->old;
        chunk->packed_bytes = n;
        return true;
    }
    if (!buffer_grow(&t->held, n, "saving old bytes", err) ||
        !buffer_grow(&t->packed, RECORD_CHUNK_HEAD + bound, "saving old bytes", err) ||
        !fs_read_at(t->fs, file->fd, file->path, t->held.bytes, n, chunk->offset, err) ||
        !digest_of(t->held.bytes, n, &chunk->old, err) ||
        !record_pack(t->open_path, t->held.bytes, n, PACK_LEVEL, t->packed.bytes + RECORD_CHUNK_HEAD, bound,
                     &packed, err) ||
        !digest_of(t->packed.bytes + RECORD_CHUNK_HEAD, packed, &chunk->packed, err))
        return false;
    chunk->packed_bytes = packed;
    return true;
}

static bool append_chunk(struct transaction *t, struct record_chunk *chunk, struct error *err)
{
    size_t n = RECORD_CHUNK_HEAD + (size_t)chunk->packed_bytes;
    chunk->sequence = t->record.n_chunks;
    chunk->position = t->record.end;
    if (!record_chunk_encode(t->record.nonce, chunk, t->packed.bytes, err) ||
        !transaction_reserve(t, t->record.end + n, err) ||
        !fs_write_at(t->fs, t->fd, t->open_path, t->packed.bytes, n, t->record.end, err))
        return false;
    t->record.end = page_ceil(t->record.end + n);
    return true;
}

bool transaction_save(struct transaction *t, struct record_chunk *chunk, struct error *err)
{
    return pack_pages(t, chunk, err) && append_chunk(t, chunk, err) &&
           transaction_make_known(t, chunk, &t->unsynced, err);
}

/* ---- one chunk ---- */

/* In the first chunk that owns some of the tensor: nothing of it was overwritten so far. */
static bool take_before(struct transaction *t, struct record_tensor *tensor, struct record_chunk *chunk,
                        struct error *err)
{
    const struct guarded *file = &t->files[tensor->file];
    if (tensor->before_known)
        return true;
    if (!range_digest(t->context, true, file->fd, file->path, tensor->offset, tensor->bytes, &tensor->before,
                      err))
        return false;
    tensor->before_known = true;
    chunk->before = tensor->before;
    return true;
}

static bool change_chunk(struct transaction *t, size_t index, const uint8_t *bytes, size_t n,
                         struct digest *intended, struct error *err)
{
    struct record_tensor *tensor = &t->record.tensors[index];
    struct record_chunk chunk = {
        .file = tensor->file, .own_offset = tensor->offset + t->tensors[index].position, .own_bytes = n};
    if (t->record.sealed)
        return error_set(
            err, ERROR_MISMATCH,
            "tensor %s: the run that was cut had written all that it wanted, and not these bytes",
            quote(tensor->name).text);
    record_pages_around(chunk.own_offset, n, t->record.files[tensor->file].size, &chunk.offset, &chunk.bytes);
    if (!digest_of(bytes, n, &chunk.intended, err) || !take_before(t, tensor, &chunk, err) ||
        !pack_pages(t, &chunk, err) || !transaction_catch_up(t, err) || !append_chunk(t, &chunk, err) ||
        !transaction_hand_over(t, index, &chunk, bytes, err))
        return false;
    *intended = chunk.intended;
    return true;
}

/* A part of a chunk of the earlier run that is not whole in the file. */
static bool change_again(struct transaction *t, size_t index, size_t chunk, const uint8_t *bytes, size_t n,
                         struct error *err)
{
    const struct record_tensor *tensor = &t->record.tensors[index];
    struct writing *w = &t->tensors[index];
    uint64_t at = tensor->offset + w->position;
    struct digest digest;
    if (!transaction_catch_up(t, err))
        return false;
    const struct record_chunk *c = &t->record.chunks[chunk];
    if ((!w->again && !digest_stream_new(&w->again, err)) || !digest_stream_add(w->again, bytes, n, err) ||
        !transaction_overwrite(t, index, at, bytes, n, err))
        return false;
    if (at + n < c->own_offset + c->own_bytes)
        return true;
    if (!digest_stream_finish(w->again, &digest, err))
        return false;
    digest_stream_free(w->again);
    w->again = NULL;
    if (!digest_equal(&digest, &c->intended))
        return error_set(err, ERROR_MISMATCH,
                         "tensor %s: bytes [%" PRIu64 ", +%" PRIu64
                         ") come out otherwise than in the run that was cut",
                         quote(tensor->name).text, c->own_offset - tensor->offset, c->own_bytes);
    pthread_mutex_lock(&t->index);
    t->differs[chunk] = false;
    pthread_mutex_unlock(&t->index);
    return true;
}

/* ---- after-digests ---- */

static bool finish_tensor(struct transaction *t, size_t index, const struct digest *whole, struct error *err)
{
    struct record_tensor *r = &t->record.tensors[index];
    struct writing *w = &t->tensors[index];
    struct digest after;
    if (whole)
        after = *whole;
    else if (!digest_stream_finish(w->after, &after, err))
        return false;
    digest_stream_free(w->after);
    w->after = NULL;
    if (t->record.sealed && !digest_equal(&after, &r->after))
        return error_set(err, ERROR_MISMATCH, "%s: tensor %s is not what the record %s says that it became",
                         t->files[r->file].path, quote(r->name).text, t->open_path);
    r->after = after;
    w->finished = true;
    return true;
}

/* `bytes` are those at the position, now in the file; NULL: they are to be read from it. */
static bool move_on(struct transaction *t, size_t index, const uint8_t *bytes, uint64_t n, struct error *err)
{
    const struct record_tensor *r = &t->record.tensors[index];
    const struct guarded *file = &t->files[r->file];
    struct writing *w = &t->tensors[index];
    if (!w->after && !digest_stream_new(&w->after, err))
        return false;
    if (bytes ? !digest_stream_add(w->after, bytes, (size_t)n, err)
              : !range_digest_add(t->context, true, file->fd, file->path, r->offset + w->position, n,
                                  w->after, err))
        return false;
    w->position += n;
    return w->position < r->bytes || finish_tensor(t, index, NULL, err);
}

/* The first chunk in these bytes of the tensor that is not whole in the file. */
static bool lacks_chunk(struct transaction *t, const struct record_tensor *r, uint64_t from, uint64_t to,
                        struct record_chunk *out)
{
    bool found = false;
    pthread_mutex_lock(&t->index);
    struct record_range range = record_owning(&t->record, r->file, r->offset + from, to - from);
    for (size_t i = range.first; t->n_adopted && !found && i < range.end; i++) {
        size_t chunk = t->record.by_place[i];
        found = chunk < t->n_adopted && t->differs[chunk];
        if (found)
            *out = t->record.chunks[chunk];
    }
    pthread_mutex_unlock(&t->index);
    return found;
}

bool transaction_pass_over(struct transaction *t, size_t index, uint64_t until, struct error *err)
{
    const struct record_tensor *r = &t->record.tensors[index];
    struct writing *w = &t->tensors[index];
    if (until == w->position)
        return until < r->bytes || w->finished || move_on(t, index, NULL, 0, err);
    struct record_chunk c;
    if (lacks_chunk(t, r, w->position, until, &c))
        return error_set(err, ERROR_USAGE,
                         "tensor %s: bytes [%" PRIu64 ", +%" PRIu64
                         ") were not whole after the cut, and have to be written again",
                         quote(r->name).text, c.own_offset - r->offset, c.own_bytes);
    return move_on(t, index, NULL, until - w->position, err);
}

bool transaction_finish(struct transaction *t, struct error *err)
{
    if (!transaction_catch_up(t, err))
        return false;
    for (size_t i = 0; i < t->record.n_tensors; i++)
        if (!transaction_pass_over(t, i, t->record.tensors[i].bytes, err))
            return false;
    return true;
}

/* ---- any number of chunks ---- */

/* What the bytes at the tensor's position are to be: a new chunk, or part of one that differs. */
static bool next_piece(struct transaction *t, size_t index, size_t *n, bool *again, size_t *chunk,
                       struct error *err)
{
    const struct record_tensor *r = &t->record.tensors[index];
    uint64_t at = r->offset + t->tensors[index].position, until = UINT64_MAX;
    pthread_mutex_lock(&t->index);
    struct record_range range = record_owning(&t->record, r->file, at, *n);
    *again = false;
    if (range.first < range.end) {
        const struct record_chunk *c = &t->record.chunks[t->record.by_place[range.first]];
        *again = c->own_offset <= at;
        *chunk = t->record.by_place[range.first];
        until = *again ? c->own_offset + c->own_bytes : c->own_offset;
    }
    pthread_mutex_unlock(&t->index);
    *n = (size_t)u64_least(u64_least(*n, t->chunk_bytes), until - at);
    return !*again || (*chunk < t->n_adopted && t->differs[*chunk]) ||
           error_set(err, ERROR_USAGE, "tensor %s: bytes at %" PRIu64 " were written already",
                     quote(r->name).text, at - r->offset);
}

static bool write_piece(struct transaction *t, size_t index, const uint8_t *bytes, size_t *n,
                        struct error *err)
{
    struct writing *w = &t->tensors[index];
    struct digest intended;
    bool again = false;
    size_t chunk = 0;
    if (!context_continue(t->context, err) || !next_piece(t, index, n, &again, &chunk, err))
        return false;
    if (again ? !change_again(t, index, chunk, bytes, *n, err)
              : !change_chunk(t, index, bytes, *n, &intended, err))
        return false;
    t->done += *n;
    context_progress(t->context, "writing", t->done, t->total);
    if (!again && *n == t->record.tensors[index].bytes) { /* the chunk is the tensor */
        w->position = *n;
        return finish_tensor(t, index, &intended, err);
    }
    return move_on(t, index, bytes, *n, err);
}

bool transaction_write(struct transaction *t, const struct tensor *tensor, uint64_t offset, const void *bytes,
                       size_t n, struct error *err)
{
    size_t i = transaction_index(t, tensor);
    if (t->state != TRANSACTION_GUARDED || t->unsynced || i == t->record.n_tensors)
        return error_set(err, ERROR_USAGE, "tensor %s is not part of this change", quote(tensor->name).text);
    if (offset < t->tensors[i].position || offset > tensor->bytes || n > tensor->bytes - offset)
        return error_set(err, ERROR_USAGE, "tensor %s: bytes [%" PRIu64 ", +%zu) are out of order or outside",
                         quote(tensor->name).text, offset, n);
    if (n == 0)
        return true;
    if (!transaction_pass_over(t, i, offset, err))
        return false;
    for (const uint8_t *p = bytes; n;) {
        size_t piece = n;
        if (!write_piece(t, i, p, &piece, err))
            return false;
        p += piece;
        n -= piece;
    }
    return true;
}
