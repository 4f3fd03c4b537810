/* Elements that can be rounded the other way, cheapest first: a heap over indices. */
#ifndef LANCET_FLIPS_H
#define LANCET_FLIPS_H

#include <stddef.h>

struct flip_heap { /* equal costs come by index */
    const double *cost;
    size_t *order; /* [n] indices, in any order at first */
    size_t n;
};

void flips_make(struct flip_heap *heap);
/* Takes the cheapest out; n must not be 0. */
size_t flips_pop(struct flip_heap *heap);

#endif
