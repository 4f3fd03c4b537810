/* A block of bytes that grows to what is asked of it and is then used again. */
#ifndef LANCET_BUFFER_H
#define LANCET_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct buffer {
    uint8_t *bytes;
    size_t capacity;
};

/* Room for n bytes; what was there stays. `what` is for the sentence ("saving old bytes"). */
bool buffer_grow(struct buffer *buffer, size_t n, const char *what, struct error *err);
void buffer_release(struct buffer *buffer);

#endif
