/* A vocabulary whose pieces have a score and a kind, as tokenizer.model and GGUF hold it, on its way into a
 * tokenizer. Ids are the order of the pieces. */
#ifndef LANCET_SCORED_PIECES_H
#define LANCET_SCORED_PIECES_H

#include "tokenizer_parts.h"

struct scored_pieces { /* zeroed but for t at first */
    struct tokenizer *t;
    float *scores; /* [t->vocabulary.n] */
    size_t capacity;
    bool has[KIND_BYTE + 1]; /* kinds that occur */
};

/* Adds a piece to t->vocabulary and its kind to t->kinds. */
bool scored_pieces_add(struct scored_pieces *s, const char *piece, size_t n, float score,
                       enum piece_kind kind, struct error *err);
void scored_pieces_release(struct scored_pieces *s);

/* The model: BPE by the scores, the best first; or Unigram, where a user-defined piece counts `bonus` times
 * its length in bytes, less `malus`. */
bool scored_pieces_bpe(const struct scored_pieces *s, struct error *err);
bool scored_pieces_unigram(const struct scored_pieces *s, struct error *err);
/* Pieces of the kinds (bits) become added tokens, all but user-defined ones special; hidden: they are not
 * looked for in texts. */
bool scored_pieces_add_tokens(const struct scored_pieces *s, int kinds, bool hidden, struct error *err);

#endif
