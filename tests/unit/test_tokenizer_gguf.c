/* Tokenizers from the metadata of GGUF: small vocabularies, and keys that are wrong. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "gguf.h"
#include "str.h"
#include "tokenizer_parts.h"

/* ---- a GGUF of metadata only ---- */

struct file {
    struct str bytes;
    uint64_t n_keys;
};

static void put_u32(struct str *s, uint32_t value)
{
    str_append_bytes(s, &value, 4);
}

static void put_u64(struct str *s, uint64_t value)
{
    str_append_bytes(s, &value, 8);
}

static void put_text(struct str *s, const char *text)
{
    put_u64(s, strlen(text));
    str_append(s, text);
}

static void put_key(struct file *f, const char *key, uint32_t type)
{
    char full[64];
    snprintf(full, sizeof full, "tokenizer.ggml.%s", key);
    put_text(&f->bytes, full);
    put_u32(&f->bytes, type);
    f->n_keys++;
}

static void put_string(struct file *f, const char *key, const char *text)
{
    put_key(f, key, GGUF_STRING);
    put_text(&f->bytes, text);
}

static void put_flag(struct file *f, const char *key, bool value)
{
    put_key(f, key, GGUF_BOOL);
    str_append_bytes(&f->bytes, value ? "\1" : "\0", 1);
}

/* Words of a list that are separated by spaces. */
static void put_words(struct file *f, const char *key, const char *const *words, size_t n)
{
    put_key(f, key, GGUF_ARRAY);
    put_u32(&f->bytes, GGUF_STRING);
    put_u64(&f->bytes, n);
    for (size_t i = 0; i < n; i++)
        put_text(&f->bytes, words[i]);
}

static void put_numbers(struct file *f, const char *key, enum gguf_type type, const void *values, size_t n)
{
    put_key(f, key, GGUF_ARRAY);
    put_u32(&f->bytes, type);
    put_u64(&f->bytes, n);
    str_append_bytes(&f->bytes, values, 4 * n);
}

static bool read_tokenizer(const struct file *f, struct arena *arena, struct tokenizer *t, struct error *err)
{
    struct str whole = {0};
    struct gguf gguf = {0};
    struct tensor_list tensors = {0};
    put_u32(&whole, 0x46554747);
    put_u32(&whole, 3);
    put_u64(&whole, 0);
    put_u64(&whole, f->n_keys);
    str_append_bytes(&whole, f->bytes.data, f->bytes.length);
    *t = (struct tokenizer){.name = "m.gguf", .unknown = NO_PIECE, .begin = NO_PIECE, .end = NO_PIECE};
    ck_assert_msg(
        gguf_read("m.gguf", (const uint8_t *)whole.data, whole.length, arena, 0, &gguf, &tensors, err), "%s",
        err->text);
    bool fine = tokenizer_read_gguf(t, &gguf, err) && tokenizer_finish(t, err);
    free(tensors.items);
    str_release(&whole);
    return fine;
}

static void release(struct tokenizer *t)
{
    struct tokenizer *copy = malloc(sizeof *copy);
    *copy = *t;
    tokenizer_close(copy);
}

/* ---- vocabularies ---- */

static const char *const llama_pieces[] = {"<unk>",   "<s>", "</s>",   "\u2581", "a",      "b",
                                           "\u2581a", "ab",  "<0xFF>", "<0x62>", "<0xE4>", "<0xC3>",
                                           "<0xA9>",  "  ",  "<u>",    "\ufffd"};
static const float llama_scores[] = {0, 0, 0, -1, -2, -3, -5, -4, 0, 0, 0, 0, 0, -9, 0, -8};
static const int32_t llama_types[] = {2, 3, 3, 1, 1, 1, 1, 1, 6, 6, 6, 6, 6, 4, 4, 1};
enum { LLAMA = sizeof llama_pieces / sizeof *llama_pieces };

static void make_llama(struct file *f)
{
    put_string(f, "model", "llama");
    put_words(f, "tokens", llama_pieces, LLAMA);
    put_numbers(f, "scores", GGUF_F32, llama_scores, LLAMA);
    put_numbers(f, "token_type", GGUF_I32, llama_types, LLAMA);
}

