/* The object "model" of a tokenizer.json whose type is WordPiece or WordLevel:
 *
 *     {"unk_token": PIECE, "vocab": {PIECE: ID, ..},
 *      "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}       (WordPiece only) */
#include "tokenizer_parts.h"

#include <string.h>

struct wordpiece_reading {
    struct tokenizer *t;
    struct json_text unknown, continuing;
    uint64_t longest_word;
};

static bool read_vocabulary(struct json_reader *r, void *base, struct error *err)
{
    struct wordpiece_reading *reading = base;
    return tokenizer_read_vocabulary(r, &reading->t->vocabulary, err);
}

#define FIELD(name) offsetof(struct wordpiece_reading, name)

static void take_over(const struct wordpiece_reading *reading)
{
    struct wordpiece *w = &reading->t->wordpiece;
    w->vocabulary = &reading->t->vocabulary;
    w->unknown = reading->unknown.data;
    w->continuing = reading->continuing.data;
    w->n_continuing = reading->continuing.length;
    w->longest_word = reading->longest_word;
}

static bool read_wordpiece(struct json_reader *r, struct tokenizer *t, struct error *err)
{
    static const struct member members[] = {
        {"unk_token", MEMBER_TEXT, FIELD(unknown), false, NULL},
        {"continuing_subword_prefix", MEMBER_TEXT, FIELD(continuing), false, NULL},
        {"max_input_chars_per_word", MEMBER_U64, FIELD(longest_word), false, NULL},
        {"vocab", MEMBER_READ, 0, true, read_vocabulary},
    };
    struct wordpiece_reading reading = {t, {"[UNK]", 5}, {"##", 2}, 100};
    if (!json_members(r, "the WordPiece model", members, sizeof members / sizeof *members, &reading, err))
        return false;
    take_over(&reading);
    return prefixes_build(&t->wordpiece.prefixes, &t->vocabulary, NULL, KINDS_ALL, err) || json_place(r, err);
}

static bool read_wordlevel(struct json_reader *r, struct tokenizer *t, struct error *err)
{
    static const struct member members[] = {
        {"unk_token", MEMBER_TEXT, FIELD(unknown), false, NULL},
        {"vocab", MEMBER_READ, 0, true, read_vocabulary},
    };
    struct wordpiece_reading reading = {t, {"<unk>", 5}, {"", 0}, 0};
    if (!json_members(r, "the WordLevel model", members, sizeof members / sizeof *members, &reading, err))
        return false;
    take_over(&reading);
    return true;
}

static bool encode_wordpiece(const struct tokenizer *t, struct encoding *e, struct piece piece,
                             struct token_list *out, struct error *err)
{
    return wordpiece_encode(&t->wordpiece, e->text.data, piece.start, piece.end, out, err);
}

static bool encode_wordlevel(const struct tokenizer *t, struct encoding *e, struct piece piece,
                             struct token_list *out, struct error *err)
{
    return wordlevel_encode(&t->wordpiece, e->text.data, piece.start, piece.end, out, err);
}

const struct model_row model_wordpiece = {
    .type = "WordPiece", .read = read_wordpiece, .encode = encode_wordpiece};
const struct model_row model_wordlevel = {
    .type = "WordLevel", .read = read_wordlevel, .encode = encode_wordlevel};
