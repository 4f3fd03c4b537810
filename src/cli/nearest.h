/* "Did you mean": the word of a list that a mistyped one is nearest to. */
#ifndef LANCET_NEAREST_H
#define LANCET_NEAREST_H

#include <stddef.h>

struct nearest { /* start from {.word = the mistyped word} */
    const char *word, *best;
    size_t distance;
};

/* Takes `candidate` as the best so far if it is near enough (a third of its letters wrong at most, or it
 * continues what was typed) and nearer than the best. */
void nearest_consider(struct nearest *nearest, const char *candidate);

#endif
