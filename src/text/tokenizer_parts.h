/* What a tokenizer is made of; for the files that read and run it. */
#ifndef LANCET_TOKENIZER_PARTS_H
#define LANCET_TOKENIZER_PARTS_H

#include "added_tokens.h"
#include "arena.h"
#include "bpe.h"
#include "encoding.h"
#include "postprocess.h"
#include "stage.h"
#include "tokenizer.h"

struct model_row {
    const char *type;
    /* Reads the object "model" into the tokenizer. */
    bool (*read)(struct json_reader *r, struct tokenizer *t, struct error *err);
    /* Appends the tokens of a piece of e->text; `start` of each is its byte there. */
    bool (*encode)(const struct tokenizer *t, struct encoding *e, struct piece piece, struct token_list *out,
                   struct error *err);
};

struct tokenizer {
    struct arena arena;
    const char *name; /* for sentences */
    struct stage_list normalizers, pretokenizers, processors, decoders;
    struct vocabulary vocabulary;
    const struct model_row *model;
    struct bpe bpe;
    struct added_tokens added;
    struct affix_ids before, after;
};

/* Read into a zeroed tokenizer, which the caller closes after failure. */
bool tokenizer_read_json(struct tokenizer *t, const char *json, size_t n, struct error *err);
bool tokenizer_read_pair(struct tokenizer *t, const char *vocab, size_t vocab_n, const char *merges,
                         size_t merges_n, struct error *err);

/* Takes over what tokenizer_config.json adds (tokenizer_config.c says what). `pair`: the tokenizer came from
 * the older pair of files, which has no template of its own. */
bool tokenizer_apply_config(struct tokenizer *t, const char *config, size_t n, bool pair, struct error *err);

/* Gives ids to the added tokens and makes the tables: the last step. */
bool tokenizer_finish(struct tokenizer *t, struct error *err);

/* Models and their vocabulary object {piece: id, ..}. */
const struct model_row *tokenizer_model(struct json_text type); /* NULL when there is none */
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
