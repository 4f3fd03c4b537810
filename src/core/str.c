#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "size.h"
#include "utf8.h"

/* Room for n more bytes and the NUL. */
static bool reserve(struct str *s, size_t n)
{
    size_t need;
    if (s->failed || !size_add(s->length, n, &need) || !size_add(need, 1, &need)) {
        s->failed = true;
        return false;
    }
    if (need <= s->capacity)
        return true;
    size_t capacity = s->capacity < 64 ? 64 : s->capacity;
    if (capacity < need && !size_mul(capacity, 2, &capacity))
        capacity = need;
    if (capacity < need)
        capacity = need;
    char *data = memory_resize(s->data, capacity, 1);
    if (!data) {
        s->failed = true;
        return false;
    }
    s->data = data;
    s->capacity = capacity;
    return true;
}

void str_append(struct str *s, const char *text)
{
    str_append_bytes(s, text, strlen(text));
}

void str_append_bytes(struct str *s, const void *bytes, size_t n)
{
    if (!reserve(s, n))
        return;
    if (n)
        memcpy(s->data + s->length, bytes, n);
    s->length += n;
    s->data[s->length] = '\0';
}

void str_printf(struct str *s, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        s->failed = true;
    else if (reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->length, (size_t)n + 1, format, again);
        s->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

bool character_is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

size_t escape_character(const char *bytes, size_t n, char out[ESCAPED_LONGEST], size_t *n_out)
{
    static const char *const short_forms[] = {['\n'] = "\\n", ['\t'] = "\\t", ['\r'] = "\\r"};
    uint32_t code;
    size_t length = utf8_decode(bytes, n, &code), used = 0;
    if (code == UTF8_BAD)
        for (size_t k = 0; k < length; k++)
            used += (size_t)snprintf(out + used, ESCAPED_LONGEST - used, "\\x%02x", (unsigned char)bytes[k]);
    else if (code < sizeof short_forms / sizeof *short_forms && short_forms[code])
        used = (size_t)snprintf(out, ESCAPED_LONGEST, "%s", short_forms[code]);
    else if (character_is_harmful(code))
        used = (size_t)snprintf(out, ESCAPED_LONGEST, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    else {
        memcpy(out, bytes, length);
        used = length;
    }
    *n_out = used;
    return length;
}

void str_append_escaped(struct str *s, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        char escaped[ESCAPED_LONGEST];
        size_t length;
        i += escape_character(bytes + i, n - i, escaped, &length);
        str_append_bytes(s, escaped, length);
    }
}

void str_clear(struct str *s)
{
    s->length = 0;
    s->failed = false;
    if (s->data)
        s->data[0] = '\0';
}

void str_release(struct str *s)
{
    if (!s)
        return;
    free(s->data);
    *s = (struct str){0};
}

char *str_take(struct str *s)
{
    if (!s->failed && !s->data)
        str_append_bytes(s, "", 0);
    char *out = NULL;
    if (!s->failed) {
        out = s->data;
        s->data = NULL;
    }
    str_release(s);
    return out;
}
