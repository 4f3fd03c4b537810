/* A text on its way through the normalizers, which remembers where each of its bytes came from. Origins never
 * fall, so cutting the text anywhere cuts the original too: bytes [a, b) here stand for bytes [origin[a],
 * origin[b]) there. */
#ifndef LANCET_ALIGNED_H
#define LANCET_ALIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct aligned {
    char *data; /* [n] valid UTF-8 */
    uint32_t
        *origin; /* [n + 1] byte of the original where each byte begins; the last is where the text ends */
    size_t n, capacity;
    size_t limit; /* n beyond which it may not grow */
};

/* Longest text that is taken. Stages make a text at most ALIGNED_GROWTH times as long, and ALIGNED_EXTRA
 * bytes: the longest compatibility form in Unicode has 11 times the bytes of its character, the byte-level
 * alphabet doubles. */
#define ALIGNED_MAX ((size_t)1 << 28)
enum { ALIGNED_GROWTH = 15, ALIGNED_EXTRA = 1 << 12 };

/* How many bytes that are not UTF-8 become one U+FFFD. */
enum invalid_utf8 {
    INVALID_BY_PART, /* those that begin a character and break off, as Python does it */
    INVALID_BY_BYTE, /* one */
    INVALID_BY_LEAD, /* as many as the first one promises */
};
/* From a text as given; U+FFFD stands for bytes that are not UTF-8. */
bool aligned_init(struct aligned *a, const char *text, size_t n, enum invalid_utf8 invalid,
                  struct error *err);
void aligned_release(struct aligned *a);
/* Room for `more` bytes beyond n. */
bool aligned_reserve(struct aligned *a, size_t more, struct error *err);
/* Appends n bytes that stand for bytes [from, to) of `source`: the i-th begins where byte from + i does,
 * those beyond `to` are empty. from == to inserts. */
bool aligned_put(struct aligned *a, const char *bytes, size_t n, const struct aligned *source, size_t from,
                 size_t to, struct error *err);
/* Appends bytes [from, to) of `source` unchanged. */
bool aligned_copy(struct aligned *a, const struct aligned *source, size_t from, size_t to, struct error *err);
/* Cuts off what stands behind byte n. */
void aligned_truncate(struct aligned *a, size_t n);
/* Empties the text, which keeps its memory. */
void aligned_clear(struct aligned *a);

#endif
