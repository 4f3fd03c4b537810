/* The vocabulary of a GGUF as tokenizer.json (gguf_tokenizer.c has the keys, and goes the other way). What
 * "llama" merges is not stored: every way to cut a piece into two others is a merge, in the order of the
 * pieces' scores, which gives what merging by score gives. */
#include <math.h>
#include <string.h>

#include "gguf_metadata.h"
#include "json_write.h"
#include "memory.h"
#include "split_patterns.h"
#include "utf8.h"

enum { UNKNOWN = 2, CONTROL = 3, BY_USER = 4 };

struct vocabulary_reader {
    const struct gguf *gguf;
    const char **text; /* [n] */
    size_t *length, n;
    const struct gguf_value *types, *scores, *merges;
    const struct split_patterns *patterns; /* of bytes; NULL: of characters */
    bool space_first, begins;
};

static int64_t type_of(const struct vocabulary_reader *r, size_t id)
{
    int64_t type = 1;
    gguf_i64(r->types, id, &type);
    return type;
}

static void member_null(struct json_write *w, const char *key)
{
    json_write_key(w, key);
    json_write_null(w);
}

static void begin_stage(struct json_write *w, const char *key, const char *type)
{
    if (key)
        json_write_key(w, key);
    json_write_object_begin(w);
    json_write_member_string(w, "type", type);
}

static void begin_sequence(struct json_write *w, const char *key, const char *list)
{
    begin_stage(w, key, "Sequence");
    json_write_key(w, list);
    json_write_array_begin(w);
}

static void end_sequence(struct json_write *w)
{
    json_write_array_end(w);
    json_write_object_end(w);
}

/* ---- stages ---- */

static void write_byte_level(struct json_write *w, const char *key)
{
    begin_stage(w, key, "ByteLevel");
    json_write_member_bool(w, "add_prefix_space", false);
    json_write_member_bool(w, "trim_offsets", true);
    json_write_member_bool(w, "use_regex", false);
    json_write_object_end(w);
}

static void write_replace(struct json_write *w, const char *key, const char *from, const char *to)
{
    begin_stage(w, key, "Replace");
    json_write_key(w, "pattern");
    json_write_object_begin(w);
    json_write_member_string(w, "String", from);
    json_write_object_end(w);
    json_write_member_string(w, "content", to);
    json_write_object_end(w);
}

static void write_splits(const struct vocabulary_reader *r, struct json_write *w)
{
    size_t most = sizeof r->patterns->patterns / sizeof *r->patterns->patterns;
    begin_sequence(w, "pre_tokenizer", "pretokenizers");
    for (size_t i = 0; i < most && r->patterns->patterns[i]; i++) {
        begin_stage(w, NULL, "Split");
        json_write_key(w, "pattern");
        json_write_object_begin(w);
        json_write_member_string(w, "Regex", r->patterns->patterns[i]);
        json_write_object_end(w);
        json_write_member_string(w, "behavior", "Isolated");
        json_write_member_bool(w, "invert", false);
        json_write_object_end(w);
    }
    write_byte_level(w, NULL);
    end_sequence(w);
    write_byte_level(w, "decoder");
}

static void write_spaces(const struct vocabulary_reader *r, struct json_write *w)
{
    static const char space[] = "\xe2\x96\x81"; /* the block that stands for one */
    if (r->space_first) {
        begin_sequence(w, "normalizer", "normalizers");
        begin_stage(w, NULL, "Prepend");
        json_write_member_string(w, "prepend", space);
        json_write_object_end(w);
        write_replace(w, NULL, " ", space);
        end_sequence(w);
    } else
        write_replace(w, "normalizer", " ", space);
    member_null(w, "pre_tokenizer");
    begin_sequence(w, "decoder", "decoders");
    write_replace(w, NULL, space, " ");
    begin_stage(w, NULL, "ByteFallback");
    json_write_object_end(w);
    begin_stage(w, NULL, "Fuse");
    json_write_object_end(w);
    if (r->space_first) {
        begin_stage(w, NULL, "Strip");
        json_write_member_string(w, "content", " ");
        json_write_member_u64(w, "start", 1);
        json_write_member_u64(w, "stop", 0);
        json_write_object_end(w);
    }
    end_sequence(w);
}

static void write_placeholder(struct json_write *w, const char *kind, const char *id, size_t n,
                              unsigned type_id)
{
    json_write_object_begin(w);
    json_write_key(w, kind);
    json_write_object_begin(w);
    json_write_key(w, "id");
    json_write_string_n(w, id, n);
    json_write_member_u64(w, "type_id", type_id);
    json_write_object_end(w);
    json_write_object_end(w);
}

