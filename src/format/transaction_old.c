/* Tensors as they were before the change, and which of their bytes it has written so far. */
#include "transaction_parts.h"

#include <string.h>

/* The chunk that owns the first bytes of [offset, offset + n) of a file that any chunk owns. */
static bool first_owner(struct transaction *t, size_t file, uint64_t offset, uint64_t n, size_t *index,
                        struct record_chunk *chunk, bool *differs)
{
    pthread_mutex_lock(&t->index);
    struct record_range range = record_owning(&t->record, file, offset, n);
    bool found = range.first < range.end;
    if (found) {
        *index = t->record.by_place[range.first];
        *chunk = t->record.chunks[*index];
        *differs = *index < t->n_adopted && t->differs[*index];
    }
    pthread_mutex_unlock(&t->index);
    return found;
}

/* ---- old bytes ---- */

static bool load(struct transaction *t, size_t index, const struct record_chunk *chunk,
                 const struct cached_chunk **out, struct error *err)
{
    struct cached_chunk *c = &t->cached[0];
    for (size_t i = 0; i < TRANSACTION_CACHED; i++) {
        struct cached_chunk *other = &t->cached[i];
        if (other->loaded && other->chunk == index) {
            c = other;
            break;
        }
        if (!other->loaded || (c->loaded && other->used < c->used))
            c = other;
    }
    if (!c->loaded || c->chunk != index) {
        c->loaded = false;
        if (!record_chunk_read(t->fs, t->fd, t->open_path, &t->record, chunk, &c->bytes, &t->unpacking, err))
            return false;
        c->loaded = true;
        c->chunk = index;
    }
    c->used = ++t->clock;
    *out = c;
    return true;
}

/* Bytes [from, to) of the file, which the chunk owns. */
static bool copy_saved(struct transaction *t, size_t index, const struct record_chunk *chunk, uint64_t from,
                       uint64_t to, uint8_t *out, struct error *err)
{
    const struct cached_chunk *cached = NULL;
    pthread_mutex_lock(&t->cache);
    bool ok = load(t, index, chunk, &cached, err);
    if (ok)
        memcpy(out, cached->bytes.bytes + (from - chunk->offset), (size_t)(to - from));
    pthread_mutex_unlock(&t->cache);
    return ok;
}

/* A chunk is listed before its bytes are overwritten. So what is read from the file first and owned by no
 * chunk afterwards is old. */
bool transaction_old(struct transaction *t, const struct tensor *tensor, uint64_t offset, uint64_t n,
                     void *out, struct error *err)
{
    const struct checkpoint_file *f = &t->checkpoint->files[tensor->file];
    size_t file = t->record_files[tensor->file], index = 0;
    uint64_t begin = tensor->offset + offset, end = begin + n;
    struct record_chunk chunk = {0};
    bool ignored = false, listed = file < t->record.n_files;
    if (n == 0)
        return true;
    bool whole = listed && first_owner(t, file, begin, n, &index, &chunk, &ignored) &&
                 chunk.own_offset <= begin && end <= chunk.own_offset + chunk.own_bytes;
    if (!whole && !fs_read_at(t->fs, f->fd, f->shown, out, (size_t)n, begin, err))
        return false;
    for (uint64_t at = begin; listed && at < end;) {
        if (!first_owner(t, file, at, end - at, &index, &chunk, &ignored))
            break;
        uint64_t from = chunk.own_offset > at ? chunk.own_offset : at;
        uint64_t to = u64_least(chunk.own_offset + chunk.own_bytes, end);
        if (!copy_saved(t, index, &chunk, from, to, (uint8_t *)out + (from - begin), err))
            return false;
        at = to;
    }
    return true;
}

/* ---- what is written ---- */

/* From `at` on the next chunk that is listed or was handed over: its bytes [*from, *to); none: both are
 * `end`. */
static bool next_written(struct transaction *t, size_t file, uint64_t at, uint64_t end, uint64_t *from,
                         uint64_t *to)
{
    struct record_chunk handed = {0}, chunk = {0};
    size_t index = 0;
    bool differs = false;
    /* First what was handed over: once it is not any more, it is listed. */
    bool is_handed = transaction_handed_over(t, &handed) && handed.file == file &&
                     handed.own_offset + handed.own_bytes > at && handed.own_offset < end;
    bool is_listed = first_owner(t, file, at, end - at, &index, &chunk, &differs);
    if (is_handed && (!is_listed || handed.own_offset < chunk.own_offset)) {
        chunk = handed;
        differs = false;
    }
    *from = is_handed || is_listed ? chunk.own_offset : end;
    *to = is_handed || is_listed ? chunk.own_offset + chunk.own_bytes : end;
    return !differs;
}

bool transaction_missing(struct transaction *t, const struct tensor *tensor, uint64_t begin, uint64_t *offset,
                         uint64_t *n)
{
    size_t file = t->record_files[tensor->file];
    uint64_t at = tensor->offset + begin, end = tensor->offset + tensor->bytes;
    while (at < end) {
        uint64_t from, to;
        bool whole = next_written(t, file, at, end, &from, &to);
        if (from > at || !whole) {
            *n = (from > at ? from : to) - at;
            break;
        }
        at = to;
    }
    *offset = at - tensor->offset;
    return at < end;
}

bool transaction_has(struct transaction *t, const struct tensor *tensor, uint64_t offset, uint64_t n)
{
    uint64_t missing = 0, bytes = 0;
    return n == 0 || !transaction_missing(t, tensor, offset, &missing, &bytes) || missing >= offset + n;
}
