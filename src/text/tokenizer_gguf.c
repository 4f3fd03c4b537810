/* The tokenizer in the metadata of a GGUF, keys tokenizer.ggml.*, as llama.cpp reads it
 * (src/llama-vocab.cpp):
 *
 *     model            "llama": BPE by scores, "gpt2": byte-level BPE, "bert": WordPiece, "t5": Unigram
 *     pre              how "gpt2" cuts words (split_patterns.h)
 *     tokens, scores, token_type (prefixes.h), merges ("A B")
 *     *_token_id, add_bos_token, add_eos_token, add_space_prefix, remove_extra_whitespaces,
 * precompiled_charsmap
 *
 * "bert" writes a piece that begins its word as U+2581 and the piece, one that continues it bare: they become
 * the piece bare and with ## in front. Bytes that are not UTF-8: "llama" takes as many as the first one
 * promises for one character, which becomes its byte pieces; the others take each for U+FFFD. */
#include "tokenizer_parts.h"

#include <stdio.h>
#include <string.h>

#include "charsmap.h"
#include "memory.h"
#include "quote.h"
#include "scored_pieces.h"
#include "sentencepiece_text.h"
#include "split_patterns.h"

#define KEY(name) "tokenizer.ggml." name

struct gguf_reading {
    struct tokenizer *t;
    const struct gguf *gguf;
    struct scored_pieces pieces;
    bool phantom_space; /* of "bert" */
    const struct split_patterns *pre;
};

static bool flag(const struct gguf_reading *r, const char *key, bool usual)
{
    gguf_bool(gguf_find(r->gguf, key), 0, &usual);
    return usual;
}

/* The id that a key gives, else the usual one; NO_PIECE when the vocabulary has no such id. */
static uint32_t special_id(const struct gguf_reading *r, const char *key, uint32_t usual)
{
    uint64_t id = usual;
    gguf_u64(gguf_find(r->gguf, key), 0, &id);
    return id < r->t->vocabulary.n ? (uint32_t)id : NO_PIECE;
}

static bool put_affix(struct gguf_reading *r, bool wanted, uint32_t id, struct affix_ids *out,
                      struct error *err)
{
    if (!wanted || id == NO_PIECE)
        return true;
    uint32_t *ids = arena_array(&r->t->arena, 1, sizeof *ids);
    if (!ids)
        return error_memory(err, "reading a tokenizer");
    *ids = id;
    *out = (struct affix_ids){ids, 1};
    return true;
}

/* Tokens around a text, unless the file says otherwise. */
static bool put_affixes(struct gguf_reading *r, bool begins, uint32_t begin, bool ends, uint32_t end,
                        struct error *err)
{
    return put_affix(r, flag(r, KEY("add_bos_token"), begins), special_id(r, KEY("bos_token_id"), begin),
                     &r->t->before, err) &&
           put_affix(r, flag(r, KEY("add_eos_token"), ends), special_id(r, KEY("eos_token_id"), end),
                     &r->t->after, err);
}

/* ---- pieces ---- */

static bool add_word_piece(struct gguf_reading *r, const char *text, size_t n, enum piece_kind kind,
                           struct str *spelt, struct error *err)
{
    static const char mark[] = "\xe2\x96\x81";
    bool first = n >= 3 && memcmp(text, mark, 3) == 0;
    bool marked = kind != KIND_NORMAL || (n > 2 && text[0] == '[' && text[n - 1] == ']');
    if (first || marked)
        return scored_pieces_add(&r->pieces, first ? text + 3 : text, first ? n - 3 : n, 0, kind, err);
    str_clear(spelt);
    str_append(spelt, "##");
    str_append_bytes(spelt, text, n);
    return spelt->failed ? error_memory(err, "reading a vocabulary")
                         : scored_pieces_add(&r->pieces, spelt->data, spelt->length, 0, kind, err);
}

static bool add_piece(struct gguf_reading *r, const char *text, size_t n, double score, int64_t type,
                      struct str *spelt, struct error *err)
{
    enum piece_kind kind = type >= KIND_NORMAL && type <= KIND_BYTE ? (enum piece_kind)type : KIND_NORMAL;
    char empty[32];
    if (n == 0) {
        n = (size_t)snprintf(empty, sizeof empty, "[EMPTY_%zu]", r->t->vocabulary.n);
        text = empty;
    }
    return r->phantom_space ? add_word_piece(r, text, n, kind, spelt, err)
                            : scored_pieces_add(&r->pieces, text, n, (float)score, kind, err);
}

