/* A record made smaller: the XOR of old and new bytes, in byte planes (docs/history-format.md, packing 1).
 * Possible only while the file still holds the new bytes, and undone by them: so it is proven before the old
 * form goes. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "buffer.h"
#include "memory.h"
#include "quote.h"
#include "range.h"
#include "records.h"

enum { PACK_LEVEL = 6 };

struct repack {
    const struct context *context;
    const struct fs *fs;
    const struct checkpoint_file **files; /* as in the record */
    const struct record *old;
    struct record_reader reader; /* of the old form */
    struct record fresh;         /* shares the header's memory with `old` */
    char *path;                  /* NNNN.tmp */
    int old_fd, fd;
    struct buffer now, planes, packed;
};

static bool present_is_after(struct repack *r, const struct checkpoint *checkpoint,
                             const struct record_list *list, size_t index, struct error *err)
{
    r->files = memory_zeroed(r->old->n_files, sizeof *r->files);
    if (!r->files)
        return error_memory(err, "repacking a record");
    for (size_t i = 0; i < r->old->n_tensors; i++) {
        const struct tensor *tensor = NULL;
        struct digest now;
        if (!records_tensor(r->context, checkpoint, list, index, i, &tensor, err))
            return false;
        const struct checkpoint_file *file = r->files[r->old->tensors[i].file] =
            &checkpoint->files[tensor->file];
        if (!range_digest(r->context, true, file->fd, file->shown, tensor->offset, tensor->bytes, &now, err))
            return false;
        if (!digest_equal(&now, &r->old->tensors[i].after))
            return error_set(err, ERROR_MISMATCH,
                             "%s: tensor %s is not as record %" PRIu32
                             " left it, so the record stays as it is",
                             file->shown, quote(tensor->name).text, r->old->number);
    }
    return true;
}

/* XOR with what the file holds now, of the bytes that a chunk owns. */
static bool with_present(struct repack *r, const struct record_chunk *chunk, const uint8_t *bytes,
                         struct error *err)
{
    const struct checkpoint_file *file = r->files[chunk->file];
    size_t n = (size_t)chunk->own_bytes;
    if (!buffer_grow(&r->now, n, "repacking a record", err) ||
        !fs_read_at(r->fs, file->fd, file->shown, r->now.bytes, n, chunk->own_offset, err))
        return false;
    for (size_t i = 0; i < n; i++)
        r->now.bytes[i] ^= bytes[i];
    return true;
}

static bool write_chunk(struct repack *r, const struct record_chunk *old, const uint8_t *old_bytes,
                        struct error *err)
{
    struct record_chunk chunk = *old;
    size_t n = (size_t)old->own_bytes, bound = record_pack_bound(n), packed = 0;
    size_t tensor = record_tensor_at(r->old, old->file, old->own_offset, n);
    chunk.sequence = r->fresh.n_chunks;
    chunk.packing = RECORD_PLANES;
    chunk.offset = old->own_offset;
    chunk.bytes = old->own_bytes;
    chunk.position = r->fresh.end;
    if (!buffer_grow(&r->planes, n, "repacking a record", err) ||
        !buffer_grow(&r->packed, RECORD_CHUNK_HEAD + bound, "repacking a record", err) ||
        !digest_of(old_bytes, n, &chunk.old, err) || !with_present(r, &chunk, old_bytes, err))
        return false;
    record_planes_split(r->now.bytes, n, record_plane_width(r->old->tensors[tensor].dtype), r->planes.bytes);
    if (!record_pack(r->path, r->planes.bytes, n, PACK_LEVEL, r->packed.bytes + RECORD_CHUNK_HEAD, bound,
                     &packed, err) ||
        !digest_of(r->packed.bytes + RECORD_CHUNK_HEAD, packed, &chunk.packed, err))
        return false;
    chunk.packed_bytes = packed;
    if (!record_chunk_encode(r->fresh.nonce, &chunk, r->packed.bytes, err) ||
        !fs_write_at(r->fs, r->fd, r->path, r->packed.bytes, RECORD_CHUNK_HEAD + packed, r->fresh.end, err))
        return false;
    r->fresh.end = page_ceil(r->fresh.end + RECORD_CHUNK_HEAD + packed);
    return record_chunk_add(&r->fresh, &chunk, err);
}

static bool write_text(struct repack *r, uint8_t *bytes, size_t n, struct error *err)
{
    bool ok = fs_write_at(r->fs, r->fd, r->path, bytes, n, r->fresh.end, err);
    r->fresh.end += n;
    free(bytes);
    return ok;
}

