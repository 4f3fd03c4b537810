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
    if (w->open && chunk.packing != RECORD_PAGES)
        return no_record(w, err, "an open record was repacked");
    if (!stream_intact(w, &chunk, &intact, err))
        return false;
    if (!intact)
        return true;
    chunk.position = w->position;
    w->stop = false;
    w->position = page_ceil(w->position + RECORD_CHUNK_HEAD + chunk.packed_bytes);
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

static int by_owned(const void *a, const void *b)
{
    const struct record_chunk *x = *(struct record_chunk *const *)a, *y = *(struct record_chunk *const *)b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->own_offset < y->own_offset ? -1 : x->own_offset > y->own_offset;
}

static bool owned_once(const struct walk *w, struct error *err)
{
    const struct record *record = w->record;
    const struct record_chunk **sorted = memory_array(record->n_chunks, sizeof *sorted);
    if (!sorted)
        return error_memory(err, "checking a record");
    size_t n = 0;
    for (size_t i = 0; i < record->n_chunks; i++)
        if (record->chunks[i].own_bytes)
            sorted[n++] = &record->chunks[i];
    qsort(sorted, n, sizeof *sorted, by_owned);
    bool ok = true;
    for (size_t i = 1; ok && i < n; i++)
        if (sorted[i]->file == sorted[i - 1]->file &&
            sorted[i]->own_offset < sorted[i - 1]->own_offset + sorted[i - 1]->own_bytes)
            ok = error_set(err, ERROR_FORMAT, "%s: chunks %" PRIu64 " and %" PRIu64 " own the same bytes",
                           w->path, sorted[i - 1]->sequence, sorted[i]->sequence);
    free(sorted);
    return ok;
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
static bool join(struct record_reader *reader, const struct record_chunk *chunk, struct error *err)
{
    size_t n = (size_t)chunk->bytes, i = record_tensor_at(reader->record, chunk->file, chunk->own_offset, n);
    if (!buffer_grow(&reader->packed, n, "unpacking a record", err))
        return false;
    record_planes_join(reader->out.bytes, n, record_plane_width(reader->record->tensors[i].dtype),
                       reader->packed.bytes);
    struct buffer joined = reader->packed;
    reader->packed = reader->out;
    reader->out = joined;
    return true;
}

bool record_reader_load(struct record_reader *reader, size_t index, struct error *err)
{
    if (reader->loaded == index)
        return true;
    const struct record_chunk *chunk = &reader->record->chunks[index];
    size_t n = (size_t)chunk->bytes, packed_bytes = (size_t)chunk->packed_bytes;
    reader->loaded = reader->record->n_chunks;
    struct digest digest;
    if (!buffer_grow(&reader->packed, packed_bytes, "unpacking a record", err) ||
        !buffer_grow(&reader->out, n, "unpacking a record", err) ||
        !fs_read_at(reader->fs, reader->fd, reader->path, reader->packed.bytes, packed_bytes,
                    chunk->position + RECORD_CHUNK_HEAD, err) ||
        !digest_of(reader->packed.bytes, packed_bytes, &digest, err))
        return false;
    if (!digest_equal(&digest, &chunk->packed))
        return error_set(err, ERROR_FORMAT, "%s: the packed stream of chunk %" PRIu64 " was damaged",
                         reader->path, chunk->sequence);
    if (!record_unpack(reader->path, reader->packed.bytes, packed_bytes, reader->out.bytes, n, err))
        return false;
    if (chunk->packing == RECORD_PLANES) {
        if (!join(reader, chunk, err))
            return false;
    } else {
        if (!digest_of(reader->out.bytes, n, &digest, err))
            return false;
        if (!digest_equal(&digest, &chunk->old))
            return error_set(err, ERROR_FORMAT,
                             "%s: the old bytes of chunk %" PRIu64 " do not have their digest", reader->path,
                             chunk->sequence);
    }
    reader->bytes = reader->out.bytes;
    reader->loaded = index;
    return true;
}