static bool read_pieces(struct gguf_reading *r, struct error *err)
{
    const struct gguf_value *tokens, *scores, *types;
    if (!gguf_array(r->gguf, KEY("tokens"), GGUF_STRING, GGUF_ANY, &tokens, err))
        return false;
    if (!tokens)
        return error_set(err, ERROR_FORMAT, "%s: the tokenizer has no %s", r->t->name, KEY("tokens"));
    if (!gguf_array(r->gguf, KEY("scores"), GGUF_F32, tokens->n, &scores, err) ||
        !gguf_array(r->gguf, KEY("token_type"), GGUF_I32, tokens->n, &types, err))
        return false;
    struct gguf_texts texts = gguf_texts(tokens);
    struct str spelt = {0};
    const char *text;
    size_t n;
    bool fine = true;
    for (uint64_t i = 0; fine && gguf_texts_next(&texts, &text, &n); i++) {
        double score = 0;
        int64_t type = KIND_NORMAL;
        gguf_f64(scores, i, &score);
        gguf_i64(types, i, &type);
        fine = add_piece(r, text, n, score, type, &spelt, err);
    }
    str_release(&spelt);
    return fine && (vocabulary_finish(&r->t->vocabulary, err) || error_prefix(err, "%s", r->t->name));
}

/* ---- models ---- */

static bool add_stages(struct tokenizer *t, const struct stage_kind *kind, struct stage_list *list,
                       const char *const *stages, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        if (stages[i] && !stage_list_add_json(list, kind, &t->arena, stages[i], err))
            return false;
    return true;
}

static bool read_llama(struct gguf_reading *r, struct error *err)
{
    struct tokenizer *t = r->t;
    bool prefix = flag(r, KEY("add_space_prefix"), true);
    const char *normalizers[] = {
        prefix ? "{\"type\": \"Prepend\", \"prepend\": \" \"}" : NULL,
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\u2581\"}",
    };
    const char *decoders[] = {
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\u2581\"}, \"content\": \" \"}",
        "{\"type\": \"ByteFallback\"}",
        "{\"type\": \"Fuse\"}",
        prefix ? "{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}" : NULL,
    };
    if (!scored_pieces_bpe(&r->pieces, err))
        return false;
    t->invalid = INVALID_BY_LEAD;
    t->bpe.byte_fallback = t->bpe.raw_bytes = true;
    t->bpe.unknown = special_id(r, KEY("unknown_token_id"), 0);
    return add_stages(t, &stage_normalizers, &t->normalizers, normalizers, 2, err) &&
           add_stages(t, &stage_decoders, &t->decoders, decoders, 4, err) &&
           put_affixes(r, true, 1, false, 2, err);
}

static bool read_merges(struct gguf_reading *r, struct error *err)
{
    struct tokenizer *t = r->t;
    const struct gguf_value *merges;
    struct merge_reading reading = {0};
    struct json_text joined;
    if (!gguf_array(r->gguf, KEY("merges"), GGUF_STRING, GGUF_ANY, &merges, err))
        return false;
    if (!merges)
        return error_set(err, ERROR_FORMAT, "%s: the tokenizer has no %s", t->name, KEY("merges"));
    struct gguf_texts texts = gguf_texts(merges);
    bool fine = true;
    while (fine && gguf_texts_next(&texts, &joined.data, &joined.length))
        fine = merge_reading_add_joined(&reading, &t->vocabulary, joined, err);
    fine = (fine && merges_build(&t->bpe.merges, reading.pairs, reading.n, &t->vocabulary, 0, err)) ||
           error_prefix(err, "%s", t->name);
    free(reading.pairs);
    return fine;
}

static bool read_gpt2(struct gguf_reading *r, struct error *err)
{
    struct tokenizer *t = r->t;
    const char *pre = "";
    size_t n = 0;
    gguf_text(gguf_find(r->gguf, KEY("pre")), &pre, &n);
    const struct split_patterns *row = split_patterns_find(pre, n);
    if (!row)
        return error_set(err, ERROR_UNSUPPORTED, "%s: the pre-tokenizer %s (%s) is not supported", t->name,
                         quote_bytes(pre, n).text, KEY("pre"));
    t->model = &model_bpe;
    t->bpe = (struct bpe){
        .vocabulary = &t->vocabulary, .prefix = "", .suffix = "", .ignore_merges = row->ignore_merges};
    bpe_prepare(&t->bpe);
    return read_merges(r, err) && split_patterns_add(t, row, err) &&
           put_affixes(r, row->adds_begin, 11, false, 11, err);
}

