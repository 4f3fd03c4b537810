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

/* Characters that move the cursor, change the terminal, or reorder what the reader sees. */
static bool is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

void str_append_escaped(struct str *s, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t length = utf8_decode(bytes + i, n - i, &code);
        if (code == UTF8_BAD)
            for (size_t k = 0; k < length; k++)
                str_printf(s, "\\x%02x", (unsigned char)bytes[i + k]);
        else if (code == '\n')
            str_append(s, "\\n");
        else if (code == '\t')
            str_append(s, "\\t");
        else if (code == '\r')
            str_append(s, "\\r");
        else if (is_harmful(code))
            str_printf(s, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
        else
            str_append_bytes(s, bytes + i, length);
        i += length;
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
