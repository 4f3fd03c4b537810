/* Mapped files that are not in memory yet. */
#ifndef LANCET_FETCH_H
#define LANCET_FETCH_H

#include <stddef.h>

/* Lets the kernel begin to read n mapped bytes, in large pieces and without waiting; where they seem to be in
 * memory (the first, the middle and the last page are), nothing is done. */
void fetch_mapped(const void *data, size_t n);

#endif
