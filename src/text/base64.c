#include "base64.h"

#include <stdint.h>

/* The six bits of a character; 64 for one outside the alphabet. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

bool base64_decode(const char *text, size_t n, unsigned char *out, size_t *n_out)
{
    size_t made = 0;
    if (n % 4)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        bool last = i + 4 == n;
        size_t padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] == '=' ? 2 : 1;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            unsigned value = k < 4 - padding ? value_of(text[i + k]) : 0;
            if (value == 64)
                return false;
            bits = bits << 6 | value;
        }
        for (size_t k = 0; k < 3 - padding; k++)
            out[made++] = (unsigned char)(bits >> (16 - 8 * k));
    }
    *n_out = made;
    return true;
}
