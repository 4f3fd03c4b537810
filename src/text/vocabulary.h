/* Pieces and their ids: a hash table from bytes to id, and a table from id to bytes. */
#ifndef LANCET_VOCABULARY_H
#define LANCET_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct vocabulary_slot { /* bytes at [offset, offset + length) of `bytes`; offset 0 is an empty slot */
    uint32_t hash, id, offset, length;
};

struct vocabulary_piece {
    uint32_t offset, length;
};

struct vocabulary { /* a zeroed one is empty */
    char *bytes;    /* pieces one after the other, each ended by a NUL; byte 0 is not used */
    size_t n_bytes, bytes_capacity;
    struct vocabulary_slot *slots; /* [n_slots], a power of two, at most half full */
    size_t n_slots, n;
    struct vocabulary_piece *by_id; /* [size], made by vocabulary_finish; offset 0 is an id without a piece */
    uint32_t size;                  /* highest id + 1 */
};

enum { VOCABULARY_MAX_ID = (1 << 24) - 1 };

/* ERROR_FORMAT (no place named: the caller knows it) when the piece is there already or the id is too large.
 */
bool vocabulary_add(struct vocabulary *v, const char *bytes, size_t n, uint64_t id, struct error *err);
/* Makes the table by id; where two pieces share an id it has the first. Nothing may be added afterwards. */
bool vocabulary_finish(struct vocabulary *v, struct error *err);
void vocabulary_release(struct vocabulary *v);

bool vocabulary_find(const struct vocabulary *v, const char *bytes, size_t n, uint32_t *id);
/* Looks for a followed by b. */
bool vocabulary_find_joined(const struct vocabulary *v, const char *a, size_t n_a, const char *b, size_t n_b,
                            uint32_t *id);
/* For walks along a text: the hash of bytes that follow those hashed before (at first: VOCABULARY_HASH), and
 * the piece `a` followed by `b` whose hash is known. */
#define VOCABULARY_HASH UINT64_C(0xcbf29ce484222325)
uint64_t vocabulary_hash(uint64_t hash, const char *bytes, size_t n);
bool vocabulary_find_hashed(const struct vocabulary *v, uint64_t hash, const char *a, size_t n_a,
                            const char *b, size_t n_b, uint32_t *id);
/* Begin to fetch what will be looked at soon: the place of a hash, the entry of an id, and then its bytes. */
void vocabulary_fetch_hashed(const struct vocabulary *v, uint64_t hash);
void vocabulary_fetch(const struct vocabulary *v, uint32_t id);
void vocabulary_fetch_piece(const struct vocabulary *v, uint32_t id);
/* NUL-terminated and borrowed; NULL for an unknown id. Its length (it may hold NULs) goes to *n. */
const char *vocabulary_piece(const struct vocabulary *v, uint32_t id, size_t *n);

#endif
