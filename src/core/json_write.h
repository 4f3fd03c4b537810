/* A streaming JSON writer: never a tree, never a 500 MB string. Numbers are written so that they read back to
 * the same bits (shortest of %.9g for float, %.17g for double); NaN and Inf become null; strings that are not
 * UTF-8 get U+FFFD in place of bad bytes. Errors of the sink are remembered and told once by
 * json_write_finish. */
#ifndef LANCET_JSON_WRITE_H
#define LANCET_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "str.h"

enum { JSON_WRITE_DEPTH = 64 };

struct json_write {
    bool (*put)(void *sink, const char *bytes, size_t n); /* false: it did not go through */
    void *sink;
    unsigned depth; /* open objects and arrays */
    bool pretty, failed;
    bool first[JSON_WRITE_DEPTH], after_key;
    /* With pretty: objects and arrays from this depth on (the outermost value is 1) go on one line; 0: none. */
    unsigned flat_from;
    unsigned flat_since; /* the depth of the value on one line that we are in; 0: none */
};

void json_write_to_file(struct json_write *w, FILE *file, bool pretty);
void json_write_to_str(struct json_write *w, struct str *s, bool pretty);

void json_write_object_begin(struct json_write *w);
void json_write_object_end(struct json_write *w);
void json_write_array_begin(struct json_write *w);
void json_write_array_end(struct json_write *w);
void json_write_key(struct json_write *w, const char *key);
void json_write_string(struct json_write *w, const char *text); /* NULL: null */
void json_write_string_n(struct json_write *w, const char *bytes, size_t n);
void json_write_u64(struct json_write *w, uint64_t value);
void json_write_i64(struct json_write *w, int64_t value);
void json_write_double(struct json_write *w, double value);
void json_write_float(struct json_write *w, float value);
/* 30.0 in place of 30, for readers that tell floats from integers. */
void json_write_float_point(struct json_write *w, float value);
void json_write_bool(struct json_write *w, bool value);
void json_write_null(struct json_write *w);
/* A final newline when pretty, and whether everything went through: else ERROR_IO (`name` is the file). */
bool json_write_finish(struct json_write *w, const char *name, struct error *err);
/* Key and value in one. */
void json_write_member_string(struct json_write *w, const char *key, const char *text);
void json_write_member_u64(struct json_write *w, const char *key, uint64_t value);
void json_write_member_double(struct json_write *w, const char *key, double value);
void json_write_member_bool(struct json_write *w, const char *key, bool value);

#endif
