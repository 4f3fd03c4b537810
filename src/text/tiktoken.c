/* Vocabularies of tiktoken: a line "BASE64 RANK" for each piece, its bytes and when it is made; two
 * neighbours merge when their bytes together are a piece. The pattern that cuts words out and the special
 * tokens are in no file: they are those of the family, told by the number of pieces. */
#include "tokenizer_parts.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "byte_map.h"
#include "memory.h"
#include "quote.h"
#include "split_patterns.h"
#include "utf8.h"

enum { LONGEST_PIECE = 1024 };

struct special_range { /* tokens in the order of their ids; %u in a name counts from `first` on */
    const char *name;
    unsigned first, n;
};

/* llama-models/models/llama3/tokenizer.py; Qwen/Qwen-7B, tokenization_qwen.py */
static const struct family {
    size_t n_pieces;
    const char *pre; /* of split_patterns.h */
    bool adds_first; /* of the special tokens, in front of a text */
    struct special_range specials[8];
} families[] = {
    {.n_pieces = 128000,
     .pre = "llama-bpe",
     .adds_first = true,
     .specials = {{"<|begin_of_text|>", 0, 1},
                  {"<|end_of_text|>", 0, 1},
                  {"<|reserved_special_token_%u|>", 0, 4},
                  {"<|start_header_id|>", 0, 1},
                  {"<|end_header_id|>", 0, 1},
                  {"<|reserved_special_token_%u|>", 4, 1},
                  {"<|eot_id|>", 0, 1},
                  {"<|reserved_special_token_%u|>", 5, 246}}},
    {.n_pieces = 151643,
     .pre = "qwen2",
     .specials =
         {{"<|endoftext|>", 0, 1}, {"<|im_start|>", 0, 1}, {"<|im_end|>", 0, 1}, {"<|extra_%u|>", 0, 205}}},
};

static bool read_number(const char *at, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    if (at == end || end - at > 9)
        return false;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = 10 * value + (uint64_t)(*at - '0');
    *out = value;
    return at == end;
}

/* Adds a piece in the byte-level alphabet. */
static bool add_piece(struct tokenizer *t, const char *line, size_t n, size_t number, struct error *err)
{
    const char *space = memchr(line, ' ', n);
    size_t length = space ? (size_t)(space - line) : 0, n_bytes = 0;
    unsigned char bytes[LONGEST_PIECE];
    char piece[2 * LONGEST_PIECE];
    uint64_t rank = 0;
    if (!space || !read_number(space + 1, line + n, &rank) || length > LONGEST_PIECE ||
        !base64_decode(line, length, bytes, &n_bytes) || !n_bytes)
        return error_set(err, ERROR_FORMAT, "%s:%zu: %s is not a piece in base64 and its rank", t->name,
                         number, quote_bytes(line, n).text);
    if (rank != t->vocabulary.n)
        return error_set(err, ERROR_UNSUPPORTED, "%s:%zu: the rank is %llu, expected %zu", t->name, number,
                         (unsigned long long)rank, t->vocabulary.n);
    size_t made = 0;
    for (size_t i = 0; i < n_bytes; i++)
        made += utf8_encode(byte_map_character(bytes[i]), piece + made);
    return vocabulary_add(&t->vocabulary, piece, made, rank, err) ||
           error_prefix(err, "%s:%zu", t->name, number);
}

static bool read_lines(struct tokenizer *t, const char *text, size_t n, struct error *err)
{
    size_t number = 1;
    for (size_t at = 0, length; at < n; at += length + 1, number++) {
        const char *end = memchr(text + at, '\n', n - at);
        length = end ? (size_t)(end - (text + at)) : n - at;
        size_t kept = length && text[at + length - 1] == '\r' ? length - 1 : length;
        if (kept && !add_piece(t, text + at, kept, number, err))
            return false;
    }
    return vocabulary_finish(&t->vocabulary, err) || error_prefix(err, "%s", t->name);
}

static bool add_specials(struct tokenizer *t, const struct family *family, struct error *err)
{
    for (const struct special_range *range = family->specials; range < family->specials + 8 && range->name;
         range++)
        for (unsigned i = 0; i < range->n; i++) {
            char name[64];
            int length = strchr(range->name, '%')
                             ? snprintf(name, sizeof name, "%.*s%u%s", (int)strcspn(range->name, "%"),
                                        range->name, range->first + i, strchr(range->name, '%') + 2)
                             : snprintf(name, sizeof name, "%s", range->name);
            char *copy = arena_copy(&t->arena, name, (size_t)length);
            if (!copy)
                return error_memory(err, "reading a tokenizer");
            struct added_token token = {.content = {copy, (size_t)length}, .special = true};
            if (!added_tokens_add(&t->added, token, err))
                return false;
        }
    return true;
}

static bool put_first(struct tokenizer *t, struct error *err)
{
    uint32_t *ids = arena_array(&t->arena, 1, sizeof *ids);
    if (!ids)
        return error_memory(err, "reading a tokenizer");
    *ids = (uint32_t)t->vocabulary.n;
    t->before = (struct affix_ids){ids, 1};
    return true;
}

static bool make_model(struct tokenizer *t, struct error *err)
{
    uint32_t *ranks = memory_array(t->vocabulary.n, sizeof *ranks);
    if (!ranks)
        return error_memory(err, "reading a tokenizer");
    for (uint32_t id = 0; id < t->vocabulary.n; id++)
        ranks[id] = id;
    t->model = &model_bpe;
    t->bpe = (struct bpe){.vocabulary = &t->vocabulary, .prefix = "", .suffix = "", .ignore_merges = true};
    bpe_prepare(&t->bpe);
    return bpe_join_by_rank(&t->bpe, ranks, err);
}

bool tokenizer_read_tiktoken(struct tokenizer *t, const char *text, size_t n, struct error *err)
{
    if (!read_lines(t, text, n, err))
        return false;
    for (const struct family *f = families; f < families + sizeof families / sizeof *families; f++)
        if (f->n_pieces == t->vocabulary.n)
            return make_model(t, err) &&
                   split_patterns_add(t, split_patterns_find(f->pre, strlen(f->pre)), err) &&
                   add_specials(t, f, err) && (!f->adds_first || put_first(t, err));
    return error_set(err, ERROR_UNSUPPORTED,
                     "%s: %zu pieces; tiktoken's files are known of Llama 3 (128000) and Qwen (151643)",
                     t->name, t->vocabulary.n);
}
