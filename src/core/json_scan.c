#include "json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "utf8.h"

void json_scan_init(struct json_scan *s, const char *name, const char *text, size_t length)
{
    *s = (struct json_scan){.name = name, .text = text, .length = length, .max_depth = JSON_MAX_DEPTH};
}

void json_scan_release(struct json_scan *s)
{
    if (!s)
        return;
    free(s->buffer);
    s->buffer = NULL;
    s->buffer_size = 0;
}

bool json_scan_error(const struct json_scan *s, struct error *err, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < s->position && i < s->length; i++) {
        if (s->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)s->text[i] & 0xc0) != 0x80)
            column++;
    }
    return error_set(err, ERROR_FORMAT, "%s:%zu:%zu: %s", s->name, line, column, sentence);
}

static void skip_space(struct json_scan *s)
{
    while (s->position < s->length) {
        char c = s->text[s->position];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        s->position++;
    }
}

/* What stands at the position, for "found ..." in a sentence. */
static bool unexpected(const struct json_scan *s, struct error *err, const char *expected)
{
    if (s->position >= s->length)
        return json_scan_error(s, err, "the text ends, expected %s", expected);
    unsigned char c = (unsigned char)s->text[s->position];
    if (c > 0x20 && c < 0x7f)
        return json_scan_error(s, err, "found '%c', expected %s", c, expected);
    return json_scan_error(s, err, "found byte 0x%02x, expected %s", c, expected);
}

/* The next character after white space, or -1 at the end. */
static int next_character(struct json_scan *s)
{
    skip_space(s);
    return s->position < s->length ? (unsigned char)s->text[s->position] : -1;
}

bool json_peek(struct json_scan *s, enum json_type *type, struct error *err)
{
    int c = next_character(s);
    switch (c) {
    case '{':
        *type = JSON_OBJECT;
        return true;
    case '[':
        *type = JSON_ARRAY;
        return true;
    case '"':
        *type = JSON_STRING;
        return true;
    case 't':
    case 'f':
        *type = JSON_BOOL;
        return true;
    case 'n':
        *type = JSON_NULL;
        return true;
    default:
        if (c != '-' && (c < '0' || c > '9'))
            return unexpected(s, err, "a value");
        *type = JSON_NUMBER;
        return true;
    }
}

static bool begin(struct json_scan *s, char open, const char *what, struct error *err)
{
    if (next_character(s) != open)
        return unexpected(s, err, what);
    if (s->depth >= s->max_depth || s->depth >= JSON_MAX_DEPTH)
        return json_scan_error(s, err, "nested deeper than %u levels", s->max_depth);
    s->first[s->depth++] = true;
    s->position++;
    return true;
}

/* After a member: true with *more false at the closing bracket, else past the comma. */
static bool next(struct json_scan *s, char close, const char *expected, bool *more, struct error *err)
{
    int c = next_character(s);
    if (c == close) {
        s->position++;
        s->depth--;
        *more = false;
        return true;
    }
    if (s->first[s->depth - 1])
        s->first[s->depth - 1] = false;
    else if (c == ',')
        s->position++;
    else
        return unexpected(s, err, expected);
    *more = true;
    return true;
}

bool json_object_begin(struct json_scan *s, struct error *err)
{
    return begin(s, '{', "an object", err);
}

bool json_array_begin(struct json_scan *s, struct error *err)
{
    return begin(s, '[', "an array", err);
}

bool json_array_next(struct json_scan *s, bool *more, struct error *err)
{
    bool any;
    if (!next(s, ']', "',' or ']'", &any, err))
        return false;
    enum json_type type;
    if (any && !json_peek(s, &type, err))
        return false;
    *more = any;
    return true;
}

static bool hex4(const char *p, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A') + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

/* Checks the escape at the position (a backslash), moves past it and tells the character. */
static bool escape(struct json_scan *s, uint32_t *code, struct error *err)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *p = s->text + s->position;
    size_t left = s->length - s->position;
    if (left < 2)
        return json_scan_error(s, err, "the text ends inside a string");
    const char *simple = p[1] ? strchr(names, p[1]) : NULL;
    if (simple) {
        *code = (unsigned char)values[simple - names];
        s->position += 2;
        return true;
    }
    uint32_t high, low;
    if (p[1] != 'u' || left < 6 || !hex4(p + 2, &high))
        return json_scan_error(s, err, "unknown escape in a string");
    if (high < 0xd800 || high > 0xdfff) {
        *code = high;
        s->position += 6;
        return true;
    }
    if (high > 0xdbff || left < 12 || p[6] != '\\' || p[7] != 'u' || !hex4(p + 8, &low) || low < 0xdc00 ||
        low > 0xdfff)
        return json_scan_error(s, err, "half of a surrogate pair in a string");
    *code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    s->position += 12;
    return true;
}

