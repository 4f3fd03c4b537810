#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "size.h"

enum { ARENA_ALIGN = 16, ARENA_FIRST = 4 << 10, ARENA_LARGEST = 1 << 20 };

struct arena_block {
    struct arena_block *older;
    size_t used, capacity;
    alignas(ARENA_ALIGN) unsigned char data[];
};

/* Blocks double up to 1 MiB; a request that is larger than the next block gets one of its own size. */
static bool grow(struct arena *arena, size_t need)
{
    size_t capacity = arena->newest ? arena->newest->capacity * 2 : ARENA_FIRST;
    if (capacity > ARENA_LARGEST)
        capacity = ARENA_LARGEST;
    if (capacity < need)
        capacity = need;
    size_t total;
    if (!size_add(capacity, sizeof(struct arena_block), &total))
        return false;
    struct arena_block *block = memory_array(1, total);
    if (!block)
        return false;
    *block = (struct arena_block){.older = arena->newest, .capacity = capacity};
    arena->newest = block;
    return true;
}

static void *take(struct arena *arena, size_t bytes)
{
    size_t need;
    if (!size_add(bytes ? bytes : 1, ARENA_ALIGN - 1, &need))
        return NULL;
    need &= ~(size_t)(ARENA_ALIGN - 1);
    if ((!arena->newest || arena->newest->capacity - arena->newest->used < need) && !grow(arena, need))
        return NULL;
    void *out = arena->newest->data + arena->newest->used;
    arena->newest->used += need;
    return out;
}

void *arena_array(struct arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes))
        return NULL;
    void *out = take(arena, bytes);
    if (out)
        memset(out, 0, bytes);
    return out;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t n)
{
    size_t total;
    if (!size_add(n, 1, &total))
        return NULL;
    char *out = take(arena, total);
    if (!out)
        return NULL;
    if (n)
        memcpy(out, bytes, n);
    out[n] = '\0';
    return out;
}

void arena_release(struct arena *arena)
{
    if (!arena)
        return;
    while (arena->newest) {
        struct arena_block *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
}
