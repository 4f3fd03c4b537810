/* A walk through a record on disk, page boundary by page boundary (docs/history-format.md, "Bytes" and
 * "Recovery"). */
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "memory.h"
#include "size.h"

struct walk {
    const struct fs *fs;
    int fd;
    const char *path;
    bool open; /* a journal: a cut may have torn it */
    struct record *record;
    uint64_t position;
    bool stop; /* what stands at `position` is neither chunk nor trailer, or torn */
};

static bool no_record(const struct walk *w, struct error *err, const char *what)
{
    return error_set(err, ERROR_FORMAT, "%s: byte %" PRIu64 ": %s", w->path, w->position, what);
}

/* Bytes of the record from the position on. */
static uint64_t left(const struct walk *w)
{
    return w->position < w->record->disk_size ? w->record->disk_size - w->position : 0;
}

/* The whole header or trailer at the position: its bytes, or NULL if they cannot be one. */
static bool read_sealed(const struct walk *w, uint8_t **out, size_t *n, struct error *err)
{
    uint8_t head[RECORD_HEAD];
    *out = NULL;
    if (left(w) < sizeof head)
        return true;
    if (!fs_read_at(w->fs, w->fd, w->path, head, sizeof head, w->position, err))
        return false;
    uint64_t extent = record_head_extent(head);
    if (extent == 0 || extent > left(w))
        return true;
    uint8_t *bytes = memory_array((size_t)extent, 1);
    if (!bytes)
        return error_memory(err, "reading a record");
    if (!fs_read_at(w->fs, w->fd, w->path, bytes, (size_t)extent, w->position, err)) {
        free(bytes);
        return false;
    }
    *out = bytes;
    *n = (size_t)extent;
    return true;
}

static bool load_header(struct walk *w, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    bool torn = true;
    if (!read_sealed(w, &bytes, &n, err))
        return false;
    bool ok = !bytes || record_header_decode(w->path, w->record->number, bytes, n, w->record, &torn, err);
    free(bytes);
    if (!ok)
        return false;
    w->record->torn = torn;
    w->position = torn ? 0 : page_ceil(n);
    return true;
}

/* Whether the packed stream is all there and what its digest says. */
static bool stream_intact(const struct walk *w, const struct record_chunk *chunk, bool *intact,
                          struct error *err)
{
    *intact = false;
    if (chunk->packed_bytes > left(w) - RECORD_CHUNK_HEAD)
        return true;
    if (!w->open) {
        *intact = true; /* whoever unpacks it will see */
        return true;
    }
    size_t n = (size_t)chunk->packed_bytes;
    uint8_t *packed = memory_array(n, 1);
    if (!packed)
        return error_memory(err, "checking a record");
    struct digest digest;
    bool ok = fs_read_at(w->fs, w->fd, w->path, packed, n, w->position + RECORD_CHUNK_HEAD, err) &&
              digest_of(packed, n, &digest, err);
    free(packed);
    if (ok)
        *intact = digest_equal(&digest, &chunk->packed);
    return ok;
}

static void take_before(struct record *record, const struct record_chunk *chunk)
{
    if (record->version != RECORD_BEFORE_IN_CHUNKS || chunk->own_bytes == 0)
        return;
    size_t i = record_tensor_at(record, chunk->file, chunk->own_offset, chunk->own_bytes);
    if (record->tensors[i].before_known)
        return;
    record->tensors[i].before = chunk->before;
    record->tensors[i].before_known = true;
}

static bool load_chunk(struct walk *w, struct error *err)
{
    uint8_t head[RECORD_CHUNK_HEAD];
    struct record_chunk chunk;
    uint64_t nonce = 0;
    bool intact = false;
    w->stop = true;
    if (left(w) < sizeof head)
        return true;
    if (!fs_read_at(w->fs, w->fd, w->path, head, sizeof head, w->position, err) ||
        !record_chunk_decode(head, &intact, &nonce, &chunk, err))
        return false;
    /* Blocks that were never written may hold what another record left there: its nonce tells. */
    if (!intact || (w->open && nonce != w->record->nonce))
        return true;
    if (!record_chunk_check(w->path, w->record, nonce, &chunk, err))
        return false;
    if (w->open && chunk.packing == RECORD_PLANES)
        return no_record(w, err, "an open record was repacked");
    if (!stream_intact(w, &chunk, &intact, err))
        return false;
    if (!intact)
        return true;
    chunk.position = w->position;
    w->stop = false;
    w->position = page_ceil(w->position + RECORD_CHUNK_HEAD + chunk.packed_bytes);
    take_before(w->record, &chunk);
    return record_chunk_add(w->record, &chunk, err);
}