static bool write_fresh(struct repack *r, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    if (!record_header_encode(&r->fresh, &bytes, &n, err) || !write_text(r, bytes, n, err))
        return false;
    for (size_t i = 0; i < r->old->n_chunks; i++) {
        const struct record_chunk *c = &r->old->chunks[i];
        if (c->own_bytes == 0)
            continue;
        if (!context_continue(r->context, err) || !record_reader_load(&r->reader, i, err) ||
            !write_chunk(r, c, r->reader.bytes + (c->own_offset - c->offset), err))
            return false;
        context_progress(r->context, "repacking", i + 1, r->old->n_chunks);
    }
    if (!record_trailer_encode(&r->fresh, &bytes, &n, err) || !write_text(r, bytes, n, err))
        return false;
    return r->fs->sync(r->fs->state, r->fd) == 0 || error_set_errno(err, "%s: cannot sync", r->path);
}

/* Reads the new form as any later undo would. */
static bool prove(struct repack *r, struct error *err)
{
    struct record copy = {0};
    struct record_reader reader = {0};
    bool ok = record_load(r->fs, r->fd, r->path, r->old->number, false, &copy, err);
    if (ok)
        record_reader_init(&reader, r->fs, r->fd, r->path, &copy);
    for (size_t i = 0; ok && i < copy.n_chunks; i++) {
        struct digest old;
        ok = record_reader_load(&reader, i, err) && with_present(r, &copy.chunks[i], reader.bytes, err) &&
             digest_of(r->now.bytes, (size_t)copy.chunks[i].own_bytes, &old, err);
        if (ok && !digest_equal(&old, &copy.chunks[i].old))
            ok = error_set(err, ERROR_IO, "%s: does not give the old bytes back; the record stays as it is",
                           r->path);
    }
    record_reader_release(&reader);
    record_release(&copy);
    return ok;
}

static bool replace(struct repack *r, const struct record_list *list, const char *path, uint64_t *saved,
                    struct error *err)
{
    if (r->fresh.end >= r->old->disk_size) {
        *saved = 0;
        return store_remove(r->fs, &list->store, r->old->number, STORE_TEMPORARY, err);
    }
    if (r->fs->rename(r->fs->state, r->path, path) < 0)
        return error_set_errno(err, "%s: cannot rename the record", r->path);
    *saved = r->old->disk_size - r->fresh.end;
    return store_sync(r->fs, &list->store, err);
}

static bool run(struct repack *r, const struct checkpoint *checkpoint, const struct record_list *list,
                size_t index, uint64_t *saved, struct error *err)
{
    const char *path = list->paths[index];
    if (!present_is_after(r, checkpoint, list, index, err) ||
        !store_open_record(r->fs, path, O_RDONLY, &r->old_fd, err))
        return false;
    record_reader_init(&r->reader, r->fs, r->old_fd, path, r->old);
    r->path = store_path(&list->store, r->old->number, STORE_TEMPORARY, err);
    if (!r->path)
        return false;
    r->fd = r->fs->open(r->fs->state, r->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (r->fd < 0)
        return error_set_errno(err, "%s: cannot create", r->path);
    if (store_lock(r->fs, r->fd, r->path, err) && write_fresh(r, err) && prove(r, err) &&
        replace(r, list, path, saved, err))
        return true;
    struct error second;
    store_remove(r->fs, &list->store, r->old->number, STORE_TEMPORARY,
                 &second); /* else the next writer does */
    return false;
}

bool history_repack(const struct context *context, struct checkpoint *checkpoint, uint32_t number,
                    uint64_t *saved, struct error *err)
{
    struct record_list list = {0};
    struct repack r = {.context = context, .fs = context->fs, .old_fd = -1, .fd = -1};
    if (!checkpoint->writable || !checkpoint->directory)
        return error_set(err, ERROR_USAGE, "%s: was not opened for changing it", checkpoint->path);
    bool ok = records_read(context, checkpoint->directory, &list, err) && records_of(&list, checkpoint, err);
    size_t i = 0;
    while (ok && i < list.n && list.items[i].number != number)
        i++;
    if (ok && i == list.n)
        ok = error_set(err, ERROR_USAGE, "%s: there is no record %" PRIu32, checkpoint->path, number);
    bool packed = ok && (list.items[i].n_chunks == 0 || list.items[i].chunks[0].packing == RECORD_PLANES);
    if (packed)
        *saved = 0;
    if (ok && !packed) {
        r.old = &list.items[i];
        r.fresh = *r.old;
        r.fresh.chunks = NULL;
        r.fresh.by_place = NULL;
        r.fresh.n_chunks = r.fresh.n_placed = r.fresh.chunk_capacity = 0;
        r.fresh.end = 0;
        ok = run(&r, checkpoint, &list, i, saved, err);
    }
    if (r.fd >= 0)
        r.fs->close(r.fs->state, r.fd);
    if (r.old_fd >= 0)
        r.fs->close(r.fs->state, r.old_fd);
    record_reader_release(&r.reader);
    record_drop_chunks(&r.fresh);
    free(r.files);
    free(r.path);
    buffer_release(&r.now);
    buffer_release(&r.planes);
    buffer_release(&r.packed);
    records_release(&list);
    return ok;
}
