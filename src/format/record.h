/* The bytes of a record (docs/history-format.md): header, chunks, trailer; encode, decode, validate. Whoever
 * reads a record must be able to tell three things apart: good bytes, bytes that a power cut may have left
 * (torn), and bytes that no cut leaves (ERROR_FORMAT). */
#ifndef LANCET_RECORD_H
#define LANCET_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buffer.h"
#include "digest.h"
#include "dtype.h"
#include "error.h"
#include "fs.h"

enum {
    RECORD_PAGE = 4096,
    RECORD_HEAD = 64, /* bytes of the fixed part of header and trailer, before their text */
    RECORD_CHUNK_HEAD = 256,
    RECORD_GUARD_MAX = 8,
    RECORD_MAX_CHUNK = 1 << 28, /* bytes that a chunk may hold: bounds what a reader allocates */
    RECORD_MAX_TEXT = 1 << 28,
    RECORD_MAX_NUMBER = 999999,
};

enum record_packing {
    RECORD_PAGES,  /* zlib stream of the pages around what is owned */
    RECORD_PLANES, /* zlib stream of the XOR of old and new, in byte planes */
    RECORD_RAW,    /* the pages as they are */
    RECORD_PACKINGS
};

enum record_version {
    RECORD_BEFORE_IN_HEADER = 1,
    RECORD_BEFORE_IN_CHUNKS = 2, /* a merge, which would otherwise read the whole model twice */
};

struct record_file {
    const char *name;
    uint64_t size, head;
    struct digest digest; /* of the first `head` bytes */
    uint8_t guard[RECORD_GUARD_MAX];
    size_t guard_bytes;
};

struct record_tensor {
    const char *name;
    size_t file;
    enum dtype dtype;
    uint64_t offset, bytes;
    struct digest before, after; /* after: once the trailer was read */
    bool before_known; /* always, but in an open RECORD_BEFORE_IN_CHUNKS where no chunk owns any of it */
};

struct record_chunk {
    uint64_t sequence;
    size_t file;
    enum record_packing packing;
    uint64_t offset, bytes;         /* held */
    uint64_t own_offset, own_bytes; /* owned */
    uint64_t packed_bytes;
    struct digest old, intended, packed;
    struct digest before; /* RECORD_BEFORE_IN_CHUNKS: of the whole tensor, in the first chunk that owns some
                             of it; else zeros */
    uint64_t position;    /* of the head, in the record; not stored */
};

struct record {
    enum record_version version;
    uint64_t nonce;
    uint32_t number;
    const char *kind, *command, *note, *host; /* note may be NULL */
    int64_t time;
    uint32_t *undoes, *drops;
    size_t n_undoes, n_drops;
    struct record_file *files;
    size_t n_files;
    struct record_tensor *tensors; /* by file and offset */
    size_t n_tensors;
    const struct record_tensor **by_name; /* [n_tensors], of a record that was read */

    struct record_chunk *chunks; /* with by_place freed by record_drop_chunks */
    size_t n_chunks, chunk_capacity;
    size_t *by_place; /* chunks that own bytes, by file and owned offset */
    size_t n_placed;
    bool torn;          /* the header is: nothing above is known */
    bool sealed;        /* the trailer is there */
    uint64_t end;       /* first page boundary after the last good chunk or the trailer */
    uint64_t disk_size; /* of the record */
    struct arena arena;
};

void record_release(struct record *record); /* NULL and half-built are fine */

static inline uint64_t page_floor(uint64_t n)
{
    return n & ~(uint64_t)(RECORD_PAGE - 1);
}

static inline uint64_t page_ceil(uint64_t n)
{
    return page_floor(n + RECORD_PAGE - 1);
}

static inline uint64_t u64_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Bytes of the page-bounded range of a file of `size` bytes around [offset, offset + n). */
void record_pages_around(uint64_t offset, uint64_t n, uint64_t size, uint64_t *held, uint64_t *held_bytes);

/* ---- header and trailer: their text is padded to a page; freed with free() ---- */

bool record_header_encode(const struct record *record, uint8_t **out, size_t *n, struct error *err);
/* Fills the record from the first bytes of a file called `path` that should hold record `number`. *torn (then
 * true is returned and the record is left empty): the bytes are not a whole header. */
bool record_header_decode(const char *path, uint32_t number, const uint8_t *bytes, size_t n,
                          struct record *record, bool *torn, struct error *err);
/* Bytes of header or trailer with its text, from its fixed part; 0: it is none. */
uint64_t record_head_extent(const uint8_t head[RECORD_HEAD]);

bool record_trailer_encode(const struct record *record, uint8_t **out, size_t *n, struct error *err);
/* Fills the after-digests. */
bool record_trailer_decode(const char *path, const uint8_t *bytes, size_t n, struct record *record,
                           bool *torn, struct error *err);