/* Checks a string and moves past it; *start and *n are its raw bytes between the quotes. */
static bool raw_string(struct json_scan *s, const char **start, size_t *n, bool *has_escape,
                       struct error *err)
{
    if (next_character(s) != '"')
        return unexpected(s, err, "a string");
    size_t from = ++s->position;
    bool escaped = false;
    for (;;) {
        while (s->position < s->length) {
            unsigned char c = (unsigned char)s->text[s->position];
            if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
                break;
            s->position++;
        }
        if (s->position >= s->length)
            return json_scan_error(s, err, "the text ends inside a string");
        unsigned char c = (unsigned char)s->text[s->position];
        uint32_t code = 0;
        if (c == '"')
            break;
        if (c == '\\') {
            escaped = true;
            if (!escape(s, &code, err))
                return false;
        } else if (c < 0x20) {
            return json_scan_error(s, err, "raw control character 0x%02x in a string", c);
        } else {
            size_t length = utf8_decode(s->text + s->position, s->length - s->position, &code);
            if (code == UTF8_BAD)
                return json_scan_error(s, err, "byte 0x%02x is not UTF-8", c);
            s->position += length;
        }
    }
    *start = s->text + from;
    *n = s->position - from;
    *has_escape = escaped;
    s->position++;
    return true;
}

/* The unescaped form is never longer than the raw one, which raw_string has checked. */
static bool unescape(struct json_scan *s, const char *raw, size_t n, struct json_text *out, struct error *err)
{
    if (n > s->buffer_size) {
        size_t size = n > 2 * s->buffer_size ? n : 2 * s->buffer_size;
        char *buffer = memory_resize(s->buffer, size, 1);
        if (!buffer)
            return error_set(err, ERROR_MEMORY, "out of memory while reading %s", s->name);
        s->buffer = buffer;
        s->buffer_size = size;
    }
    struct json_scan inner = {.name = s->name, .text = raw, .length = n};
    size_t length = 0;
    while (inner.position < n) {
        const char *from = raw + inner.position;
        const char *slash = memchr(from, '\\', n - inner.position);
        size_t plain = slash ? (size_t)(slash - from) : n - inner.position;
        memcpy(s->buffer + length, from, plain);
        length += plain;
        inner.position += plain;
        uint32_t code = 0;
        if (!slash)
            break;
        if (!escape(&inner, &code, err))
            return false;
        length += utf8_encode(code, s->buffer + length);
    }
    *out = (struct json_text){s->buffer, length};
    return true;
}

bool json_string(struct json_scan *s, struct json_text *out, struct error *err)
{
    const char *raw;
    size_t n;
    bool escaped;
    if (!raw_string(s, &raw, &n, &escaped, err))
        return false;
    if (escaped)
        return unescape(s, raw, n, out, err);
    *out = (struct json_text){raw, n};
    return true;
}

static bool colon(struct json_scan *s, struct error *err)
{
    if (next_character(s) != ':')
        return unexpected(s, err, "':'");
    s->position++;
    return true;
}

bool json_object_next(struct json_scan *s, struct json_text *key, bool *more, struct error *err)
{
    bool any;
    if (!next(s, '}', "',' or '}'", &any, err))
        return false;
    if (any && (!json_string(s, key, err) || !colon(s, err)))
        return false;
    *more = any;
    return true;
}

static bool word(struct json_scan *s, const char *text, struct error *err)
{
    size_t n = strlen(text);
    if (s->length - s->position < n || memcmp(s->text + s->position, text, n) != 0)
        return json_scan_error(s, err, "found an unknown word, expected '%s'", text);
    s->position += n;
    return true;
}

bool json_bool(struct json_scan *s, bool *out, struct error *err)
{
    int c = next_character(s);
    if (c != 't' && c != 'f')
        return unexpected(s, err, "true or false");
    if (!word(s, c == 't' ? "true" : "false", err))
        return false;
    *out = c == 't';
    return true;
}

bool json_null(struct json_scan *s, struct error *err)
{
    return next_character(s) == 'n' ? word(s, "null", err) : unexpected(s, err, "null");
}

static size_t digits(const struct json_scan *s, size_t from)
{
    size_t i = from;
    while (i < s->length && s->text[i] >= '0' && s->text[i] <= '9')
        i++;
    return i - from;
}

