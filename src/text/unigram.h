/* Unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959): of all ways to cut a text into
 * pieces, the one whose scores have the largest sum, found from left to right (Viterbi):
 *
 *     best[0] = 0,  best[e] = max over pieces p = text[s, e) of best[s] + score(p)
 *
 * of equal sums the one found first, as the tokenizers library and SentencePiece do it. A character that is
 * no piece by itself may be unknown, for the lowest score less 10; neighbours of that kind become one unknown
 * token, or their bytes. */
#ifndef LANCET_UNIGRAM_H
#define LANCET_UNIGRAM_H

#include "byte_pieces.h"
#include "prefixes.h"
#include "tokenizer.h"

struct unigram {
    struct prefixes prefixes;
    double *scores; /* [ids], owned */
    double unknown_score;
    uint32_t unknown; /* NO_PIECE: there is none, an error once a text needs it */
    bool single;      /* sums are rounded to float, as in SentencePiece */
    bool byte_fallback;
    uint32_t bytes[256];
};

struct unigram_node { /* the best way to the place where a piece ends */
    double score;
    uint32_t start, id;
};
struct unigram_work { /* memory that is used again from piece to piece; a zeroed one is empty */
    struct unigram_node *nodes;
    size_t capacity;
};

#define UNIGRAM_PENALTY 10

void unigram_release(struct unigram *u);
void unigram_work_release(struct unigram_work *work);

/* Appends the tokens of text[start, end), valid UTF-8, to *out; `start` of a token is its byte in `text`. */
bool unigram_encode(const struct unigram *u, const char *text, size_t start, size_t end,
                    struct unigram_work *work, struct token_list *out, struct error *err);

#endif
