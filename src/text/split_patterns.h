/* How the text is cut into words before a byte-level BPE model sees it, by the name that GGUF has for it
 * (tokenizer.ggml.pre); for vocabularies that come without their stages. */
#ifndef LANCET_SPLIT_PATTERNS_H
#define LANCET_SPLIT_PATTERNS_H

#include "tokenizer_parts.h"

struct split_patterns {
    const char *names[16];   /* up to a NULL */
    const char *patterns[6]; /* each cuts what the one before it left, matches and gaps alike */
    bool nfc;                /* the text is composed first */
    bool ignore_merges;      /* a word that is a piece is one token */
    bool adds_begin;         /* unless the file says otherwise */
};

/* NULL for an unknown name. */
const struct split_patterns *split_patterns_find(const char *name, size_t n);
/* Adds the stages before the model, and the decoder. */
bool split_patterns_add(struct tokenizer *t, const struct split_patterns *row, struct error *err);

#endif
