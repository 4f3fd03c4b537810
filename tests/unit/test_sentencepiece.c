/* tokenizer.model: known answers of SentencePiece for small models, and files that are wrong. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "tokenizer.h"
#include "vectors_sentencepiece.h"

enum { LARGEST = 8192 };

static size_t from_hex(const char *hex, char out[LARGEST])
{
    size_t n = strlen(hex) / 2;
    ck_assert_uint_le(n, LARGEST);
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (char)byte;
    }
    return n;
}

static void check_ranges(const struct token_list *list, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < list->n; i++) {
        ck_assert_uint_eq(list->items[i].start, at);
        at = list->items[i].end;
    }
    ck_assert(list->n == 0 || at == n);
}

static void decode(const struct tokenizer *t, const struct token_list *list, struct str *out)
{
    struct error err = {0};
    uint32_t ids[64];
    ck_assert_uint_le(list->n, 64);
    for (size_t i = 0; i < list->n; i++)
        ids[i] = list->items[i].id;
    ck_assert(tokenizer_decode(t, ids, list->n, true, out, &err));
    str_append(out, "");
}

START_TEST(known_answers)
{
    struct error err = {0};
    struct tokenizer *t;
    struct token_list list = {0};
    struct str ids = {0}, text = {0};
    char model[LARGEST];
    size_t n = from_hex(subjects[vectors[_i].subject], model);
    ck_assert_msg(tokenizer_parse_model("m", model, n, NULL, 0, &t, &err), "%s", err.text);
    ck_assert(tokenizer_encode(t, vectors[_i].text, strlen(vectors[_i].text), true, &list, &err));
    str_append(&ids, "");
    for (size_t i = 0; i < list.n; i++)
        str_printf(&ids, i ? " %u" : "%u", list.items[i].id);
    ck_assert_msg(!strcmp(ids.data, vectors[_i].ids), "model %u: \"%s\" became %s, expected %s",
                  vectors[_i].subject, vectors[_i].text, ids.data, vectors[_i].ids);
    check_ranges(&list, strlen(vectors[_i].text));
    decode(t, &list, &text);
    ck_assert_str_eq(text.data, vectors[_i].decoded);
    str_release(&ids);
    str_release(&text);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

/* Control pieces are looked for in a text once tokenizer_config.json names them; its class and flags say what
 * goes around a text. */
static const struct {
    const char *config, *ids; /* of "<s>ab"; or what the sentence says */
} configs[] = {
    {NULL, "3 0 6"}, /* unknown characters */
    {"{}", "3 0 6"},
    {"{\"bos_token\":\"<s>\"}", "1 11"},
    {"{\"bos_token\":\"<s>\",\"add_bos_token\":true}", "1 1 11"},
    {"{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</"
     "s>\"},\"tokenizer_class\":\"LlamaTokenizerFast\"}",
     "1 1 11"},
    {"{\"bos_token\":\"<s>\",\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":false}", "1 11"},
    {"{\"eos_token\":\"</s>\",\"tokenizer_class\":\"T5Tokenizer\"}", "3 0 6 2"},
    {"{\"tokenizer_class\":\"XLMRobertaTokenizer\"}", "gives the pieces of a tokenizer.model other ids"},
    {"{\"tokenizer_class\":\"NewTokenizer\"}", "tokenizer_class is \"NewTokenizer\""},
};

START_TEST(config)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    struct token_list list = {0};
    struct str ids = {0};
    char model[LARGEST];
    size_t n = from_hex(subjects[0], model);
    const char *text = configs[_i].config;
    if (!tokenizer_parse_model("m", model, n, text, text ? strlen(text) : 0, &t, &err)) {
        ck_assert_int_eq(err.kind, ERROR_UNSUPPORTED);
        ck_assert_msg(strstr(err.text, configs[_i].ids) != NULL, "%s", err.text);
        return;
    }
    ck_assert(tokenizer_is_special(t, 1) && !tokenizer_is_special(t, 4));
    ck_assert(tokenizer_encode(t, "<s>ab", 5, true, &list, &err));
    for (size_t i = 0; i < list.n; i++)
        str_printf(&ids, i ? " %u" : "%u", list.items[i].id);
    ck_assert_str_eq(ids.data, configs[_i].ids);
    str_release(&ids);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