/* ---- chunks ---- */

bool record_chunk_encode(uint64_t nonce, const struct record_chunk *chunk, uint8_t out[RECORD_CHUNK_HEAD],
                         struct error *err);
/* *intact: magic and checksum are right, then *nonce and *chunk are set. */
bool record_chunk_decode(const uint8_t bytes[RECORD_CHUNK_HEAD], bool *intact, uint64_t *nonce,
                         struct record_chunk *chunk, struct error *err);
/* Whether an intact chunk fits the record, coming after those that are there. ERROR_FORMAT. */
bool record_chunk_check(const char *path, const struct record *record, uint64_t nonce,
                        const struct record_chunk *chunk, struct error *err);

/* ---- finding (record_find.c) ---- */

/* The listed tensor that holds [offset, offset + n) of a file, or n_tensors. */
size_t record_tensor_at(const struct record *record, size_t file, uint64_t offset, uint64_t n);
/* The one of this name in the file of this name, or n_tensors; of a record that was read. */
size_t record_tensor_named(const struct record *record, const char *file, const char *name);
bool record_sort_names(struct record *record, struct error *err);

bool record_chunk_add(struct record *record, const struct record_chunk *chunk, struct error *err);
void record_drop_chunks(struct record *record);

/* A part of by_place. */
struct record_range {
    size_t first, end;
};
/* The chunks that hold, and that own, any of [offset, offset + n) of a file. */
struct record_range record_holding(const struct record *record, size_t file, uint64_t offset, uint64_t n);
struct record_range record_owning(const struct record *record, size_t file, uint64_t offset, uint64_t n);
/* The bytes of the file that by_place[i] is to be asked for: what it owns, and around it what it holds and no
 * other chunk owns. All chunks together tell all that any of them holds, but for guard bytes. */
void record_chunk_tells(const struct record *record, size_t i, uint64_t *from, uint64_t *to);

/* ---- the JSON texts (record_text.c) ---- */

bool record_text_write(const struct record *record, char **out, size_t *n, struct error *err);
bool record_text_read(const char *path, const char *text, size_t n, struct record *record, struct error *err);
bool record_after_write(const struct record *record, char **out, size_t *n, struct error *err);
bool record_after_read(const char *path, const char *text, size_t n, struct record *record,
                       struct error *err);

/* ---- a record on disk (record_load.c) ---- */

/* Reads header, index of chunks and trailer of the record that `fd` is open on. `open`: it is a journal,
 * which a cut may have torn (then every packed stream is compared with its digest); else it must be whole. */
bool record_load(const struct fs *fs, int fd, const char *path, uint32_t number, bool open,
                 struct record *record, struct error *err);

/* The header alone; it may be torn. */
bool record_load_header(const struct fs *fs, int fd, const char *path, uint32_t number, struct record *record,
                        struct error *err);

/* What a chunk's stream unpacks to, checked: the held old bytes or, in RECORD_PLANES, the XOR of old and new
 * in the order of the file. Into `out`; `packed` is for what comes between. */
bool record_chunk_read(const struct fs *fs, int fd, const char *path, const struct record *record,
                       const struct record_chunk *chunk, struct buffer *out, struct buffer *packed,
                       struct error *err);

/* The same, chunk by chunk; one that is loaded is not read again. */
struct record_reader {
    const struct fs *fs;
    int fd;
    const char *path;
    const struct record *record;
    size_t loaded;        /* which chunk `bytes` is; n_chunks: none */
    const uint8_t *bytes; /* of the loaded chunk */
    struct buffer out, packed;
};

void record_reader_init(struct record_reader *reader, const struct fs *fs, int fd, const char *path,
                        const struct record *record);
bool record_reader_load(struct record_reader *reader, size_t chunk, struct error *err);
void record_reader_release(struct record_reader *reader);

/* ---- streams (record_pack.c) ---- */

/* Bytes that n bytes need at most once packed. */
size_t record_pack_bound(size_t n);
bool record_pack(const char *path, const uint8_t *bytes, size_t n, int level, uint8_t *out, size_t capacity,
                 size_t *packed, struct error *err);
/* Exactly n bytes must come out and all of the stream be used: else ERROR_FORMAT. */
bool record_unpack(const char *path, const uint8_t *packed, size_t packed_bytes, uint8_t *out, size_t n,
                   struct error *err);
/* Elements of `width` bytes to planes and back; out must not be in. */
void record_planes_split(const uint8_t *in, size_t n, size_t width, uint8_t *out);
void record_planes_join(const uint8_t *in, size_t n, size_t width, uint8_t *out);
size_t record_plane_width(enum dtype dtype);

#endif
