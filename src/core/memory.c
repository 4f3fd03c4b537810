#include "memory.h"

#include <string.h>

#include "size.h"

void *memory_array(size_t n, size_t size)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *memory_zeroed(size_t n, size_t size)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *memory_resize(void *block, size_t n, size_t size)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes))
        return NULL;
    return realloc(block, bytes ? bytes : 1);
}

char *memory_string(const char *s)
{
    return memory_copy(s, strlen(s));
}

char *memory_copy(const void *bytes, size_t n)
{
    size_t total;
    if (!size_add(n, 1, &total))
        return NULL;
    char *copy = malloc(total);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    return copy;
}

void *memory_aligned(size_t n, size_t size)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes) || !size_add(bytes, 64, &bytes))
        return NULL;
    return aligned_alloc(64, bytes & ~(size_t)63);
}