static const char *const level_pieces[] = {"a", "b", "\u0120", "ab", "\u0120a", "1", "<|end|>"};
static const char *const level_merges[] = {"a b", "\u0120 a"};
static const int32_t level_types[] = {1, 1, 1, 1, 1, 1, 3};

static void make_gpt2(struct file *f)
{
    put_string(f, "model", "gpt2");
    put_string(f, "pre", "smollm");
    put_words(f, "tokens", level_pieces, 7);
    put_words(f, "merges", level_merges, 2);
    put_numbers(f, "token_type", GGUF_I32, level_types, 7);
}

static const char *const word_pieces[] = {"[UNK]", "[CLS]", "[SEP]", "\u2581ab", "c", "\u2581,", "[unused0]"};

static void make_bert(struct file *f)
{
    put_string(f, "model", "bert");
    put_words(f, "tokens", word_pieces, 7);
    put_key(f, "unknown_token_id", GGUF_U32);
    put_u32(&f->bytes, 0);
    put_key(f, "bos_token_id", GGUF_U32);
    put_u32(&f->bytes, 1);
    put_key(f, "seperator_token_id", GGUF_U32);
    put_u32(&f->bytes, 2);
}

static const char *const unigram_pieces[] = {"<pad>", "</s>", "<unk>", "\u2581", "a", "\u2581a", "U"};
static const float unigram_scores[] = {0, 0, 0, -2, -3, -4, -1};
static const int32_t unigram_types[] = {3, 3, 2, 1, 1, 1, 4};

static void make_t5(struct file *f)
{
    put_string(f, "model", "t5");
    put_words(f, "tokens", unigram_pieces, 7);
    put_numbers(f, "scores", GGUF_F32, unigram_scores, 7);
    put_numbers(f, "token_type", GGUF_I32, unigram_types, 7);
    put_flag(f, "add_space_prefix", true);
    put_flag(f, "remove_extra_whitespaces", true);
}

static const struct {
    void (*make)(struct file *f);
    const char *flag;          /* that is set to false; NULL: none */
    const char *text, *tokens; /* ids with their ranges, "-" for those around the text */
} cases[] = {
    {make_llama, NULL, "a ab", "1:- 6:0-1 3:1-2 7:2-4"}, /* ab scores higher than U+2581 a */
    {make_llama, "add_bos_token", "ab", "3:0-0 7:0-2"},
    {make_llama, "add_space_prefix", "ab", "1:- 7:0-2"},
    {make_llama, NULL, "a<s>b  <u>", "1:- 6:0-1 1:1-4 3:4-4 5:4-5 13:5-7 14:7-10"},
    {make_llama, NULL, "\u00e9x", "1:- 3:0-0 11:0-1 12:1-2 0:2-3"},
    /* a byte that promises four takes what is left with it; one that breaks off, what it promises */
    {make_llama, "add_space_prefix",
     "a\xff"
     "bb",
     "1:- 4:0-1 8:1-2 9:2-3 9:3-4"},
    {make_llama, "add_space_prefix",
     "\xff"
     "bbba",
     "1:- 8:0-1 9:1-2 9:2-2 9:2-4 4:4-5"},
    {make_llama, "add_space_prefix",
     "\xe4"
     "bba",
     "1:- 10:0-1 9:1-2 9:2-3 4:3-4"},
    {make_llama, "add_space_prefix", "\ufffd", "1:- 15:0-3"},
    {make_gpt2, NULL, "ab a11<|end|>", "3:0-2 4:2-4 5:4-5 5:5-6 6:6-13"},
    {make_bert, NULL, "ABc x, ab\u0301", "1:- 3:0-2 4:2-4 0:4-5 5:5-7 3:7-11 2:-"},
    /* every stretch of text beside a token gets its space, as in llama.cpp */
    {make_t5, NULL, "  a aUx", "5:0-3 5:3-5 6:5-6 3:6-6 2:6-7 1:-"},
};

static void describe(const struct token_list *list, struct str *out)
{
    for (size_t i = 0; i < list->n; i++) {
        str_printf(out, "%s%u:", i ? " " : "", list->items[i].id);
        if (list->items[i].placed)
            str_printf(out, "%zu-%zu", list->items[i].start, list->items[i].end);
        else
            str_append(out, "-");
    }
}