/* The token of the beginning in front of every text. */
static void write_template(const struct vocabulary_reader *r, struct json_write *w)
{
    uint64_t bos;
    if (!r->begins || !gguf_u64(gguf_find(r->gguf, "tokenizer.ggml.bos_token_id"), 0, &bos) || bos >= r->n) {
        member_null(w, "post_processor");
        return;
    }
    begin_stage(w, "post_processor", "TemplateProcessing");
    for (unsigned pair = 0; pair < 2; pair++) {
        json_write_key(w, pair ? "pair" : "single");
        json_write_array_begin(w);
        for (unsigned k = 0; k <= pair; k++) {
            write_placeholder(w, "SpecialToken", r->text[bos], r->length[bos], k);
            write_placeholder(w, "Sequence", k ? "B" : "A", 1, k);
        }
        json_write_array_end(w);
    }
    json_write_key(w, "special_tokens");
    json_write_object_begin(w);
    char *name = memory_copy(r->text[bos], r->length[bos]);
    json_write_key(w, name ? name : "");
    json_write_object_begin(w);
    json_write_key(w, "id");
    json_write_string_n(w, r->text[bos], r->length[bos]);
    json_write_key(w, "ids");
    json_write_array_begin(w);
    json_write_u64(w, bos);
    json_write_array_end(w);
    json_write_key(w, "tokens");
    json_write_array_begin(w);
    json_write_string_n(w, r->text[bos], r->length[bos]);
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_object_end(w);
    json_write_object_end(w);
    w->failed = w->failed || !name;
    free(name);
}

static void write_added(const struct vocabulary_reader *r, struct json_write *w)
{
    json_write_key(w, "added_tokens");
    json_write_array_begin(w);
    for (size_t id = 0; id < r->n; id++) {
        int64_t type = type_of(r, id);
        if (type != CONTROL && type != BY_USER && type != UNKNOWN)
            continue;
        json_write_object_begin(w);
        json_write_member_u64(w, "id", id);
        json_write_key(w, "content");
        json_write_string_n(w, r->text[id], r->length[id]);
        json_write_member_bool(w, "single_word", false);
        json_write_member_bool(w, "lstrip", false);
        json_write_member_bool(w, "rstrip", false);
        json_write_member_bool(w, "normalized", false);
        json_write_member_bool(w, "special", type != BY_USER);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* ---- merges ---- */

struct merge {
    double score;
    uint32_t whole, left, right;
};

struct merge_list {
    struct merge *items;
    size_t n, capacity;
};

static int by_score(const void *a, const void *b)
{
    const struct merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->whole != y->whole)
        return x->whole < y->whole ? -1 : 1;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return (x->right > y->right) - (x->right < y->right);
}

static bool add_merge(struct merge_list *list, struct merge merge, struct error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 1024;
        struct merge *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "finding merges");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = merge;
    return true;
}

/* Every cut of a piece into two others. */
static bool cut_piece(const struct vocabulary_reader *r, const struct vocabulary *by_text, size_t id,
                      struct merge_list *list, struct error *err)
{
    struct merge merge = {.score = 0, .whole = (uint32_t)id};
    size_t at = 0, n = r->length[id];
    gguf_f64(r->scores, id, &merge.score);
    if (isnan(merge.score))
        return true;
    while (at < n) {
        uint32_t code;
        at += utf8_decode(r->text[id] + at, n - at, &code);
        if (at < n && vocabulary_find(by_text, r->text[id], at, &merge.left) &&
            vocabulary_find(by_text, r->text[id] + at, n - at, &merge.right) && !add_merge(list, merge, err))
            return false;
    }
    return true;
}

static bool index_pieces(const struct vocabulary_reader *r, struct vocabulary *by_text, struct error *err)
{
    for (size_t id = 0; id < r->n; id++)
        if (type_of(r, id) == 1 && r->length[id] &&
            !vocabulary_add(by_text, r->text[id], r->length[id], id, err))
            return false;
    return vocabulary_finish(by_text, err);
}

static void write_joined(const struct vocabulary_reader *r, uint32_t left, uint32_t right,
                         struct json_write *w)
{
    json_write_array_begin(w);
    json_write_string_n(w, r->text[left], r->length[left]);
    json_write_string_n(w, r->text[right], r->length[right]);
    json_write_array_end(w);
}

static bool write_found_merges(const struct vocabulary_reader *r, struct json_write *w, struct error *err)
{
    struct vocabulary by_text = {0};
    struct merge_list list = {0};
    bool ok = index_pieces(r, &by_text, err);
    for (size_t id = 0; ok && id < r->n; id++)
        if (type_of(r, id) == 1)
            ok = cut_piece(r, &by_text, id, &list, err);
    if (ok && list.n)
        qsort(list.items, list.n, sizeof *list.items, by_score);
    for (size_t i = 0; ok && i < list.n; i++)
        write_joined(r, list.items[i].left, list.items[i].right, w);
    free(list.items);
    vocabulary_release(&by_text);
    return ok;
}

