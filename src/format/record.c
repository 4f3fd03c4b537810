/* Layouts: docs/history-format.md, "Bytes". Every field goes through a bounded cursor. */
#include "record.h"

#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "quote.h"
#include "size.h"

static const char header_magic[8] = "LNCTHEAD", chunk_magic[8] = "LNCTCHNK", trailer_magic[8] = "LNCTTAIL";

enum {
    HEAD_TEXT_BYTES = 24, /* where the length of the text lies in the head of header and trailer */
    HEAD_DIGEST = 32,
    CHUNK_DIGEST = 224,
};

/* ---- cursors ---- */

struct cursor {
    uint8_t *base;
    size_t length, position;
};

static void put(struct cursor *c, const void *bytes, size_t n)
{
    if (n > c->length - c->position)
        n = c->length - c->position;
    memcpy(c->base + c->position, bytes, n);
    c->position += n;
}

static void put_u32(struct cursor *c, uint32_t value)
{
    put(c, &value, sizeof value);
}

static void put_u64(struct cursor *c, uint64_t value)
{
    put(c, &value, sizeof value);
}

struct view {
    const uint8_t *base;
    size_t length, position;
};

/* Reading past the end gives zeros: the caller has checked the length of fixed parts. */
static void get(struct view *v, void *out, size_t n)
{
    memset(out, 0, n);
    if (n > v->length - v->position)
        n = v->length - v->position;
    memcpy(out, v->base + v->position, n);
    v->position += n;
}

static uint32_t get_u32(struct view *v)
{
    uint32_t value;
    get(v, &value, sizeof value);
    return value;
}

static uint64_t get_u64(struct view *v)
{
    uint64_t value;
    get(v, &value, sizeof value);
    return value;
}

/* ---- the record as a whole ---- */

void record_release(struct record *record)
{
    if (!record)
        return;
    record_drop_chunks(record);
    arena_release(&record->arena);
    *record = (struct record){0};
}

void record_pages_around(uint64_t offset, uint64_t n, uint64_t size, uint64_t *held, uint64_t *held_bytes)
{
    uint64_t begin = page_floor(offset), end = u64_least(page_ceil(offset + n), size);
    *held = begin;
    *held_bytes = end - begin;
}

/* ---- header and trailer: one shape, a fixed part and a text under one checksum ---- */

static bool sealed_digest(const uint8_t *bytes, size_t text_bytes, struct digest *out, struct error *err)
{
    struct digest_stream *stream = NULL;
    bool ok = digest_stream_new(&stream, err) && digest_stream_add(stream, bytes, HEAD_DIGEST, err) &&
              digest_stream_add(stream, bytes + RECORD_HEAD, text_bytes, err) &&
              digest_stream_finish(stream, out, err);
    digest_stream_free(stream);
    return ok;
}

/* `head` has HEAD_DIGEST bytes; the text is put behind it. */
static bool seal(const uint8_t *head, const char *text, size_t text_bytes, uint8_t **out, size_t *n,
                 struct error *err)
{
    if (text_bytes > RECORD_MAX_TEXT)
        return error_set(err, ERROR_UNSUPPORTED, "a record's text would have %zu bytes, expected at most %d",
                         text_bytes, RECORD_MAX_TEXT);
    size_t whole = (size_t)page_ceil(RECORD_HEAD + text_bytes);
    uint8_t *bytes = memory_zeroed(whole, 1);
    if (!bytes)
        return error_memory(err, "writing a record");
    memcpy(bytes, head, HEAD_DIGEST);
    memcpy(bytes + RECORD_HEAD, text, text_bytes);
    struct digest digest;
    if (!sealed_digest(bytes, text_bytes, &digest, err)) {
        free(bytes);
        return false;
    }
    memcpy(bytes + HEAD_DIGEST, digest.bytes, sizeof digest.bytes);
    *out = bytes;
    *n = whole;
    return true;
}

