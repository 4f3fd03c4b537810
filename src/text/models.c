#include "quote.h"
#include "tokenizer_parts.h"

static const struct model_row *const rows[] = {&model_bpe, &model_wordpiece, &model_wordlevel,
                                               &model_unigram};

/* Without a type, the first row counts that has one of its members, as in the tokenizers library. */
static const struct {
    const char *member;
    bool is_array;
    const struct model_row *row;
} signs[] = {
    {"merges", true, &model_bpe},
    {"max_input_chars_per_word", false, &model_wordpiece},
    {"continuing_subword_prefix", false, &model_wordpiece},
    {"vocab", true, &model_unigram},
};

static bool guess(const struct json_reader *r, const struct model_row **out, struct error *err)
{
    *out = &model_wordlevel;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        enum json_type type;
        bool found;
        if (!json_look_type(r, signs[i].member, &type, &found, err))
            return false;
        if (found && (type == JSON_ARRAY) == signs[i].is_array) {
            *out = signs[i].row;
            return true;
        }
    }
    return true;
}

bool tokenizer_find_model(struct json_reader *r, const struct model_row **out, struct error *err)
{
    struct json_text type;
    bool found;
    if (!json_look(r, "type", &type, &found, err))
        return false;
    if (!found)
        return guess(r, out, err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (json_text_equal(type, rows[i]->type)) {
            *out = rows[i];
            return true;
        }
    error_set(err, ERROR_UNSUPPORTED, "the model %s is not supported",
              quote_bytes(type.data, type.length).text);
    return json_place(r, err);
}

bool tokenizer_read_vocabulary(struct json_reader *r, struct vocabulary *v, struct error *err)
{
    struct json_text piece;
    bool more;
    if (!json_object_begin(&r->scan, err))
        return false;
    while (json_object_next(&r->scan, &piece, &more, err)) {
        uint64_t id;
        if (!more)
            return vocabulary_finish(v, err) || json_place(r, err);
        if (!json_u64(&r->scan, &id, err))
            return false;
        if (!vocabulary_add(v, piece.data, piece.length, id, err))
            return json_place(r, err);
    }
    return false;
}
