/* A validating JSON pull scanner over one buffer: RFC 8259 strictly, exact integers, UTF-8 checked, duplicate keys are
 * the caller's affair, depth limit, line and column in every error. Linear time, no allocation but for escaped strings
 * (unescaped into the scanner's own buffer). It feeds tables directly (safetensors headers, 33 MB tokenizers); smaller
 * documents go on to json_document.h.
 *
 *     struct json_scan s; json_scan_init(&s, "FILE", text, n);
 *     json_object_begin(&s, err); while (json_object_next(&s, &key, &more, err) && more) { ... json_skip ... }
 */
#ifndef LANCET_JSON_SCAN_H
#define LANCET_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_text { /* an unescaped string: borrowed, valid until the next string is read unless it had no escapes */
    const char *data;
    size_t length;
};

enum { JSON_MAX_DEPTH = 64 };

struct json_scan {
    const char *name; /* file, for sentences */
    const char *text;
    size_t length, position;
    unsigned depth, max_depth;
    bool first[JSON_MAX_DEPTH]; /* no member read yet at this depth */
    char *buffer;               /* unescaped string */
    size_t buffer_size;
};

void json_scan_init(struct json_scan *s, const char *name, const char *text, size_t length);
void json_scan_release(struct json_scan *s);
/* ERROR_FORMAT "NAME:line:column: ...". Returns false. */
bool json_scan_error(const struct json_scan *s, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool json_peek(struct json_scan *s, enum json_type *type, struct error *err);
bool json_object_begin(struct json_scan *s, struct error *err);
bool json_object_next(struct json_scan *s, struct json_text *key, bool *more, struct error *err);
bool json_array_begin(struct json_scan *s, struct error *err);
bool json_array_next(struct json_scan *s, bool *more, struct error *err);
bool json_string(struct json_scan *s, struct json_text *out, struct error *err);
bool json_bool(struct json_scan *s, bool *out, struct error *err);
bool json_null(struct json_scan *s, struct error *err);
bool json_number(struct json_scan *s, double *out, struct error *err);
/* A non-negative integer spelt as one: 1e3, -0, 01 and 1.0 are errors. */
bool json_u64(struct json_scan *s, uint64_t *out, struct error *err);
/* Skips one value; *start and *n (may be NULL) tell the bytes that it covered. */
bool json_skip(struct json_scan *s, const char **start, size_t *n, struct error *err);
/* Only white space may follow. */
bool json_end(struct json_scan *s, struct error *err);

bool json_text_equal(struct json_text a, const char *b);

#endif
