/* Numbers as colours: a map from dark violet over teal to yellow whose steps look alike, also to those who do
 * not tell red from green, and in print without colours. */
#ifndef LANCET_COLOUR_MAP_H
#define LANCET_COLOUR_MAP_H

#include <stdint.h>

struct rgb {
    uint8_t red, green, blue;
};

/* fraction is clamped to [0, 1]; NaN counts as 0. */
struct rgb colour_map(double fraction);
/* Black or white, whatever is easier to read on this colour. */
struct rgb colour_of_text(struct rgb background);
/* The same for terminals with 256 colours: the colour, and black or white on it. */
struct terminal_colour {
    uint8_t colour, text;
};
struct terminal_colour colour_of_terminal(double fraction);

#endif
