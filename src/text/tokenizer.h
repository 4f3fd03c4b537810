/* Text to token ids with byte offsets, ids to bytes. One pipeline for every tokenizer: added tokens,
 * normalizer, pre-tokenizer, model, post-processor, decoder, each stage a row of a table. */
#ifndef LANCET_TOKENIZER_H
#define LANCET_TOKENIZER_H

#include "checkpoint.h"
#include "str.h"

struct tokenizer; /* immutable after opening; may be used by several threads */

struct token {
    uint32_t id;
    bool placed; /* false for tokens that the post-processor added (BOS): they have no place in the text */
    size_t start,
        end; /* bytes of the text as given that the token covers. Tokens of one text are in order and their
                ranges joined give the text; a character split over several byte tokens gives each its byte;
                text that a normalizer dropped belongs to the token before it (the first: after it) */
};

struct token_list { /* a zeroed one is empty */
    struct token *items;
    size_t n, capacity;
};
bool token_list_add(struct token_list *list, struct token token, struct error *err);
void token_list_release(struct token_list *list);

/* From the metadata of a GGUF, else from the model's tokenizer.json (with tokenizer_config.json's overrides),
 * else vocab.json + merges.txt, else tokenizer.model or *.tiktoken. ERROR_UNSUPPORTED when the model has no
 * tokenizer or a stage that lancet lacks (named). */
bool tokenizer_open(const struct context *context, const struct checkpoint *checkpoint,
                    struct tokenizer **out, struct error *err);
/* From texts in memory: tokenizer.json, and tokenizer_config.json or NULL. `name` is for sentences. */
bool tokenizer_parse(const char *name, const char *json, size_t n, const char *config, size_t config_n,
                     struct tokenizer **out, struct error *err);
/* From the older pair vocab.json + merges.txt (GPT-2 byte-level BPE). */
bool tokenizer_parse_pair(const char *name, const char *vocab, size_t vocab_n, const char *merges,
                          size_t merges_n, struct tokenizer **out, struct error *err);
/* From a tokenizer.model, of SentencePiece or of tiktoken. */
bool tokenizer_parse_model(const char *name, const char *bytes, size_t n, const char *config, size_t config_n,
                           struct tokenizer **out, struct error *err);
void tokenizer_close(struct tokenizer *tokenizer);

/* Appends to *out. `special`: let the post-processor add its tokens (BOS ...). Bytes that are not UTF-8 count
 * as U+FFFD, as many at a time as in Python, or as the reference of the file's kind takes them (aligned.h).
 */
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t n, bool special,
                      struct token_list *out, struct error *err);
/* The same of a text with tokens at given places (marks, in order): [start, end) of each is this token,
 * whatever the bytes there are, and takes in white space beside it as its kind does. Nowhere else is a
 * special token recognised, however it is spelt; the post-processor adds nothing. */
struct token_mark {
    size_t start, end;
    uint32_t id;
};
bool tokenizer_encode_marked(const struct tokenizer *tokenizer, const char *text, size_t n,
                             const struct token_mark *marks, size_t n_marks, struct token_list *out,
                             struct error *err);
/* The decoder's text; special tokens left out with skip_special. Bytes that are not UTF-8 come as U+FFFD. */
bool tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t n, bool skip_special,
                      struct str *out, struct error *err);
/* The bytes that one token stands for inside a text (leading space kept, byte tokens as the byte): for
 * streaming and for showing tokens. Empty for unknown ids. */
bool tokenizer_token_bytes(const struct tokenizer *tokenizer, uint32_t id, struct str *out,
                           struct error *err);
/* The vocabulary entry as stored ("Ġthe", "<0x0A>"), NULL for an unknown id. */
const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t id);
bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id);
bool tokenizer_find(const struct tokenizer *tokenizer, const char *piece, uint32_t *id);
/* Highest id + 1. */
uint32_t tokenizer_size(const struct tokenizer *tokenizer);
/* Tokens that the post-processor puts in front of a text ([n_before] ids, borrowed). */
const uint32_t *tokenizer_prefix(const struct tokenizer *tokenizer, size_t *n);

#endif