static bool load_trailer(struct walk *w, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    bool torn = true;
    if (!read_sealed(w, &bytes, &n, err))
        return false;
    bool ok = true;
    if (bytes) {
        uint64_t nonce;
        memcpy(&nonce, bytes + 8, sizeof nonce);
        if (!w->open || nonce == w->record->nonce)
            ok = record_trailer_decode(w->path, bytes, n, w->record, &torn, err);
    }
    free(bytes);
    if (!ok || torn)
        return ok;
    w->record->sealed = true;
    w->position = page_ceil(w->position + n);
    for (size_t i = 0; i < w->record->n_tensors; i++) /* no chunk: nothing of it was changed */
        if (!w->record->tensors[i].before_known) {
            w->record->tensors[i].before = w->record->tensors[i].after;
            w->record->tensors[i].before_known = true;
        }
    return true;
}

/* Nothing good may stand after the end: no cut leaves a bad chunk before a good one. */
static bool nothing_after(struct walk *w, uint64_t from, struct error *err)
{
    const struct record *record = w->record;
    for (w->position = from; left(w) >= RECORD_HEAD; w->position += RECORD_PAGE) {
        uint8_t head[RECORD_CHUNK_HEAD] = {0};
        size_t n = (size_t)u64_least(sizeof head, left(w));
        if (!fs_read_at(w->fs, w->fd, w->path, head, n, w->position, err))
            return false;
        struct record_chunk chunk;
        uint64_t nonce = 0;
        bool found = false;
        if (!record_chunk_decode(head, &found, &nonce, &chunk, err))
            return false;
        if (found && (record->torn || nonce == record->nonce))
            return no_record(w, err,
                             record->torn ? "a chunk follows a header that cannot be read"
                                          : "a good chunk follows what is none");
    }
    return true;
}

static bool owned_once(const struct walk *w, struct error *err)
{
    const struct record *record = w->record;
    for (size_t i = 1; i < record->n_placed; i++) {
        const struct record_chunk *a = &record->chunks[record->by_place[i - 1]],
                                  *b = &record->chunks[record->by_place[i]];
        if (a->file == b->file && b->own_offset < a->own_offset + a->own_bytes)
            return error_set(err, ERROR_FORMAT, "%s: chunks %" PRIu64 " and %" PRIu64 " own the same bytes",
                             w->path, a->sequence, b->sequence);
    }
    return true;
}

static bool load_rest(struct walk *w, struct error *err)
{
    struct record *record = w->record;
    while (!w->stop && !record->sealed)
        if (!load_trailer(w, err) || (!record->sealed && !load_chunk(w, err)))
            return false;
    record->end = w->position;
    bool first_pages = record->n_chunks >= record->n_files || record->n_chunks == 0 ||
                       record->chunks[0].packing == RECORD_PLANES;
    if (record->sealed && !first_pages)
        return no_record(w, err, "the record is whole, but lacks the first pages of its files");
    if (w->open)
        return nothing_after(w, record->sealed ? record->end : record->end + RECORD_PAGE, err);
    if (!record->sealed)
        return no_record(w, err, "neither a chunk nor a trailer, expected one");
    if (record->end != record->disk_size)
        return no_record(w, err, "the record goes on after its trailer");
    return true;
}

static bool load_whole(struct walk *w, struct error *err)
{
    if (!load_header(w, err))
        return false;
    if (!w->record->torn)
        return load_rest(w, err) && owned_once(w, err);
    return w->open ? nothing_after(w, RECORD_PAGE, err) : no_record(w, err, "no header of a record");
}

