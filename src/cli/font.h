/* A bitmap font of our own for pictures: ASCII, and Latin letters with accents over or under them. What it
 * lacks is drawn as a box with the code point in hexadecimal digits. */
#ifndef LANCET_FONT_H
#define LANCET_FONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FONT_WIDTH = 6,   /* of a cell, the gap at its right included */
    FONT_HEIGHT = 12, /* accents of capitals at the top, descenders at the bottom */
    FONT_BODY = 7,    /* a capital letter */
    FONT_TOP = 3      /* rows over it */
};

/* Bits of a cell: row r is rows[r], its column c bit FONT_WIDTH - 1 - c. */
struct glyph {
    uint8_t rows[FONT_HEIGHT];
};

/* False: the font has no picture of it. */
bool font_glyph(uint32_t code, struct glyph *out);

/* A hexadecimal digit of 3 x 5 dots for boxes: bit 14 is its upper left one, rows follow. */
enum { FONT_DIGIT_WIDTH = 3, FONT_DIGIT_HEIGHT = 5 };
uint16_t font_digit(unsigned digit);

#endif
