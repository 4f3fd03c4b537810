#include "buffer.h"

#include "memory.h"

bool buffer_grow(struct buffer *buffer, size_t n, const char *what, struct error *err)
{
    if (n <= buffer->capacity)
        return true;
    uint8_t *grown = memory_resize(buffer->bytes, n, 1);
    if (!grown)
        return error_memory(err, what);
    buffer->bytes = grown;
    buffer->capacity = n;
    return true;
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
