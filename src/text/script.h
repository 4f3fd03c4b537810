/* What the script of a text decides: whether words are separated by spaces, and which fixed texts fit it. */
#ifndef LANCET_SCRIPT_H
#define LANCET_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script { SCRIPT_OTHER, SCRIPT_HAN, SCRIPT_KANA };

/* Of a code point. Hangul and all alphabets are SCRIPT_OTHER. */
enum script script_of(uint32_t code);
/* Words of these scripts are not separated by spaces (Han, Kana, Thai, Lao, Khmer, Myanmar, Tibetan). */
bool script_unspaced(uint32_t code);
/* KANA if there is any Kana, else HAN if there is any Han character, else OTHER. */
enum script script_of_text(const char *text, size_t n);
/* Whether a space belongs between a text and the word that continues it. */
bool script_space_between(const char *text, size_t n, const char *word, size_t word_n);

#endif