static bool write_model(const struct vocabulary_reader *r, struct json_write *w, struct error *err)
{
    struct gguf_texts merges = gguf_texts(r->merges);
    const char *text;
    size_t n, unknown = 0;
    bool ok = true;
    while (unknown < r->n && type_of(r, unknown) != UNKNOWN)
        unknown++;
    begin_stage(w, "model", "BPE");
    member_null(w, "dropout");
    json_write_key(w, "unk_token");
    if (!r->patterns && unknown < r->n)
        json_write_string_n(w, r->text[unknown], r->length[unknown]);
    else
        json_write_null(w);
    member_null(w, "continuing_subword_prefix");
    member_null(w, "end_of_word_suffix");
    json_write_member_bool(w, "fuse_unk", !r->patterns);
    json_write_member_bool(w, "byte_fallback", !r->patterns);
    json_write_member_bool(w, "ignore_merges", r->patterns && r->patterns->ignore_merges);
    json_write_key(w, "vocab");
    json_write_object_begin(w);
    for (size_t id = 0; ok && id < r->n; id++) {
        char *key = memory_copy(r->text[id], r->length[id]);
        if (key)
            json_write_member_u64(w, key, id);
        ok = key || error_memory(err, "writing a vocabulary");
        free(key);
    }
    json_write_object_end(w);
    json_write_key(w, "merges");
    json_write_array_begin(w);
    while (r->patterns && gguf_texts_next(&merges, &text, &n))
        json_write_string_n(w, text, n);
    ok = ok && (r->patterns || write_found_merges(r, w, err));
    json_write_array_end(w);
    json_write_object_end(w);
    return ok;
}

/* ---- the whole ---- */

static bool list_tokens(struct vocabulary_reader *r, struct error *err)
{
    const struct gguf_value *tokens;
    if (!gguf_array(r->gguf, "tokenizer.ggml.tokens", GGUF_STRING, GGUF_ANY, &tokens, err) || !tokens)
        return false;
    r->text = memory_array((size_t)tokens->n, sizeof *r->text);
    r->length = memory_array((size_t)tokens->n, sizeof *r->length);
    if (!r->text || !r->length)
        return error_memory(err, "writing a vocabulary");
    struct gguf_texts texts = gguf_texts(tokens);
    while (r->n < tokens->n && gguf_texts_next(&texts, &r->text[r->n], &r->length[r->n]))
        r->n++;
    return gguf_array(r->gguf, "tokenizer.ggml.token_type", GGUF_I32, r->n, &r->types, err) &&
           gguf_array(r->gguf, "tokenizer.ggml.scores", GGUF_F32, r->n, &r->scores, err) &&
           gguf_array(r->gguf, "tokenizer.ggml.merges", GGUF_STRING, GGUF_ANY, &r->merges, err);
}

/* Whether it is one of the two kinds. */
static bool find_kind(struct vocabulary_reader *r)
{
    const struct gguf_value *model = gguf_find(r->gguf, "tokenizer.ggml.model");
    const char *name;
    size_t n;
    if (gguf_text_is(model, "gpt2") && gguf_text(gguf_find(r->gguf, "tokenizer.ggml.pre"), &name, &n)) {
        r->patterns = split_patterns_find(name, n);
        r->begins = r->patterns && r->patterns->adds_begin;
    } else if (gguf_text_is(model, "llama"))
        r->space_first = r->begins = true;
    gguf_bool(gguf_find(r->gguf, "tokenizer.ggml.add_space_prefix"), 0, &r->space_first);
    gguf_bool(gguf_find(r->gguf, "tokenizer.ggml.add_bos_token"), 0, &r->begins);
    return r->patterns || gguf_text_is(model, "llama");
}

static bool write_all(const struct vocabulary_reader *r, struct str *s, struct error *err)
{
    struct json_write w;
    json_write_to_str(&w, s, false);
    json_write_object_begin(&w);
    json_write_member_string(&w, "version", "1.0");
    member_null(&w, "truncation");
    member_null(&w, "padding");
    write_added(r, &w);
    if (r->patterns) {
        if (r->patterns->nfc) {
            begin_stage(&w, "normalizer", "NFC");
            json_write_object_end(&w);
        } else
            member_null(&w, "normalizer");
        write_splits(r, &w);
    } else
        write_spaces(r, &w);
    write_template(r, &w);
    bool ok = write_model(r, &w, err);
    json_write_object_end(&w);
    return ok && ((json_write_finish(&w, "tokenizer.json", err) && !s->failed) ||
                  error_memory(err, "writing a vocabulary"));
}

bool gguf_metadata_tokenizer(const struct gguf *gguf, char **out, size_t *n, struct error *err)
{
    struct vocabulary_reader r = {.gguf = gguf};
    struct str s = {0};
    bool ok = true;
    *out = NULL;
    *n = 0;
    if (find_kind(&r) && gguf_find(gguf, "tokenizer.ggml.tokens"))
        ok = list_tokens(&r, err) && write_all(&r, &s, err);
    if (ok && s.data) {
        *n = s.length;
        *out = str_take(&s);
    }
    str_release(&s);
    free(r.text);
    free(r.length);
    return ok;
}
