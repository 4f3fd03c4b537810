/* Which pieces does a text begin with? Walks along the text byte by byte; a bitmap of the hashes of all
 * beginnings of pieces tells when no piece goes on, the vocabulary's own table which beginnings are pieces.
 */
#ifndef LANCET_PREFIXES_H
#define LANCET_PREFIXES_H

#include "vocabulary.h"

enum piece_kind { /* as SentencePiece and GGUF number them */
                  KIND_NORMAL = 1,
                  KIND_UNKNOWN = 2,
                  KIND_CONTROL = 3,
                  KIND_USER_DEFINED = 4,
                  KIND_UNUSED = 5,
                  KIND_BYTE = 6,
};

enum {
    KINDS_ALL = ~0,
    KINDS_USER_DEFINED = 1 << KIND_USER_DEFINED,
    KINDS_SPECIAL = 1 << KIND_UNKNOWN | 1 << KIND_CONTROL,
    KINDS_IN_TEXT = 1 << KIND_NORMAL | 1 << KIND_USER_DEFINED | 1 << KIND_UNUSED,
};

enum { PREFIXES_LONGEST = 4096 }; /* bytes of one piece: keeps walks linear in the text */

struct prefixes {                        /* a zeroed one holds no piece */
    const struct vocabulary *vocabulary; /* borrowed */
    const uint8_t *kinds;                /* [ids] borrowed; NULL: all pieces are normal */
    int wanted;                          /* bits of kinds */
    uint64_t *bits;
    unsigned shift; /* of a mixed hash, down to the number of a bit */
    size_t longest;
};

/* ERROR_UNSUPPORTED when a piece is longer than PREFIXES_LONGEST. */
bool prefixes_build(struct prefixes *p, const struct vocabulary *v, const uint8_t *kinds, int wanted,
                    struct error *err);
void prefixes_release(struct prefixes *p);

struct prefix_walk {
    const char *lead; /* what stands in front of the text: the ## of WordPiece */
    size_t n_lead;
    uint64_t hash;
    size_t length; /* bytes of the text that the piece covers */
};
struct prefix_walk prefixes_begin(const char *lead, size_t n_lead);
/* The next longer piece: lead and text[0, walk->length). false when there is none. */
bool prefixes_next(const struct prefixes *p, struct prefix_walk *walk, const char *text, size_t n,
                   uint32_t *id);
/* The longest of them; its length, 0 when there is none. */
size_t prefixes_longest(const struct prefixes *p, const char *text, size_t n, uint32_t *id);

#endif