uint64_t record_head_extent(const uint8_t head[RECORD_HEAD])
{
    if (memcmp(head, header_magic, 8) != 0 && memcmp(head, trailer_magic, 8) != 0)
        return 0;
    struct view v = {head, RECORD_HEAD, HEAD_TEXT_BYTES};
    uint64_t text_bytes = get_u64(&v);
    return text_bytes > RECORD_MAX_TEXT ? 0 : RECORD_HEAD + text_bytes;
}

/* Whether the bytes are a whole header or trailer, and how long its text is. */
static bool unseal(const char magic[8], const uint8_t *bytes, size_t n, bool *intact, size_t *text_bytes,
                   struct error *err)
{
    *intact = false;
    if (n < RECORD_HEAD || memcmp(bytes, magic, 8) != 0)
        return true;
    uint64_t extent = record_head_extent(bytes);
    if (extent == 0 || extent > n)
        return true;
    struct digest found;
    if (!sealed_digest(bytes, (size_t)extent - RECORD_HEAD, &found, err))
        return false;
    *intact = memcmp(found.bytes, bytes + HEAD_DIGEST, sizeof found.bytes) == 0;
    *text_bytes = (size_t)extent - RECORD_HEAD;
    return true;
}

bool record_header_encode(const struct record *record, uint8_t **out, size_t *n, struct error *err)
{
    char *text = NULL;
    size_t text_bytes = 0;
    if (!record_text_write(record, &text, &text_bytes, err))
        return false;
    uint8_t head[HEAD_DIGEST];
    struct cursor c = {head, sizeof head, 0};
    put(&c, header_magic, 8);
    put_u32(&c, (uint32_t)record->version);
    put_u32(&c, RECORD_PAGE);
    put_u64(&c, record->nonce);
    put_u64(&c, text_bytes);
    bool ok = seal(head, text, text_bytes, out, n, err);
    free(text);
    return ok;
}

bool record_header_decode(const char *path, uint32_t number, const uint8_t *bytes, size_t n,
                          struct record *record, bool *torn, struct error *err)
{
    bool intact = false;
    size_t text_bytes = 0;
    if (!unseal(header_magic, bytes, n, &intact, &text_bytes, err))
        return false;
    *torn = !intact;
    if (!intact)
        return true;
    struct view v = {bytes, n, 8};
    uint32_t version = get_u32(&v), page = get_u32(&v);
    if (version != RECORD_BEFORE_IN_HEADER && version != RECORD_BEFORE_IN_CHUNKS)
        return error_set(err, ERROR_FORMAT, "%s: is a record of version %" PRIu32 ", expected %d or %d", path,
                         version, RECORD_BEFORE_IN_HEADER, RECORD_BEFORE_IN_CHUNKS);
    record->version = (enum record_version)version;
    if (page != RECORD_PAGE)
        return error_set(err, ERROR_FORMAT, "%s: its pages have %" PRIu32 " bytes, expected %d", path, page,
                         RECORD_PAGE);
    uint64_t nonce = get_u64(&v);
    if (!record_text_read(path, (const char *)bytes + RECORD_HEAD, text_bytes, record, err))
        return false;
    if (record->number != number)
        return error_set(err, ERROR_FORMAT, "%s: holds record %" PRIu32 ", expected %" PRIu32, path,
                         record->number, number);
    record->nonce = nonce;
    return true;
}

bool record_trailer_encode(const struct record *record, uint8_t **out, size_t *n, struct error *err)
{
    char *text = NULL;
    size_t text_bytes = 0;
    if (!record_after_write(record, &text, &text_bytes, err))
        return false;
    uint8_t head[HEAD_DIGEST];
    struct cursor c = {head, sizeof head, 0};
    put(&c, trailer_magic, 8);
    put_u64(&c, record->nonce);
    put_u64(&c, record->n_chunks);
    put_u64(&c, text_bytes);
    bool ok = seal(head, text, text_bytes, out, n, err);
    free(text);
    return ok;
}

