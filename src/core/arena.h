/* Many small blocks with one lifetime: names, shapes, tables. */
#ifndef LANCET_ARENA_H
#define LANCET_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *newest;
};

/* A zeroed struct arena is an empty arena. Both return NULL when memory is out; blocks are aligned to 16
 * bytes, arrays are zeroed. */
void *arena_array(struct arena *arena, size_t n, size_t size);
char *arena_copy(struct arena *arena, const void *bytes, size_t n); /* NUL-terminated */
void arena_release(struct arena *arena);

#endif
