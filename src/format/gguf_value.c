/* Metadata of a GGUF: looking values up and reading them where they lie. */
#include <stdlib.h>
#include <string.h>

#include "gguf.h"
#include "quote.h"

enum { LENGTH_BYTES = 8 };

const char *gguf_type_name(enum gguf_type type)
{
    static const char *const names[GGUF_TYPES] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                  "bool", "string", "array", "u64", "i64", "f64"};
    return names[type];
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct gguf_value *)a)->key, ((const struct gguf_value *)b)->key);
}

const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key)
{
    struct gguf_value wanted = {.key = key};
    return gguf->n_values ? bsearch(&wanted, gguf->values, gguf->n_values, sizeof wanted, by_key) : NULL;
}

/* ---- numbers ---- */

#define LOAD(TYPE)                                                                                           \
    do {                                                                                                     \
        TYPE e;                                                                                              \
        memcpy(&e, value->bytes + i * sizeof e, sizeof e);                                                   \
        *out = (__typeof__(*out))e;                                                                          \
        return true;                                                                                         \
    } while (0)

bool gguf_i64(const struct gguf_value *value, uint64_t i, int64_t *out)
{
    uint64_t large;
    if (!value || i >= value->n)
        return false;
    switch (value->type) {
    case GGUF_U8:
        LOAD(uint8_t);
    case GGUF_I8:
        LOAD(int8_t);
    case GGUF_U16:
        LOAD(uint16_t);
    case GGUF_I16:
        LOAD(int16_t);
    case GGUF_U32:
        LOAD(uint32_t);
    case GGUF_I32:
        LOAD(int32_t);
    case GGUF_I64:
        LOAD(int64_t);
    case GGUF_U64:
        memcpy(&large, value->bytes + i * sizeof large, sizeof large);
        if (large > INT64_MAX)
            return false;
        *out = (int64_t)large;
        return true;
    default:
        return false;
    }
}

bool gguf_u64(const struct gguf_value *value, uint64_t i, uint64_t *out)
{
    int64_t number;
    if (value && value->type == GGUF_U64 && i < value->n)
        LOAD(uint64_t);
    if (!gguf_i64(value, i, &number) || number < 0)
        return false;
    *out = (uint64_t)number;
    return true;
}

bool gguf_f64(const struct gguf_value *value, uint64_t i, double *out)
{
    int64_t integer;
    uint64_t large;
    if (value && value->type == GGUF_F32 && i < value->n)
        LOAD(float);
    if (value && value->type == GGUF_F64 && i < value->n)
        LOAD(double);
    if (gguf_i64(value, i, &integer))
        *out = (double)integer;
    else if (gguf_u64(value, i, &large))
        *out = (double)large;
    else
        return false;
    return true;
}

bool gguf_bool(const struct gguf_value *value, uint64_t i, bool *out)
{
    if (!value || value->type != GGUF_BOOL || i >= value->n)
        return false;
    *out = value->bytes[i] != 0;
    return true;
}

/* ---- strings ---- */

/* Lengths are looked at again: the file may be another one than it was when it was checked. */
static bool next_text(const uint8_t **at, size_t *left, const char **text, size_t *n)
{
    uint64_t length;
    if (*left < LENGTH_BYTES)
        return false;
    memcpy(&length, *at, sizeof length);
    if (length > *left - LENGTH_BYTES)
        return false;
    *text = (const char *)*at + LENGTH_BYTES;
    *n = (size_t)length;
    *at += LENGTH_BYTES + (size_t)length;
    *left -= LENGTH_BYTES + (size_t)length;
    return true;
}

bool gguf_text(const struct gguf_value *value, const char **text, size_t *n)
{
    if (!value || value->type != GGUF_STRING || value->is_array)
        return false;
    const uint8_t *at = value->bytes;
    size_t left = value->n_bytes;
    return next_text(&at, &left, text, n);
}

bool gguf_text_is(const struct gguf_value *value, const char *text)
{
    const char *found;
    size_t n;
    return gguf_text(value, &found, &n) && n == strlen(text) && memcmp(found, text, n) == 0;
}

struct gguf_texts gguf_texts(const struct gguf_value *value)
{
    if (!value || value->type != GGUF_STRING || !value->is_array)
        return (struct gguf_texts){NULL, 0};
    return (struct gguf_texts){value->bytes, value->n_bytes};
}

bool gguf_texts_next(struct gguf_texts *texts, const char **text, size_t *n)
{
    return next_text(&texts->at, &texts->left, text, n);
}

/* ---- arrays ---- */

bool gguf_array(const struct gguf *gguf, const char *key, enum gguf_type type, uint64_t n,
                const struct gguf_value **out, struct error *err)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    if (value && (!value->is_array || value->type != type))
        return error_set(err, ERROR_FORMAT, "%s: %s is %s%s, expected an array of %s", gguf->name,
                         quote(key).text, value->is_array ? "an array of " : "", gguf_type_name(value->type),
                         gguf_type_name(type));
    if (value && n != GGUF_ANY && value->n != n)
        return error_set(err, ERROR_FORMAT, "%s: %s has %llu elements, expected %llu", gguf->name,
                         quote(key).text, (unsigned long long)value->n, (unsigned long long)n);
    *out = value;
    return true;
}
