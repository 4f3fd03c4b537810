/* WordPiece (https://arxiv.org/abs/1609.08144, as in BERT): of a word the longest piece that it begins with,
 * then the longest of the rest with ## in front of it, and so on; a word that cannot be cut to its end, or is
 * too long, is one unknown token. WordLevel is the same with whole words only. */
#ifndef LANCET_WORDPIECE_H
#define LANCET_WORDPIECE_H

#include "prefixes.h"
#include "tokenizer.h"

struct wordpiece {
    const struct vocabulary *vocabulary; /* borrowed */
    struct prefixes prefixes;            /* not for whole words */
    const char *continuing;              /* what stands in front of a piece that does not begin its word */
    size_t n_continuing;
    uint64_t longest_word; /* in characters */
    const char
        *unknown; /* piece that takes the place of other words; an error where the vocabulary lacks it */
};

void wordpiece_release(struct wordpiece *w);

/* Append the tokens of text[start, end), valid UTF-8, to *out; `start` of a token is its byte in `text`. */
bool wordpiece_encode(const struct wordpiece *w, const char *text, size_t start, size_t end,
                      struct token_list *out, struct error *err);
bool wordlevel_encode(const struct wordpiece *w, const char *text, size_t start, size_t end,
                      struct token_list *out, struct error *err);

#endif