bool record_trailer_decode(const char *path, const uint8_t *bytes, size_t n, struct record *record,
                           bool *torn, struct error *err)
{
    bool intact = false;
    size_t text_bytes = 0;
    if (!unseal(trailer_magic, bytes, n, &intact, &text_bytes, err))
        return false;
    *torn = !intact;
    if (!intact)
        return true;
    struct view v = {bytes, n, 8};
    uint64_t nonce = get_u64(&v), n_chunks = get_u64(&v);
    if (nonce != record->nonce)
        return error_set(err, ERROR_FORMAT, "%s: its trailer belongs to another record", path);
    if (n_chunks != record->n_chunks)
        return error_set(err, ERROR_FORMAT, "%s: has %zu chunks, its trailer says %" PRIu64, path,
                         record->n_chunks, n_chunks);
    return record_after_read(path, (const char *)bytes + RECORD_HEAD, text_bytes, record, err);
}

/* ---- chunks ---- */

bool record_chunk_encode(uint64_t nonce, const struct record_chunk *chunk, uint8_t out[RECORD_CHUNK_HEAD],
                         struct error *err)
{
    memset(out, 0, RECORD_CHUNK_HEAD);
    struct cursor c = {out, RECORD_CHUNK_HEAD, 0};
    put(&c, chunk_magic, 8);
    put_u64(&c, nonce);
    put_u64(&c, chunk->sequence);
    put_u32(&c, (uint32_t)chunk->file);
    put_u32(&c, (uint32_t)chunk->packing);
    put_u64(&c, chunk->offset);
    put_u64(&c, chunk->bytes);
    put_u64(&c, chunk->packed_bytes);
    put_u64(&c, chunk->own_offset);
    put_u64(&c, chunk->own_bytes);
    put(&c, chunk->old.bytes, sizeof chunk->old.bytes);
    put(&c, chunk->intended.bytes, sizeof chunk->intended.bytes);
    put(&c, chunk->packed.bytes, sizeof chunk->packed.bytes);
    put(&c, chunk->before.bytes, sizeof chunk->before.bytes);
    struct digest digest;
    if (!digest_of(out, CHUNK_DIGEST, &digest, err))
        return false;
    memcpy(out + CHUNK_DIGEST, digest.bytes, sizeof digest.bytes);
    return true;
}

bool record_chunk_decode(const uint8_t bytes[RECORD_CHUNK_HEAD], bool *intact, uint64_t *nonce,
                         struct record_chunk *chunk, struct error *err)
{
    *intact = false;
    if (memcmp(bytes, chunk_magic, 8) != 0)
        return true;
    struct digest digest;
    if (!digest_of(bytes, CHUNK_DIGEST, &digest, err))
        return false;
    if (memcmp(digest.bytes, bytes + CHUNK_DIGEST, sizeof digest.bytes) != 0)
        return true;
    struct view v = {bytes, RECORD_CHUNK_HEAD, 8};
    *nonce = get_u64(&v);
    struct record_chunk found = {.sequence = get_u64(&v)};
    found.file = get_u32(&v);
    found.packing = (enum record_packing)get_u32(&v);
    found.offset = get_u64(&v);
    found.bytes = get_u64(&v);
    found.packed_bytes = get_u64(&v);
    found.own_offset = get_u64(&v);
    found.own_bytes = get_u64(&v);
    get(&v, found.old.bytes, sizeof found.old.bytes);
    get(&v, found.intended.bytes, sizeof found.intended.bytes);
    get(&v, found.packed.bytes, sizeof found.packed.bytes);
    get(&v, found.before.bytes, sizeof found.before.bytes);
    *chunk = found;
    *intact = true;
    return true;
}

static bool bad_chunk(const char *path, const struct record_chunk *chunk, struct error *err, const char *what)
{
    return error_set(err, ERROR_FORMAT, "%s: chunk %" PRIu64 " %s", path, chunk->sequence, what);
}