/* Every byte that is not UTF-8 is a U+FFFD of its own. */
START_TEST(invalid_utf8)
{
    struct error err = {0};
    struct tokenizer *t;
    struct token_list list = {0};
    char model[LARGEST];
    size_t n = from_hex(subjects[1], model);
    ck_assert(tokenizer_parse_model("m", model, n, NULL, 0, &t, &err));
    ck_assert(tokenizer_encode(t, "a\xe4\xbdz\xff", 5, true, &list, &err));
    check_ranges(&list, 5);
    ck_assert_uint_eq(list.n, 2); /* U+2581 a, and one unknown token */
    ck_assert_uint_eq(list.items[1].start, 1);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

#define PIECE(text) "\x0a\x03\x0a\x01" text
#define UNKNOWN "\x0a\x05\x0a\x01?\x18\x02"
#define MODEL(text) text, sizeof(text) - 1
static const struct {
    const char *model;
    size_t n;
    const char *error;
    enum error_kind kind;
} refused[] = {
    {MODEL("\n"), "m: at byte 1: a number is cut short", ERROR_FORMAT},
    {MODEL("\x0a\x04\x0a\x01"), "at byte 2: a field reaches beyond its message", ERROR_FORMAT},
    {MODEL("\x0a\x03\x0a\x07"
           "a"),
     "a field reaches beyond its message", ERROR_FORMAT},
    {MODEL("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "more than 64 bits", ERROR_FORMAT},
    {MODEL("\x0a\x00"), "piece 0 is empty", ERROR_FORMAT},
    {MODEL(PIECE("\0")), "piece 0 is empty, holds a NUL", ERROR_FORMAT},
    {MODEL(PIECE("\xff")), "piece 0, \"\\xff\", is not UTF-8", ERROR_FORMAT},
    {MODEL("\x0a\x05\x0a\x01"
           "a\x18\x07"),
     "unknown kind", ERROR_FORMAT},
    {MODEL("\x0a\x08\x0a\x01"
           "a\x15\x00\x00\xc0\x7f"),
     "score of piece 0 is not finite", ERROR_FORMAT},
    {MODEL(PIECE("a") PIECE("a")), "\"a\" is in the vocabulary twice", ERROR_FORMAT},
    {MODEL(PIECE("a") "\x0c"), "unknown wire type", ERROR_FORMAT},
    {MODEL(PIECE("a")), "no piece is the unknown one", ERROR_FORMAT},
    {MODEL(UNKNOWN "\x0a\x05\x0a\x01!\x18\x02"), "pieces 0 and 1 are both the unknown one", ERROR_FORMAT},
    {MODEL(UNKNOWN "\x12\x02\x18\x03"), "neither Unigram nor BPE, but of type 3", ERROR_UNSUPPORTED},
    {MODEL(UNKNOWN "\x12\x02\x18\x02\x0a\x05\x0a\x01!\x18\x05"), "BPE model with unused pieces",
     ERROR_UNSUPPORTED},
    {MODEL(UNKNOWN "\x1a\x03\x12\x01x"), "charsmap has 1 bytes", ERROR_FORMAT},
    {MODEL(UNKNOWN "\x2a\x03\x12\x01x"), "a denormalizer with a charsmap", ERROR_UNSUPPORTED},
    {MODEL(UNKNOWN "\x12\x04\xe2\x02\x01\xff"), "field 44 of the trainer_spec is not UTF-8", ERROR_FORMAT},
    {MODEL(""), "0 pieces; tiktoken's files are known of", ERROR_UNSUPPORTED},
    {MODEL("YQ== 0\nYg== 1\r\n"), "2 pieces", ERROR_UNSUPPORTED},
    {MODEL("YQ== 0\nYg==\n"), "m:2: \"Yg==\" is not a piece in base64 and its rank", ERROR_FORMAT},
    {MODEL("YQ== 0\nY? 1\n"), "m:2: \"Y? 1\" is not", ERROR_FORMAT},
    {MODEL("YQ== 0\nYg== x\n"), "is not a piece", ERROR_FORMAT},
    {MODEL("YQ== 1\n"), "m:1: the rank is 1, expected 0", ERROR_UNSUPPORTED},
    {MODEL("YQ== 0\nYQ== 1\n"), "m:2: the piece \"a\" is in the vocabulary twice", ERROR_FORMAT},
};

START_TEST(bad_files)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    ck_assert(!tokenizer_parse_model("m", refused[_i].model, refused[_i].n, NULL, 0, &t, &err));
    ck_assert_ptr_null(t);
    ck_assert_msg(err.kind == refused[_i].kind && strstr(err.text, refused[_i].error), "%s: kind %d: %s",
                  refused[_i].error, err.kind, err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sentencepiece");
    TCase *tcase = tcase_create("sentencepiece");
    tcase_add_loop_test(tcase, known_answers, 0, sizeof vectors / sizeof *vectors);
    tcase_add_loop_test(tcase, config, 0, sizeof configs / sizeof *configs);
    tcase_add_test(tcase, invalid_utf8);
    tcase_add_loop_test(tcase, bad_files, 0, sizeof refused / sizeof *refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