static bool read_bert(struct gguf_reading *r, struct error *err)
{
    struct tokenizer *t = r->t;
    bool lowercase = flag(r, KEY("normalizer.lowercase"), true);
    bool accents = flag(r, KEY("normalizer.strip_accents"), lowercase);
    struct stage *bert;
    const char *normalizer =
        "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, "
        "\"lowercase\": true}";
    const char *pretokenizer = "{\"type\": \"BertPreTokenizer\"}";
    const char *decoder = "{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}";
    uint32_t unknown = special_id(r, KEY("unknown_token_id"), 100);
    size_t n = 0;
    t->model = &model_wordpiece;
    t->wordpiece = (struct wordpiece){.vocabulary = &t->vocabulary, .continuing = "##", .n_continuing = 2};
    t->wordpiece.longest_word = UINT64_MAX;
    t->wordpiece.unknown = unknown == NO_PIECE ? "[UNK]" : vocabulary_piece(&t->vocabulary, unknown, &n);
    if (!prefixes_build(&t->wordpiece.prefixes, &t->vocabulary, NULL, KINDS_ALL, err))
        return error_prefix(err, "%s", t->name);
    if (!add_stages(t, &stage_normalizers, &t->normalizers, &normalizer, 1, err) ||
        !add_stages(t, &stage_pretokenizers, &t->pretokenizers, &pretokenizer, 1, err) ||
        !add_stages(t, &stage_decoders, &t->decoders, &decoder, 1, err))
        return false;
    bert = &t->normalizers.items[t->normalizers.n - 1];
    bert->lowercase = lowercase;
    bert->accents = accents ? ACCENTS_STRIP : ACCENTS_KEEP;
    return put_affix(r, flag(r, KEY("add_bos_token"), true),
                     special_id(r, KEY("bos_token_id"), special_id(r, KEY("cls_token_id"), 101)), &t->before,
                     err) &&
           put_affix(r, flag(r, KEY("add_sep_token"), true), special_id(r, KEY("seperator_token_id"), 102),
                     &t->after, err);
}

static bool read_charsmap(struct gguf_reading *r, struct charsmap **out, struct error *err)
{
    const struct gguf_value *map = gguf_find(r->gguf, KEY("precompiled_charsmap"));
    if (!map || map->n == 0)
        return true;
    if (!map->is_array || (map->type != GGUF_U8 && map->type != GGUF_I8))
        return error_set(err, ERROR_FORMAT, "%s: %s is not an array of bytes", r->t->name, map->key);
    return charsmap_new(map->bytes, (size_t)map->n, out, err) || error_prefix(err, "%s", r->t->name);
}

static bool read_t5(struct gguf_reading *r, struct error *err)
{
    struct tokenizer *t = r->t;
    struct sentencepiece_spec *spec = arena_array(&t->arena, 1, sizeof *spec);
    struct stage normalizer = {.row = &sentencepiece_normalizer, .spec = spec};
    struct stage decoder = {.row = &sentencepiece_decoder, .spec = spec};
    if (!spec)
        return error_memory(err, "reading a tokenizer");
    *spec = (struct sentencepiece_spec){
        .dummy_prefix = flag(r, KEY("add_space_prefix"), false),
        .remove_extra_spaces = flag(r, KEY("remove_extra_whitespaces"), false),
        .escape_spaces = flag(r, KEY("escape_whitespaces"), true),
        .user_defined = &t->user_defined,
    };
    if (!scored_pieces_unigram(&r->pieces, err))
        return false;
    for (uint32_t id = 0; id < t->vocabulary.n; id++)
        if (t->kinds[id] == KIND_USER_DEFINED)
            t->unigram.scores[id] = 0;
    if (r->pieces.has[KIND_USER_DEFINED] &&
        !prefixes_build(&t->user_defined, &t->vocabulary, t->kinds, KINDS_USER_DEFINED, err))
        return error_prefix(err, "%s", t->name);
    t->unigram.unknown = special_id(r, KEY("unknown_token_id"), 2);
    if (!read_charsmap(r, &normalizer.charsmap, err))
        return false;
    if (!stage_list_add(&t->normalizers, normalizer, err)) {
        charsmap_free(normalizer.charsmap);
        return false;
    }
    return stage_list_add(&t->decoders, decoder, err) && put_affixes(r, false, NO_PIECE, true, 1, err);
}

static const struct gguf_model {
    const char *name;
    bool phantom_space;
    bool (*read)(struct gguf_reading *r, struct error *err);
} models[] = {
    {"llama", false, read_llama},
    {"gpt2", false, read_gpt2},
    {"bert", true, read_bert},
    {"t5", false, read_t5},
};

bool tokenizer_read_gguf(struct tokenizer *t, const struct gguf *gguf, struct error *err)
{
    struct gguf_reading r = {.t = t, .gguf = gguf, .pieces = {.t = t}};
    const struct gguf_value *name = gguf_find(gguf, KEY("model"));
    const char *text = "";
    size_t n = 0;
    t->source = SOURCE_GGUF;
    t->invalid = INVALID_BY_BYTE;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (!gguf_text_is(name, models[i].name))
            continue;
        r.phantom_space = models[i].phantom_space;
        bool fine = read_pieces(&r, err) && models[i].read(&r, err) &&
                    scored_pieces_add_tokens(&r.pieces, KINDS_SPECIAL | KINDS_USER_DEFINED, false, err);
        scored_pieces_release(&r.pieces);
        return fine;
    }
    gguf_text(name, &text, &n);
    return error_set(err, ERROR_UNSUPPORTED, "%s: the tokenizer %s (%s) is not supported", t->name,
                     quote_bytes(text, n).text, KEY("model"));
}
