/* The byte-level alphabet of GPT-2: each byte is written as one printable character. Bytes 21-7E, A1-AC and
 * AE-FF are the character of the same number, the other 68 in rising order U+0100 to U+0143 (a space is
 * U+0120). */
#ifndef LANCET_BYTE_MAP_H
#define LANCET_BYTE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character of a byte. */
uint32_t byte_map_character(unsigned char byte);
/* The byte of a character; false for a character outside the alphabet. */
bool byte_map_byte(uint32_t code, unsigned char *byte);

#endif
