/* Decoders: from the pieces of tokens back to text. */
#ifndef LANCET_DECODE_H
#define LANCET_DECODE_H

#include "stage.h"
#include "str.h"

struct pieces { /* strings one after the other; a zeroed one is empty */
    struct str bytes;
    size_t *ends; /* [n] */
    size_t n, capacity;
    bool inside; /* of a text: no white space is stripped, bytes stay bytes */
};
bool pieces_add(struct pieces *p, const char *bytes, size_t n, struct error *err);
void pieces_release(struct pieces *p);
const char *pieces_at(const struct pieces *p, size_t i, size_t *n);
/* Ends a piece whose bytes were appended to p->bytes. */
bool pieces_end(struct pieces *p, struct error *err);
/* *p becomes `made`, or stays what it was when a decoder failed. Returns `fine`. */
bool pieces_take(struct pieces *p, struct pieces *made, bool fine);

/* Runs all stages and appends the result to *out. Without stages the pieces are joined by `joint`. */
bool decode(const struct stage_list *stages, struct pieces *p, const char *joint, struct str *out,
            struct error *err);

#endif