static bool load(const struct fs *fs, int fd, const char *path, uint32_t number, bool open,
                 bool (*run)(struct walk *w, struct error *err), struct record *record, struct error *err)
{
    struct record found = {.number = number};
    struct walk w = {.fs = fs, .fd = fd, .path = path, .open = open, .record = &found};
    struct stat st;
    bool ok = false;
    if (fs->fstat(fs->state, fd, &st) < 0) {
        error_set_errno(err, "%s: cannot stat", path);
    } else if (!S_ISREG(st.st_mode)) {
        error_set(err, ERROR_FORMAT, "%s: is not a regular file", path);
    } else {
        found.disk_size = (uint64_t)st.st_size;
        ok = run(&w, err);
    }
    if (ok)
        *record = found;
    else
        record_release(&found);
    return ok;
}

bool record_load(const struct fs *fs, int fd, const char *path, uint32_t number, bool open,
                 struct record *record, struct error *err)
{
    return load(fs, fd, path, number, open, load_whole, record, err);
}

bool record_load_header(const struct fs *fs, int fd, const char *path, uint32_t number, struct record *record,
                        struct error *err)
{
    return load(fs, fd, path, number, true, load_header, record, err);
}

/* ---- unpacking ---- */

void record_reader_init(struct record_reader *reader, const struct fs *fs, int fd, const char *path,
                        const struct record *record)
{
    *reader = (struct record_reader){
        .fs = fs, .fd = fd, .path = path, .record = record, .loaded = record->n_chunks};
}

void record_reader_release(struct record_reader *reader)
{
    if (!reader)
        return;
    buffer_release(&reader->out);
    buffer_release(&reader->packed);
    *reader = (struct record_reader){0};
}

/* From planes to elements; the packed stream is not needed any more and lends its memory. */
static bool join(const struct record *record, const struct record_chunk *chunk, struct buffer *out,
                 struct buffer *packed, struct error *err)
{
    size_t n = (size_t)chunk->bytes, i = record_tensor_at(record, chunk->file, chunk->own_offset, n);
    if (!buffer_grow(packed, n, "unpacking a record", err))
        return false;
    record_planes_join(out->bytes, n, record_plane_width(record->tensors[i].dtype), packed->bytes);
    struct buffer joined = *packed;
    *packed = *out;
    *out = joined;
    return true;
}

bool record_chunk_read(const struct fs *fs, int fd, const char *path, const struct record *record,
                       const struct record_chunk *chunk, struct buffer *out, struct buffer *packed,
                       struct error *err)
{
    size_t n = (size_t)chunk->bytes, stream_bytes = (size_t)chunk->packed_bytes;
    struct buffer *stream = chunk->packing == RECORD_RAW ? out : packed;
    struct digest digest;
    if (!buffer_grow(stream, stream_bytes, "unpacking a record", err) ||
        !buffer_grow(out, n, "unpacking a record", err) ||
        !fs_read_at(fs, fd, path, stream->bytes, stream_bytes, chunk->position + RECORD_CHUNK_HEAD, err) ||
        !digest_of(stream->bytes, stream_bytes, &digest, err))
        return false;
    if (!digest_equal(&digest, &chunk->packed))
        return error_set(err, ERROR_FORMAT, "%s: the packed stream of chunk %" PRIu64 " was damaged", path,
                         chunk->sequence);
    if (chunk->packing == RECORD_RAW)
        return true;
    if (!record_unpack(path, stream->bytes, stream_bytes, out->bytes, n, err))
        return false;
    if (chunk->packing == RECORD_PLANES)
        return join(record, chunk, out, packed, err);
    if (!digest_of(out->bytes, n, &digest, err))
        return false;
    return digest_equal(&digest, &chunk->old) ||
           error_set(err, ERROR_FORMAT, "%s: the old bytes of chunk %" PRIu64 " do not have their digest",
                     path, chunk->sequence);
}

bool record_reader_load(struct record_reader *reader, size_t index, struct error *err)
{
    if (reader->loaded == index)
        return true;
    reader->loaded = reader->record->n_chunks;
    if (!record_chunk_read(reader->fs, reader->fd, reader->path, reader->record,
                           &reader->record->chunks[index], &reader->out, &reader->packed, err))
        return false;
    reader->bytes = reader->out.bytes;
    reader->loaded = index;
    return true;
}