/* Checks the grammar of a number and moves past it. */
static bool raw_number(struct json_scan *s, const char **start, size_t *n, struct error *err)
{
    next_character(s);
    size_t from = s->position, i = from;
    if (i < s->length && s->text[i] == '-')
        i++;
    size_t whole = digits(s, i);
    if (whole == 0)
        return unexpected(s, err, "a number");
    if (whole > 1 && s->text[i] == '0')
        return json_scan_error(s, err, "a number begins with 0");
    i += whole;
    if (i < s->length && s->text[i] == '.') {
        size_t fraction = digits(s, i + 1);
        if (fraction == 0)
            return json_scan_error(s, err, "a number has no digit after its point");
        i += 1 + fraction;
    }
    if (i < s->length && (s->text[i] == 'e' || s->text[i] == 'E')) {
        i++;
        if (i < s->length && (s->text[i] == '+' || s->text[i] == '-'))
            i++;
        size_t exponent = digits(s, i);
        if (exponent == 0)
            return json_scan_error(s, err, "a number has no digit in its exponent");
        i += exponent;
    }
    *start = s->text + from;
    *n = i - from;
    s->position = i;
    return true;
}

bool json_number(struct json_scan *s, double *out, struct error *err)
{
    const char *start;
    size_t n;
    if (!raw_number(s, &start, &n, err))
        return false;
    char small[64], *copy = small; /* strtod wants a NUL, the text has none */
    if (n >= sizeof small)
        copy = memory_copy(start, n);
    else {
        memcpy(small, start, n);
        small[n] = '\0';
    }
    if (!copy)
        return error_set(err, ERROR_MEMORY, "out of memory while reading %s", s->name);
    double value = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    if (!isfinite(value)) {
        s->position -= n;
        return json_scan_error(s, err, "a number is too large for a double");
    }
    *out = value;
    return true;
}

bool json_u64(struct json_scan *s, uint64_t *out, struct error *err)
{
    const char *start;
    size_t n;
    if (!raw_number(s, &start, &n, err))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)start[i] - '0';
        if (digit > 9) {
            s->position -= n;
            return json_scan_error(s, err, "'%.*s' is not spelt as a non-negative integer",
                                   n < 40 ? (int)n : 40, start);
        }
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value)) {
            s->position -= n;
            return json_scan_error(s, err, "an integer is larger than 64 bits");
        }
    }
    *out = value;
    return true;
}

static bool skip_string(struct json_scan *s, struct error *err)
{
    const char *raw;
    size_t n;
    bool escaped;
    return raw_string(s, &raw, &n, &escaped, err);
}

static bool skip_value(struct json_scan *s, struct error *err);

/* Recursion is as deep as the text is nested: at most JSON_MAX_DEPTH. */
static bool skip_object(struct json_scan *s, struct error *err)
{
    bool more;
    if (!json_object_begin(s, err))
        return false;
    while (next(s, '}', "',' or '}'", &more, err)) {
        if (!more)
            return true;
        if (!skip_string(s, err) || !colon(s, err) || !skip_value(s, err))
            return false;
    }
    return false;
}

static bool skip_array(struct json_scan *s, struct error *err)
{
    bool more;
    if (!json_array_begin(s, err))
        return false;
    while (next(s, ']', "',' or ']'", &more, err)) {
        if (!more)
            return true;
        if (!skip_value(s, err))
            return false;
    }
    return false;
}

static bool skip_value(struct json_scan *s, struct error *err)
{
    enum json_type type;
    const char *start;
    size_t n;
    bool flag;
    if (!json_peek(s, &type, err))
        return false;
    switch (type) {
    case JSON_NULL:
        return json_null(s, err);
    case JSON_BOOL:
        return json_bool(s, &flag, err);
    case JSON_NUMBER:
        return raw_number(s, &start, &n, err);
    case JSON_STRING:
        return skip_string(s, err);
    case JSON_ARRAY:
        return skip_array(s, err);
    case JSON_OBJECT:
        return skip_object(s, err);
    }
    return false;
}

bool json_skip(struct json_scan *s, const char **start, size_t *n, struct error *err)
{
    skip_space(s);
    size_t from = s->position;
    if (!skip_value(s, err))
        return false;
    if (start)
        *start = s->text + from;
    if (n)
        *n = s->position - from;
    return true;
}

bool json_end(struct json_scan *s, struct error *err)
{
    return next_character(s) < 0 ? true : unexpected(s, err, "the end of the text");
}

bool json_text_equal(struct json_text a, const char *b)
{
    return strlen(b) == a.length && memcmp(a.data, b, a.length) == 0;
}
