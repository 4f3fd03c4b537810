/* The precompiled normalization of SentencePiece: strings and what they become.
 *
 *     u32 LE     bytes of the trie
 *     u32 LE[]   units of a double-array trie (darts-clone):
 *                bits 0-7 and 31   label of the unit, its byte; a leaf has bit 31, its value in bits 0-30
 *                bit 8             the string may end here: the unit at the offset itself holds the value
 *                bit 9             the offset is in bits 10-30 times 256
 *                bits 10-30        offset, to be xored with the unit's own number: children are at
 *                                  that place xored with their byte
 *     bytes      what the strings become, each ended by a NUL; a value is a place in them
 *
 * Source: sentencepiece/src/normalizer.cc, third_party/darts_clone/darts.h. */
#ifndef LANCET_CHARSMAP_H
#define LANCET_CHARSMAP_H

#include "error.h"

#include <stddef.h>

struct charsmap; /* immutable */

bool charsmap_new(const unsigned char *bytes, size_t n, struct charsmap **out, struct error *err);
void charsmap_free(struct charsmap *map);

/* The length of the shortest or longest string of the map that the text begins with, 0 when there is none;
 * what it becomes goes to *out, [*n_out] bytes, borrowed. */
size_t charsmap_match(const struct charsmap *map, const char *text, size_t n, bool longest, const char **out,
                      size_t *n_out);

#endif
