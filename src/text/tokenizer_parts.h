/* What a tokenizer is made of; for the files that read and run it. */
#ifndef LANCET_TOKENIZER_PARTS_H
#define LANCET_TOKENIZER_PARTS_H

#include "added_tokens.h"
#include "arena.h"
#include "bpe.h"
#include "encoding.h"
#include "gguf.h"
#include "postprocess.h"
#include "stage.h"
#include "tokenizer.h"
#include "unigram.h"
#include "wordpiece.h"

struct model_row {
    const char *type;
    /* Reads the object "model" into the tokenizer. */
    bool (*read)(struct json_reader *r, struct tokenizer *t, struct error *err);
    /* Appends the tokens of a piece of e->text; `start` of each is its byte there. */
    bool (*encode)(const struct tokenizer *t, struct encoding *e, struct piece piece, struct token_list *out,
                   struct error *err);
};

enum tokenizer_source { SOURCE_JSON, SOURCE_PAIR, SOURCE_SENTENCEPIECE, SOURCE_TIKTOKEN, SOURCE_GGUF };

struct tokenizer {
    struct arena arena;
    const char *name; /* for sentences */
    enum tokenizer_source source;
    enum invalid_utf8 invalid;
    struct stage_list normalizers, pretokenizers, processors, decoders;
    struct vocabulary vocabulary;
    const struct model_row *model;
    struct bpe bpe; /* of the three, the model's is set */
    struct unigram unigram;
    struct wordpiece wordpiece;
    struct added_tokens added;
    struct affix_ids before, after;
    uint8_t *kinds;                 /* [ids] of sources that tell them (prefixes.h), owned; NULL else */
    struct prefixes user_defined;   /* of SentencePiece's normalizer */
    uint32_t unknown, begin, end;   /* of SentencePiece; NO_PIECE */
    struct json_text unknown_shown; /* what `unknown` is decoded to; data NULL: its piece */
};

/* Read into a zeroed tokenizer, which the caller closes after failure. */
bool tokenizer_read_json(struct tokenizer *t, const char *json, size_t n, struct error *err);
bool tokenizer_read_pair(struct tokenizer *t, const char *vocab, size_t vocab_n, const char *merges,
                         size_t merges_n, struct error *err);

/* A tokenizer.model, or another file of tiktoken. */
bool tokenizer_read_sentencepiece(struct tokenizer *t, const char *bytes, size_t n, struct error *err);
bool tokenizer_read_tiktoken(struct tokenizer *t, const char *text, size_t n, struct error *err);

/* The keys tokenizer.ggml.* of a GGUF. */
bool tokenizer_read_gguf(struct tokenizer *t, const struct gguf *gguf, struct error *err);

/* Takes over what tokenizer_config.json adds (tokenizer_config.c says what). NULL for a model without one. */
bool tokenizer_apply_config(struct tokenizer *t, const char *config, size_t n, struct error *err);

/* Gives ids to the added tokens and makes the tables: the last step. */
bool tokenizer_finish(struct tokenizer *t, struct error *err);

/* The models: each is the row of its file. */
extern const struct model_row model_bpe, model_unigram, model_wordpiece, model_wordlevel;
/* The row for the object "model" that comes next. Files from before 2022 may not name the type: then the
 * members tell it. ERROR_UNSUPPORTED names a type that has no row. */
bool tokenizer_find_model(struct json_reader *r, const struct model_row **out, struct error *err);
/* The object {piece: id, ..}. */
bool tokenizer_read_vocabulary(struct json_reader *r, struct vocabulary *v, struct error *err);

/* Pairs of pieces in order of rank. */
struct merge_reading {
    struct merge_pair *pairs;
    size_t n, capacity;
};
/* Adds a pair; ERROR_FORMAT names a piece that the vocabulary lacks. `joined`: "A B". */
bool merge_reading_add(struct merge_reading *m, const struct vocabulary *v, struct json_text left,
                       struct json_text right, struct error *err);
bool merge_reading_add_joined(struct merge_reading *m, const struct vocabulary *v, struct json_text joined,
                              struct error *err);

#endif
