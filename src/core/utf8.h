/* UTF-8, decoded strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LANCET_UTF8_H
#define LANCET_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_BAD = 0x7fffffff };

/* Decodes the character at s (n >= 1 bytes left). Returns how many bytes it covers. A malformed sequence sets
 * *code to UTF8_BAD and covers its longest prefix that could have begun a character (at least one byte): so
 * as many U+FFFD come out as Python and the Unicode standard write. */
static inline size_t utf8_decode(const char *s, size_t n, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    *code = UTF8_BAD;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 1;
    size_t length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    uint32_t value = p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (i >= n || p[i] < low || p[i] > high)
            return i;
        value = value << 6 | (p[i] & 0x3fu);
        low = 0x80;
        high = 0xbf;
    }
    *code = value;
    return length;
}

/* Writes a code point (at most U+10FFFF) and returns its length. */
static inline size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)((0xf00 >> length & 0xff) | code);
    return length;
}

#endif
