#include "aligned.h"

#include <string.h>

#include "memory.h"
#include "utf8.h"

bool aligned_reserve(struct aligned *a, size_t more, struct error *err)
{
    if (more > a->limit - a->n)
        return error_set(err, ERROR_UNSUPPORTED,
                         "the stages of the tokenizer make the text longer than %zu bytes", a->limit);
    if (more <= a->capacity - a->n && a->data)
        return true;
    size_t capacity = a->capacity + a->capacity / 2 + 64;
    if (capacity < a->n + more)
        capacity = a->n + more;
    char *data = memory_resize(a->data, capacity, 1);
    if (!data)
        return error_memory(err, "tokenizing a text");
    a->data = data;
    uint32_t *origin = memory_resize(a->origin, capacity + 1, sizeof *origin);
    if (!origin)
        return error_memory(err, "tokenizing a text");
    if (!a->origin)
        origin[0] = 0;
    a->origin = origin;
    a->capacity = capacity;
    return true;
}

/* Bytes at the start of `text` that are not UTF-8 and become one U+FFFD; `part` of them broke off. */
static size_t count_invalid(const char *text, size_t n, size_t part, enum invalid_utf8 invalid)
{
    unsigned char lead = (unsigned char)text[0];
    size_t promised = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return invalid == INVALID_BY_PART ? part : invalid == INVALID_BY_BYTE ? 1 : promised < n ? promised : n;
}

bool aligned_init(struct aligned *a, const char *text, size_t n, enum invalid_utf8 invalid, struct error *err)
{
    *a = (struct aligned){.limit = ALIGNED_GROWTH * (n < ALIGNED_MAX ? n : ALIGNED_MAX) + ALIGNED_EXTRA};
    if (n > ALIGNED_MAX)
        return error_set(err, ERROR_UNSUPPORTED, "the text has %zu bytes, a tokenizer takes at most %zu", n,
                         ALIGNED_MAX);
    if (!aligned_reserve(a, n, err))
        return false;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t length = utf8_decode(text + i, n - i, &code);
        bool bad = code == UTF8_BAD;
        if (bad)
            length = count_invalid(text + i, n - i, length, invalid);
        size_t put = bad ? 3 : length;
        if (bad && !aligned_reserve(a, 3 + (n - i), err))
            return false;
        memcpy(a->data + a->n, bad ? "\xef\xbf\xbd" : text + i, put);
        for (size_t k = 0; k < put; k++)
            a->origin[a->n + k] = (uint32_t)(i + (k < length ? k : length));
        a->n += put;
        i += length;
    }
    a->origin[a->n] = (uint32_t)n;
    return true;
}

void aligned_release(struct aligned *a)
{
    free(a->data);
    free(a->origin);
    *a = (struct aligned){0};
}

bool aligned_put(struct aligned *a, const char *bytes, size_t n, const struct aligned *source, size_t from,
                 size_t to, struct error *err)
{
    if (!aligned_reserve(a, n, err))
        return false;
    if (n)
        memcpy(a->data + a->n, bytes, n);
    for (size_t i = 0; i < n; i++)
        a->origin[a->n + i] = source->origin[from + i < to ? from + i : to];
    a->n += n;
    a->origin[a->n] = source->origin[to];
    return true;
}

bool aligned_copy(struct aligned *a, const struct aligned *source, size_t from, size_t to, struct error *err)
{
    return aligned_put(a, source->data + from, to - from, source, from, to, err);
}

void aligned_truncate(struct aligned *a, size_t n)
{
    a->n = n;
}

void aligned_clear(struct aligned *a)
{
    a->n = 0;
    if (a->origin)
        a->origin[0] = 0;
}
