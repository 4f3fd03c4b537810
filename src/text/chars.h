/* Classes of characters as the tokenizers library tells them apart. */
#ifndef LANCET_CHARS_H
#define LANCET_CHARS_H

#include <stdbool.h>
#include <stdint.h>

bool char_is_space(uint32_t code);       /* Unicode White_Space; U+180E is none */
bool char_is_word(uint32_t code);        /* \w: alphabetic, marks, numbers (Nd, Nl), connectors, joiners */
bool char_is_numeric(uint32_t code);     /* categories Nd, Nl, No */
bool char_is_punctuation(uint32_t code); /* ASCII punctuation or a category P* */

#endif
