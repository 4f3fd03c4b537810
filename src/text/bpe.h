/* Byte-pair encoding of one piece of text (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, in the
 * form of the tokenizers library):
 *
 *     symbols = the characters of the piece; one that the vocabulary lacks becomes its bytes (byte_fallback),
 *               else the unknown token, else nothing
 *     while two neighbours have a merge: join the pair of lowest rank, of equal ranks the leftmost
 *
 * Where no merges are listed (SentencePiece, tiktoken), two neighbours merge whenever the vocabulary has
 * their texts together as a piece, of the best score first; a character need not be a piece for that.
 *
 * A heap of candidates makes it O(n log n). A text that was not cut into words (Gemma, Llama 2) is cut where
 * no merge can ever join the characters left and right, so the heaps stay small. */
#ifndef LANCET_BPE_H
#define LANCET_BPE_H

#include "byte_pieces.h"
#include "merges.h"
#include "prefixes.h"
#include "tokenizer.h"
#include "vocabulary.h"

enum { BPE_QUICK = 0x180 };

struct bpe {
    const struct vocabulary *vocabulary; /* borrowed */
    struct merges merges;
    uint32_t
        *ranks; /* [ids], owned: where no merges are listed, when a piece is made; NO_PIECE: never. Or NULL */
    struct prefixes frozen; /* with ranks: pieces that are cut out first and never merge */
    const char *prefix,
        *suffix; /* of a character that is not the first / the last of its piece; "" for none */
    bool fuse_unknown, byte_fallback, ignore_merges;
    bool raw_bytes; /* with ranks: bytes that are not UTF-8 become their byte pieces, not those of U+FFFD */
    const char *unknown_piece; /* NULL: unknown characters are dropped */
    uint32_t unknown;          /* its id; NO_PIECE when the vocabulary lacks it, an error once it is needed */
    uint32_t bytes[256];       /* ids of <0x00> to <0xFF>, or NO_PIECE */
    uint32_t quick[BPE_QUICK]; /* ids of the first characters of Unicode, or NO_PIECE */
};

enum { BPE_MAX_AFFIX = 64 }; /* bytes of a prefix or a suffix */

/* Fills the tables of ids from the vocabulary; the other members are set, but for the merges. */
void bpe_prepare(struct bpe *bpe);
/* Lets pieces be made by their texts, those of the lowest rank first; takes `ranks` over, after failure too.
 */
bool bpe_join_by_rank(struct bpe *bpe, uint32_t *ranks, struct error *err);
void bpe_release(struct bpe *bpe);

/* Memory that is used again from piece to piece of one text, and what the text's earlier words became. */
struct bpe_work {
    struct bpe_symbol *symbols;
    struct bpe_candidate *heap;
    struct bpe_word *words;
    const char *piece;      /* that is being encoded */
    const char *original;   /* the text as given */
    const uint32_t *origin; /* where in it a byte of the present text comes from */
    size_t n_symbols, symbols_capacity, n_heap, heap_capacity;
};
void bpe_work_release(struct bpe_work *work);
/* For long texts: words that come again are not merged again. Not for models with a prefix or a suffix. */
bool bpe_work_remember(struct bpe_work *work, struct error *err);

/* Appends the tokens of text[start, end), valid UTF-8, to *out; `start` of a token is its byte in `text`,
 * `end` is left 0. All pieces that share a `work` are pieces of one text, and go to one list. */
bool bpe_encode(const struct bpe *bpe, const char *text, size_t start, size_t end, struct bpe_work *work,
                struct token_list *out, struct error *err);

#endif
