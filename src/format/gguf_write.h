/* A new GGUF file: metadata value by value, then tensors. */
#ifndef LANCET_GGUF_WRITE_H
#define LANCET_GGUF_WRITE_H

#include "gguf.h"
#include "str.h"

struct gguf_values { /* zeroed: empty; a failure of memory is remembered in text.failed */
    struct str text; /* as it is stored */
    uint64_t n;
};
void gguf_put_u32(struct gguf_values *values, const char *key, uint32_t value);
void gguf_put_f32(struct gguf_values *values, const char *key, float value);
void gguf_put_bool(struct gguf_values *values, const char *key, bool value);
void gguf_put_text(struct gguf_values *values, const char *key, const char *text, size_t n);
/* An array of n elements, which the caller appends to values->text as they are stored, strings with
 * gguf_put_string. */
void gguf_put_array(struct gguf_values *values, const char *key, enum gguf_type type, uint64_t n);
void gguf_put_string(struct gguf_values *values, const char *text, size_t n);

/* Sets offset and bytes of the plans, which stay in order; the head of the file, version 3, with the plans'
 * shapes from last to first. ERROR_UNSUPPORTED for what ggml does not read: another dtype, rows that do not
 * fill blocks, more than 4 dimensions, names of more than 63 bytes. *head is malloc'ed. */
bool gguf_layout(struct tensor_plan *tensors, size_t n, const struct gguf_values *values, uint8_t **head,
                 size_t *head_bytes, uint64_t *file_bytes, struct error *err);

#endif