START_TEST(tokens)
{
    struct file f = {0};
    struct arena arena = {0};
    struct tokenizer t;
    struct token_list list = {0};
    struct error err = {0};
    struct str found = {0};
    cases[_i].make(&f);
    if (cases[_i].flag)
        put_flag(&f, cases[_i].flag, false);
    ck_assert_msg(read_tokenizer(&f, &arena, &t, &err), "%s", err.text);
    ck_assert_msg(tokenizer_encode(&t, cases[_i].text, strlen(cases[_i].text), true, &list, &err), "%s",
                  err.text);
    describe(&list, &found);
    ck_assert_str_eq(found.data, cases[_i].tokens);
    str_release(&found);
    str_release(&f.bytes);
    token_list_release(&list);
    release(&t);
    arena_release(&arena);
}
END_TEST

static void make_nothing(struct file *f)
{
    (void)f;
}

static void make_other_model(struct file *f)
{
    put_string(f, "model", "rwkv");
}

static void make_other_pre(struct file *f)
{
    put_string(f, "model", "gpt2");
    put_string(f, "pre", "brand-new");
    put_words(f, "tokens", level_pieces, 7);
}

static void make_no_tokens(struct file *f)
{
    put_string(f, "model", "llama");
}

static void make_few_scores(struct file *f)
{
    put_string(f, "model", "llama");
    put_words(f, "tokens", llama_pieces, LLAMA);
    put_numbers(f, "scores", GGUF_F32, llama_scores, LLAMA - 1);
}

static void make_no_merges(struct file *f)
{
    put_string(f, "model", "gpt2");
    put_words(f, "tokens", level_pieces, 7);
}

static void make_bad_merge(struct file *f)
{
    static const char *const merges[] = {"a c"};
    make_no_merges(f);
    put_words(f, "merges", merges, 1);
}

static void make_twins(struct file *f)
{
    static const char *const pieces[] = {"a", "a"};
    put_string(f, "model", "llama");
    put_words(f, "tokens", pieces, 2);
}

static void make_bad_piece(struct file *f)
{
    static const char *const pieces[] = {"\xff"};
    put_string(f, "model", "llama");
    put_words(f, "tokens", pieces, 1);
}

static const struct {
    void (*make)(struct file *f);
    const char *error;
    enum error_kind kind;
} refused[] = {
    {make_nothing, "the tokenizer \"\" (tokenizer.ggml.model) is not supported", ERROR_UNSUPPORTED},
    {make_other_model, "the tokenizer \"rwkv\" (tokenizer.ggml.model) is not supported", ERROR_UNSUPPORTED},
    {make_other_pre, "the pre-tokenizer \"brand-new\" (tokenizer.ggml.pre) is not supported",
     ERROR_UNSUPPORTED},
    {make_no_tokens, "the tokenizer has no tokenizer.ggml.tokens", ERROR_FORMAT},
    {make_few_scores, "tokenizer.ggml.scores", ERROR_FORMAT},
    {make_no_merges, "the tokenizer has no tokenizer.ggml.merges", ERROR_FORMAT},
    {make_bad_merge, "merge 0 joins \"c\"", ERROR_FORMAT},
    {make_twins, "\"a\" is in the vocabulary twice", ERROR_FORMAT},
    {make_bad_piece, "piece 0, \"\\xff\", is not UTF-8", ERROR_FORMAT},
};

START_TEST(bad_keys)
{
    struct file f = {0};
    struct arena arena = {0};
    struct tokenizer t;
    struct error err = {0};
    refused[_i].make(&f);
    ck_assert(!read_tokenizer(&f, &arena, &t, &err));
    ck_assert_msg(err.kind == refused[_i].kind && strstr(err.text, refused[_i].error), "kind %d: %s",
                  err.kind, err.text);
    str_release(&f.bytes);
    release(&t);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer_gguf");
    TCase *tcase = tcase_create("tokenizer_gguf");
    tcase_add_loop_test(tcase, tokens, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tcase, bad_keys, 0, sizeof refused / sizeof *refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
