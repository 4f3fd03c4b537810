#include "json_write.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static bool put_file(void *sink, const char *bytes, size_t n)
{
    return fwrite_unlocked(bytes, 1, n, sink) == n;
}

static bool put_str(void *sink, const char *bytes, size_t n)
{
    struct str *s = sink;
    str_append_bytes(s, bytes, n);
    return !s->failed;
}

void json_write_to_file(struct json_write *w, FILE *file, bool pretty)
{
    *w = (struct json_write){.put = put_file, .sink = file, .pretty = pretty};
}

void json_write_to_str(struct json_write *w, struct str *s, bool pretty)
{
    *w = (struct json_write){.put = put_str, .sink = s, .pretty = pretty};
}

static void put(struct json_write *w, const char *bytes, size_t n)
{
    if (!w->failed && !w->put(w->sink, bytes, n))
        w->failed = true;
}

static void put_text(struct json_write *w, const char *text)
{
    put(w, text, strlen(text));
}

static void new_line(struct json_write *w)
{
    char text[1 + 2 * JSON_WRITE_DEPTH];
    size_t n = 1 + 2 * (size_t)w->depth;
    memset(text, ' ', n);
    text[0] = '\n';
    put(w, text, n);
}

/* What stands before a value or a key: nothing, a comma, a new line. */
static void separate(struct json_write *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    bool first = w->first[w->depth - 1];
    w->first[w->depth - 1] = false;
    if (!first)
        put(w, ",", 1);
    if (w->pretty && !w->flat_since)
        new_line(w);
    else if (w->pretty && !first)
        put(w, " ", 1);
}

static void begin(struct json_write *w, char open)
{
    separate(w);
    assert(w->depth < JSON_WRITE_DEPTH);
    put(w, &open, 1);
    w->first[w->depth++] = true;
    if (!w->flat_since && w->flat_from && w->depth >= w->flat_from)
        w->flat_since = w->depth;
}

static void end(struct json_write *w, char close)
{
    assert(w->depth > 0 && !w->after_key);
    bool flat = w->flat_since, empty = w->first[w->depth - 1];
    if (w->flat_since == w->depth)
        w->flat_since = 0;
    w->depth--;
    if (w->pretty && !flat && !empty)
        new_line(w);
    put(w, &close, 1);
}

void json_write_object_begin(struct json_write *w)
{
    begin(w, '{');
}

void json_write_object_end(struct json_write *w)
{
    end(w, '}');
}

void json_write_array_begin(struct json_write *w)
{
    begin(w, '[');
}

void json_write_array_end(struct json_write *w)
{
    end(w, ']');
}

/* Bytes up to the next one that has to be written otherwise: JSON may be shown on a terminal, too. */
static size_t plain(const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            break;
        uint32_t code;
        size_t length = utf8_decode(bytes + i, n - i, &code);
        if (code == UTF8_BAD || character_is_harmful(code))
            break;
        i += length;
    }
    return i;
}

static size_t put_special(struct json_write *w, const char *bytes, size_t n)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    unsigned char c = (unsigned char)bytes[0];
    for (size_t i = 0; i + 1 < sizeof names; i += 2)
        if (c == (unsigned char)names[i]) {
            put(w, "\\", 1);
            put(w, names + i + 1, 1);
            return 1;
        }
    uint32_t code;
    size_t length = utf8_decode(bytes, n, &code);
    if (code == UTF8_BAD) {
        put(w, "\xef\xbf\xbd", 3);
    } else { /* harmful on a terminal, and below 0x10000 */
        char escape[12];
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
        put_text(w, escape);
    }
    return length;
}

static void put_string(struct json_write *w, const char *bytes, size_t n)
{
    put(w, "\"", 1);
    for (size_t i = 0; i < n;) {
        size_t length = plain(bytes + i, n - i);
        put(w, bytes + i, length);
        i += length;
        if (i < n)
            i += put_special(w, bytes + i, n - i);
    }
    put(w, "\"", 1);
}

void json_write_key(struct json_write *w, const char *key)
{
    separate(w);
    put_string(w, key, strlen(key));
    put_text(w, w->pretty ? ": " : ":");
    w->after_key = true;
}

void json_write_string(struct json_write *w, const char *text)
{
    if (!text) {
        json_write_null(w);
        return;
    }
    json_write_string_n(w, text, strlen(text));
}

void json_write_string_n(struct json_write *w, const char *bytes, size_t n)
{
    separate(w);
    put_string(w, bytes, n);
}

void json_write_u64(struct json_write *w, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    separate(w);
    put_text(w, text);
}

void json_write_i64(struct json_write *w, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    separate(w);
    put_text(w, text);
}

void json_write_double(struct json_write *w, double value)
{
    if (!isfinite(value)) {
        json_write_null(w);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    separate(w);
    put_text(w, text);
}

static void put_float(struct json_write *w, float value, const char *whole)
{
    if (!isfinite(value)) {
        json_write_null(w);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    separate(w);
    put_text(w, text);
    if (!strpbrk(text, ".e"))
        put_text(w, whole);
}

void json_write_float(struct json_write *w, float value)
{
    put_float(w, value, "");
}

void json_write_float_point(struct json_write *w, float value)
{
    put_float(w, value, ".0");
}

void json_write_bool(struct json_write *w, bool value)
{
    separate(w);
    put_text(w, value ? "true" : "false");
}

void json_write_null(struct json_write *w)
{
    separate(w);
    put_text(w, "null");
}

bool json_write_finish(struct json_write *w, const char *name, struct error *err)
{
    assert(w->depth == 0);
    errno = 0;
    if (w->pretty)
        put(w, "\n", 1);
    if (!w->failed && w->put == put_file && fflush(w->sink))
        w->failed = true;
    if (!w->failed)
        return true;
    return errno ? error_set_errno(err, "%s: cannot write", name)
                 : error_set(err, ERROR_IO, "%s: cannot write", name);
}

void json_write_member_string(struct json_write *w, const char *key, const char *text)
{
    json_write_key(w, key);
    json_write_string(w, text);
}

void json_write_member_u64(struct json_write *w, const char *key, uint64_t value)
{
    json_write_key(w, key);
    json_write_u64(w, value);
}

void json_write_member_double(struct json_write *w, const char *key, double value)
{
    json_write_key(w, key);
    json_write_double(w, value);
}

void json_write_member_bool(struct json_write *w, const char *key, bool value)
{
    json_write_key(w, key);
    json_write_bool(w, value);
}
