#include "byte_pieces.h"

#include <stdio.h>
#include <string.h>

void byte_pieces_find(const struct vocabulary *v, uint32_t ids[256])
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        if (!vocabulary_find(v, name, 6, &ids[byte]))
            ids[byte] = NO_PIECE;
    }
}

bool byte_pieces_complete(const uint32_t ids[256], const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[(unsigned char)bytes[i]] == NO_PIECE)
            return false;
    return true;
}

bool byte_piece_value(const char *piece, size_t n, unsigned char *byte)
{
    static const char digits[] = "0123456789abcdef";
    if (n != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>')
        return false;
    unsigned value = 0;
    for (int i = 3; i < 5; i++) {
        char c = piece[i] >= 'A' && piece[i] <= 'F' ? (char)(piece[i] | 0x20) : piece[i];
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit)
            return false;
        value = value << 4 | (unsigned)(digit - digits);
    }
    *byte = (unsigned char)value;
    return true;
}
