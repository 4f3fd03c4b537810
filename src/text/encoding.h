/* A text while it is tokenized: its present form, and the pieces into which it is cut so far. */
#ifndef LANCET_ENCODING_H
#define LANCET_ENCODING_H

#include "aligned.h"
#include "bpe.h"
#include "stage.h"
#include "unigram.h"

#define PIECE_TEXT UINT32_MAX

struct piece {
    uint32_t start, end; /* bytes of the present text */
    uint32_t id;         /* of an added token, or PIECE_TEXT */
};

struct piece_list {
    struct piece *items;
    size_t n, capacity;
};

struct encoding {
    struct aligned text, next; /* stages that change the text write the next one */
    struct piece_list pieces, next_pieces;
    bool marked; /* special tokens were marked: none is looked for */
    struct match_list matches;
    struct bpe_work work;
    struct unigram_work lattice;
};

/* One piece that is the whole text. Release after failure too. */
bool encoding_init(struct encoding *e, const char *text, size_t n, enum invalid_utf8 invalid,
                   struct error *err);
void encoding_release(struct encoding *e);

/* Adds to the next pieces; an empty one is left out. */
bool encoding_add(struct encoding *e, size_t start, size_t end, uint32_t id, struct error *err);
/* Makes the next pieces the present ones. */
void encoding_advance(struct encoding *e);

/* Changes the text of every piece that is no token; a piece that becomes empty goes away. */
bool encoding_rewrite(struct encoding *e, const struct stage *stage, rewrite_fn rewrite, struct error *err);

/* Puts matches and gaps of a text into *out, as pattern_find does. */
typedef bool (*find_fn)(const struct stage *stage, const char *text, size_t n, struct match_list *out,
                        struct error *err);
/* Cuts every piece that is no token. `invert` swaps matches and gaps. */
bool encoding_split(struct encoding *e, const struct stage *stage, find_fn find, enum split_behavior behavior,
                    bool invert, struct error *err);

#endif
