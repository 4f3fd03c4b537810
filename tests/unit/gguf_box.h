/* GGUF files made by hand, piece by piece. */
#ifndef LANCET_TEST_GGUF_BOX_H
#define LANCET_TEST_GGUF_BOX_H

#include "gguf.h"
#include "model_box.h"
#include "str.h"

static inline void put_u32(struct str *s, uint32_t value)
{
    str_append_bytes(s, &value, sizeof value);
}

static inline void put_u64(struct str *s, uint64_t value)
{
    str_append_bytes(s, &value, sizeof value);
}

static inline void put_text(struct str *s, const char *text)
{
    put_u64(s, strlen(text));
    str_append(s, text);
}

static inline void put_head(struct str *s, uint32_t version, uint64_t n_tensors, uint64_t n_values)
{
    str_append(s, "GGUF");
    put_u32(s, version);
    put_u64(s, n_tensors);
    put_u64(s, n_values);
}

static inline void put_key(struct str *s, const char *key, enum gguf_type type)
{
    put_text(s, key);
    put_u32(s, type);
}

static inline void put_key_u32(struct str *s, const char *key, uint32_t value)
{
    put_key(s, key, GGUF_U32);
    put_u32(s, value);
}

static inline void put_key_text(struct str *s, const char *key, const char *text)
{
    put_key(s, key, GGUF_STRING);
    put_text(s, text);
}

static inline void put_array(struct str *s, const char *key, enum gguf_type type, uint64_t n)
{
    put_key(s, key, GGUF_ARRAY);
    put_u32(s, type);
    put_u64(s, n);
}

/* Two dimensions, the fastest first. */
static inline void put_tensor(struct str *s, const char *name, uint64_t in, uint64_t out, uint32_t type,
                              uint64_t offset)
{
    put_text(s, name);
    put_u32(s, 2);
    put_u64(s, in);
    put_u64(s, out);
    put_u32(s, type);
    put_u64(s, offset);
}

/* Zeros up to a multiple of `alignment`. */
static inline void put_padding(struct str *s, size_t alignment)
{
    while (s->length % alignment)
        str_append_bytes(s, "", 1);
}

/* n bytes that count up. */
static inline void put_data(struct str *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_append_bytes(s, &(char){(char)i}, 1);
}

static inline void box_gguf(const char *name, struct str *s)
{
    ck_assert(!s->failed);
    box_write(name, s->data, s->length);
    str_release(s);
}

#endif
