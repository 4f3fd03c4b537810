/* Heap allocation with checked products. All of lancet's own memory comes through here or through an arena, so that a
 * test can make each allocation fail in turn (it wraps malloc, calloc and realloc at link time). */
#ifndef LANCET_MEMORY_H
#define LANCET_MEMORY_H

#include <stdlib.h>
#include <stddef.h>

/* n * size bytes, uninitialised / zeroed; NULL when the product overflows or memory is out. n * size == 0 gives a
 * unique pointer, never NULL. Freed with free(). */
void *memory_array(size_t n, size_t size);
void *memory_zeroed(size_t n, size_t size);
/* Grows to n elements; on NULL the old block is untouched. */
void *memory_resize(void *block, size_t n, size_t size);
/* Copies of a string and of n bytes (the latter NUL-terminated). */
char *memory_string(const char *s);
char *memory_copy(const void *bytes, size_t n);
/* Aligned to 64 bytes, for kernels; freed with free(). */
void *memory_aligned(size_t n, size_t size);

#endif
