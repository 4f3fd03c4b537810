/* Added tokens: texts that are one token wherever they stand, found before the model sees the text.
 *
 * Those with normalized = false are looked for in the text as given, the others in the normalized text, each
 * time the leftmost and of these the longest. single_word: only between characters that are no \w. lstrip,
 * rstrip: the white space beside it belongs to it. */
#ifndef LANCET_ADDED_TOKENS_H
#define LANCET_ADDED_TOKENS_H

#include "encoding.h"

struct added_token {
    struct json_text content, normal; /* normal: what is looked for */
    uint64_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    bool hidden;      /* is not looked for: texts do not hold it, models do */
    bool was_special; /* some entry of the same content was: it counts as special when text is decoded */
};

struct added_matcher {
    uint32_t *order; /* [n] indices of tokens, sorted by `normal` */
    size_t n;
    uint32_t first[257]; /* order[first[b], first[b + 1]) begin with byte b */
};

struct added_tokens { /* a zeroed one is empty */
    struct added_token *items;
    size_t n, capacity;
    struct vocabulary by_content; /* its ids are indices of items */
    uint32_t *by_id;              /* [size] index + 1, or 0 */
    uint32_t size;                /* highest id + 1 */
    struct added_matcher raw, normal;
};

/* Appends a token, or gives the flags of this one to the token of the same content. Contents are borrowed. */
bool added_tokens_add(struct added_tokens *added, struct added_token token, struct error *err);
/* Makes the tables, once all tokens have ids and `normal`. */
bool added_tokens_finish(struct added_tokens *added, struct error *err);
void added_tokens_release(struct added_tokens *added);

/* NULL when there is none. */
const struct added_token *added_tokens_by_id(const struct added_tokens *added, uint32_t id);
struct added_token *added_tokens_find(const struct added_tokens *added, const char *content, size_t n);

/* Cuts the marks (tokenizer.h) out of a text that nothing was done to yet. */
struct token_mark;
bool added_tokens_mark(const struct added_tokens *added, struct encoding *e, const struct token_mark *marks,
                       size_t n_marks, struct error *err);

/* Cuts the tokens of a matcher out of every piece that is no token yet. */
bool added_tokens_split(const struct added_tokens *added, const struct added_matcher *matcher,
                        struct encoding *e, struct error *err);

#endif