/* Where the chunk's held bytes must lie, given what it owns. */
static bool held_as_owned(const struct record *record, const struct record_chunk *chunk)
{
    const struct record_file *file = &record->files[chunk->file];
    if (chunk->packing == RECORD_PLANES)
        return chunk->offset == chunk->own_offset && chunk->bytes == chunk->own_bytes;
    uint64_t offset, bytes;
    record_pages_around(chunk->own_offset, chunk->own_bytes, file->size, &offset, &bytes);
    return chunk->offset == offset && chunk->bytes == bytes;
}

static bool stream_fits(const struct record *record, const struct record_chunk *chunk)
{
    if (chunk->packing != RECORD_RAW)
        return chunk->packed_bytes != 0 && chunk->packed_bytes <= record_pack_bound((size_t)chunk->bytes);
    return record->version == RECORD_BEFORE_IN_CHUNKS && chunk->packed_bytes == chunk->bytes &&
           digest_equal(&chunk->packed, &chunk->old);
}

/* The before-digest of a tensor stands in the first chunk that owns some of it, and nowhere else. */
static bool before_fits(const struct record *record, const struct record_chunk *chunk)
{
    static const struct digest none;
    bool expected = false;
    if (record->version == RECORD_BEFORE_IN_CHUNKS && chunk->own_bytes)
        expected =
            !record->tensors[record_tensor_at(record, chunk->file, chunk->own_offset, chunk->own_bytes)]
                 .before_known;
    return digest_equal(&chunk->before, &none) != expected;
}

static bool is_first_page(const struct record *record, const struct record_chunk *chunk)
{
    return chunk->file == record->n_chunks && chunk->own_offset == 0 && chunk->own_bytes == 0 &&
           chunk->offset == 0 && chunk->bytes == u64_least(RECORD_PAGE, record->files[chunk->file].size);
}

bool record_chunk_check(const char *path, const struct record *record, uint64_t nonce,
                        const struct record_chunk *chunk, struct error *err)
{
    if (nonce != record->nonce)
        return bad_chunk(path, chunk, err, "belongs to another record");
    if (chunk->sequence != record->n_chunks)
        return error_set(err, ERROR_FORMAT, "%s: chunk %" PRIu64 " stands in the place of chunk %zu", path,
                         chunk->sequence, record->n_chunks);
    if (chunk->packing >= RECORD_PACKINGS)
        return bad_chunk(path, chunk, err, "is packed in an unknown way");
    if (record->n_chunks && chunk->packing != record->chunks[0].packing)
        return bad_chunk(path, chunk, err, "is packed otherwise than the first");
    if (chunk->file >= record->n_files)
        return bad_chunk(path, chunk, err, "names a file that the record does not list");
    if (chunk->bytes == 0 || chunk->bytes > RECORD_MAX_CHUNK)
        return bad_chunk(path, chunk, err, "holds nothing or too much");
    if (!stream_fits(record, chunk))
        return bad_chunk(path, chunk, err, "has a packed stream of an impossible length");
    if (chunk->packing != RECORD_PLANES && record->n_chunks < record->n_files) {
        if (!is_first_page(record, chunk))
            return bad_chunk(path, chunk, err, "is not the first page of its file");
    } else if (chunk->own_bytes == 0 || record_tensor_at(record, chunk->file, chunk->own_offset,
                                                         chunk->own_bytes) == record->n_tensors) {
        return bad_chunk(path, chunk, err, "owns bytes that belong to no listed tensor");
    } else if (!held_as_owned(record, chunk)) {
        return bad_chunk(path, chunk, err, "does not hold the pages around what it owns");
    }
    return before_fits(record, chunk) ||
           bad_chunk(path, chunk, err, "lacks the digest of its tensor, or has one that belongs elsewhere");
}
