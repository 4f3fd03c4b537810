/* The merges of a BPE model: which two neighbours become one, and which first. */
#ifndef LANCET_MERGES_H
#define LANCET_MERGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "vocabulary.h"

struct merge_slot {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank, id;
};

struct merges { /* a zeroed one is empty */
    struct merge_slot
        *slots; /* [n_slots], a power of two, at most half full; an empty one has pair UINT64_MAX */
    size_t n_slots;
    uint64_t
        *joints; /* bitmap: may a merge join this last character with that first one? (never a false no) */
};

struct merge_pair {
    uint32_t left, right;
};

/* From pairs in order of rank. A merged piece is the left one followed by the right one without its first
 * n_prefix bytes. ERROR_FORMAT names a merged piece that the vocabulary lacks. Of equal pairs the last
 * counts. */
bool merges_build(struct merges *m, const struct merge_pair *pairs, size_t n, const struct vocabulary *v,
                  size_t n_prefix, struct error *err);
/* Only what merges_may_join needs, for pieces that are made by their texts: those with a rank. */
bool merges_build_joints(struct merges *m, const struct vocabulary *v, const uint32_t *ranks,
                         struct error *err);
void merges_release(struct merges *m);

/* NULL when the two do not merge. */
const struct merge_slot *merges_find(const struct merges *m, uint32_t left, uint32_t right);
/* false: no sequence of merges ever joins a piece that ends in `last` with one that begins with `first`. */
bool merges_may_join(const struct merges *m, uint32_t last, uint32_t first);

#endif
