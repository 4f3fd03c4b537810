#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "tokenizer.h"
#include "vectors_tokenizer.h"

static struct tokenizer *parse(const char *json, const char *config)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    ck_assert_msg(
        tokenizer_parse("t.json", json, strlen(json), config, config ? strlen(config) : 0, &t, &err), "%s",
        err.text);
    return t;
}

static void encode(const struct tokenizer *t, const char *text, size_t n, bool special,
                   struct token_list *list)
{
    struct error err = {0};
    ck_assert_msg(tokenizer_encode(t, text, n, special, list, &err), "%s", err.text);
}

static void ids_as_text(const struct token_list *list, struct str *out)
{
    for (size_t i = 0; i < list->n; i++)
        str_printf(out, i ? " %u" : "%u", list->items[i].id);
    str_append(out, "");
}

/* Ranges of placed tokens follow each other from the first byte to the last. */
static void check_ranges(const struct token_list *list, size_t n)
{
    size_t at = 0, placed = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct token *token = &list->items[i];
        ck_assert_uint_le(token->start, token->end);
        if (!token->placed)
            continue;
        ck_assert_uint_eq(token->start, at);
        at = token->end;
        placed++;
    }
    ck_assert(placed == 0 || at == n);
}

START_TEST(known_answers)
{
    struct token_list list = {0};
    struct str ids = {0};
    const char *text = vectors[_i].text;
    struct tokenizer *t = parse(subjects[vectors[_i].subject], NULL);
    encode(t, text, strlen(text), true, &list);
    ids_as_text(&list, &ids);
    ck_assert_msg(!strcmp(ids.data, vectors[_i].ids), "%s: \"%s\" became %s, expected %s",
                  subjects[vectors[_i].subject], text, ids.data, vectors[_i].ids);
    check_ranges(&list, strlen(text));
    str_release(&ids);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

#define WORDS                                                                                                \
    "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"h\":2,\"e\":3,\"he\":4,\"\u2581\":5,\"\u2581he\":6,\"\u00e9\":7,"    \
    "\"<0xE5>\":8,\"<0xB8>\":9,\"<0x85>\":10},\"merges\":[[\"h\",\"e\"],[\"\u2581\",\"he\"]]"
#define LEGACY                                                                                               \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\u2581\"},"  \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}]}"
#define TEMPLATE                                                                                             \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","     \
    "\"type_id\":0}},"                                                                                       \
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\","  \
    "\"ids\":[1],"                                                                                           \
    "\"tokens\":[\"<s>\"]}}}"
#define DECODER                                                                                              \
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":"        \
    "\"\u2581\"},"                                                                                           \
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" " \
    "\","                                                                                                    \
    "\"start\":1,\"stop\":0}]}"
#define SPECIAL                                                                                              \
    "\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":"     \
    "false,"                                                                                                 \
    "\"normalized\":false,\"special\":true}]"

static const char sentencepiece[] = "{" SPECIAL "," LEGACY "," TEMPLATE "," DECODER
                                    ",\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,"
                                    "\"byte_fallback\":true," WORDS "}}";
static const char composing[] =
    "{\"normalizer\":{\"type\":\"NFC\"},\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\"," WORDS "}}";
static const char dropping[] =
    "{\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},"
    "\"model\":{\"type\":\"BPE\"," WORDS "}}";

/* "start:end" of every token; "-" for one that the template added. */
static const struct {
    const char *tokenizer, *text, *ranges;
} placed[] = {
    {sentencepiece, "he he", "- 0:2 2:5"},
    {sentencepiece, " he", "- 0:0 0:3"},
    {sentencepiece, "\u5e05he", "- 0:0 0:1 1:2 2:3 3:5"}, /* a character of three byte tokens */
    {sentencepiece, "\u2581", "- 0:0 0:3"},
    {sentencepiece, "<s>he", "- 0:3 3:5"},
    {sentencepiece, "h\xffxe", "- 0:0 0:1 1:3 3:4"}, /* a bad byte is U+FFFD, unknown with the x behind it */
    {sentencepiece, "", "-"},
    {composing, "ee\u0301h", "0:1 1:4 4:5"}, /* e and a combining accent are one character */
    {dropping, "  e h ", "0:4 4:6"},         /* what was dropped goes to the token before it */
    {dropping, "xhxhx", "0:3 3:5"},
    {dropping, "xx", ""},
};

START_TEST(ranges)
{
    struct token_list list = {0};
    struct str text = {0};
    struct tokenizer *t = parse(placed[_i].tokenizer, NULL);
    encode(t, placed[_i].text, strlen(placed[_i].text), true, &list);
    str_append(&text, "");
    for (size_t i = 0; i < list.n; i++) {
        str_append(&text, i ? " " : "");
        if (list.items[i].placed)
            str_printf(&text, "%zu:%zu", list.items[i].start, list.items[i].end);
        else
            str_append(&text, "-");
    }
    ck_assert_str_eq(text.data, placed[_i].ranges);
    check_ranges(&list, strlen(placed[_i].text));
    str_release(&text);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

START_TEST(lists_are_appended_to)
{
    struct token_list list = {0};
    struct tokenizer *t = parse(sentencepiece, NULL);
    encode(t, "he", 2, true, &list);
    encode(t, "he", 2, false, &list);
    ck_assert_uint_eq(list.n, 3);
    ck_assert(!list.items[0].placed && list.items[1].placed && list.items[2].placed);
    ck_assert_uint_eq(list.items[2].start, 0);
    ck_assert_uint_eq(list.items[2].end, 2);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

START_TEST(facts)
{
    struct error err = {0};
    struct tokenizer *t = parse(sentencepiece, NULL);
    uint32_t id;
    size_t n;
    ck_assert_uint_eq(tokenizer_size(t), 11);
    ck_assert_str_eq(tokenizer_piece(t, 6), "\u2581he");
    ck_assert_str_eq(tokenizer_piece(t, 1), "<s>");
    ck_assert_ptr_null(tokenizer_piece(t, 11));
    ck_assert(tokenizer_find(t, "\u2581he", &id) && id == 6);
    ck_assert(tokenizer_find(t, "<s>", &id) && id == 1);
    ck_assert(!tokenizer_find(t, "hehe", &id));
    ck_assert(tokenizer_is_special(t, 1) && !tokenizer_is_special(t, 6) && !tokenizer_is_special(t, 999));
    const uint32_t *prefix = tokenizer_prefix(t, &n);
    ck_assert(n == 1 && prefix[0] == 1);
    static const struct {
        uint32_t id;
        const char *bytes;
    } bytes[] = {{6, " he"}, {8, "\xe5"}, {1, "<s>"}, {7, "\u00e9"}};
    for (size_t i = 0; i < 4; i++) {
        struct str out = {0};
        ck_assert(tokenizer_token_bytes(t, bytes[i].id, &out, &err));
        ck_assert_str_eq(out.data, bytes[i].bytes);
        str_release(&out);
    }
    struct str out = {0};
    ck_assert(tokenizer_token_bytes(t, 4711, &out, &err) && out.length == 0);
    str_release(&out);
    tokenizer_close(t);
}
END_TEST

START_TEST(decoding)
{
    static const struct {
        uint32_t ids[6];
        size_t n;
        bool skip;
        const char *text;
    } cases[] = {
        {{1, 6, 6}, 3, true, "he he"},   {{1, 6, 6}, 3, false, "<s> he he"},
        {{8, 9, 10}, 3, true, "\u5e05"}, {{8, 9, 6}, 3, true, "\ufffd\ufffd he"},
        {{6, 4711, 4}, 3, true, "hehe"}, {{0}, 0, true, ""},
    };
    struct tokenizer *t = parse(sentencepiece, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct str out = {0};
        ck_assert(tokenizer_decode(t, cases[i].ids, cases[i].n, cases[i].skip, &out, &err));
        ck_assert_str_eq(out.data ? out.data : "", cases[i].text);
        str_release(&out);
    }
    tokenizer_close(t);
}
END_TEST

START_TEST(pair)
{
    static const char vocab[] =
        "{\"h\":0,\"e\":1,\"he\":2,\"\u0120\":3,\"\u0120he\":4,\"<|endoftext|>\":5,\"#\":6,\"#h\":7}";
    static const char merges[] = "#version: 0.2\nh e\r\n\u0120 he\n# h\n\n";
    struct error err = {0};
    struct tokenizer *t;
    struct token_list list = {0};
    struct str ids = {0};
    ck_assert_msg(
        tokenizer_parse_pair("vocab.json", vocab, sizeof vocab - 1, merges, sizeof merges - 1, &t, &err),
        "%s", err.text);
    encode(t, "he he<|endoftext|> #h", 21, true, &list);
    ids_as_text(&list, &ids);
    ck_assert_str_eq(ids.data, "2 4 5 3 6 0");
    ck_assert(tokenizer_is_special(t, 5));
    check_ranges(&list, 21);
    str_release(&ids);
    token_list_release(&list);
    tokenizer_close(t);
    ck_assert(!tokenizer_parse_pair("vocab.json", vocab, sizeof vocab - 1, "h e\nh x\n", 8, &t, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "line 2 of the merges: merge 1 joins \"x\""));
    ck_assert(!tokenizer_parse_pair("vocab.json", vocab, sizeof vocab - 1, "h e o\n", 6, &t, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "not two pieces"));
}
END_TEST

/* tokenizer_config.json: tokens that it names become added tokens, its add_bos_token does not count. */
START_TEST(config)
{
    static const char config_json[] =
        "{\"add_bos_token\":true,\"bos_token\":\"he\",\"eos_token\":{\"content\":\"e\",\"lstrip\":true},"
        "\"pad_token\":\"[PAD]\",\"added_tokens_decoder\":{\"20\":{\"content\":\"[X]\",\"special\":true}}}";
    struct token_list list = {0};
    struct str ids = {0};
    struct tokenizer *t = parse(dropping, config_json);
    encode(t, "hehe e[X][PAD]", 14, true, &list);
    ids_as_text(&list, &ids);
    ck_assert_str_eq(ids.data, "4 4 3 11");
    ck_assert(tokenizer_is_special(t, 4) && tokenizer_is_special(t, 3) && tokenizer_is_special(t, 11));
    ck_assert_uint_eq(tokenizer_size(t), 12);
    check_ranges(&list, 14);
    str_release(&ids);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

#define MODEL(more) "{\"model\":{\"type\":\"BPE\"," more "}}"
static const struct {
    const char *json, *error;
    enum error_kind kind;
} refused[] = {
    {"", "t.json:1:1: the text ends", ERROR_FORMAT},
    {"[]", "t.json:1:1: found '['", ERROR_FORMAT},
    {"{}", "the tokenizer has no \"model\"", ERROR_FORMAT},
    {"{\"model\":null}", "the tokenizer has no \"model\"", ERROR_FORMAT},
    {"{\"model\":{\"type\":\"CharLevel\",\"vocab\":[]}}",
     "t.json:1:10: the model \"CharLevel\" is not supported", ERROR_UNSUPPORTED},
    {"{\"model\":{\"type\":7}}", "expected a string", ERROR_FORMAT},
    {"{\"model\":{}}", "the WordLevel model has no \"vocab\"", ERROR_FORMAT},
    {"{\"model\":{\"merges\":[]}}", "the BPE model has no \"vocab\"", ERROR_FORMAT},
    {MODEL("\"vocab\":{}"), "the BPE model has no \"merges\"", ERROR_FORMAT},
    {MODEL("\"vocab\":[[\"a\",0]],\"merges\":[]"), "found '[', expected an object", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":-1},\"merges\":[]"), "not spelt as a non-negative integer", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":4294967296},\"merges\":[]"), "token id 4294967296", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":9000000},\"merges\":[]"), "the highest token id is 9000000", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0,\n\"a\":1},\"merges\":[]"),
     "t.json:2:6: the piece \"a\" is in the vocabulary twice", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"vocab\":{},\"merges\":[]"), "\"vocab\" twice", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a b\"]"), "merge 0 joins \"b\"", ERROR_FORMAT},
    {MODEL("\"merges\":[\"a b\"],\"vocab\":{\"a\":0}"), "merge 0 joins \"b\"", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"a\"]]"),
     "t.json: merge 0 makes a piece of \"a\" and \"a\"", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[\"aa\"]"), "not two pieces", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]"), "not two pieces", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), "one piece", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[[]]"), "empty", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[[\"a\",\"a\",\"a\"]]"), "more than two", ERROR_FORMAT},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[3]"), "expected an array", ERROR_FORMAT},
    {MODEL("\"dropout\":0.1,\"vocab\":{},\"merges\":[]"), "dropout 0.1", ERROR_UNSUPPORTED},
    {MODEL("\"byte_fallback\":true,\"end_of_word_suffix\":\"x\",\"vocab\":{},\"merges\":[]"), "byte_fallback",
     ERROR_UNSUPPORTED},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[],\"fuse_unk\":\"yes\""), "true or false", ERROR_FORMAT},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}} x", "the end of the text", ERROR_FORMAT},
    {"{\"normalizer\":{\"type\":\"Deburr\"}}", "the normalizer \"Deburr\"", ERROR_UNSUPPORTED},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}}",
     "charsmap has 0 bytes and says that its trie has 0", ERROR_FORMAT},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAA\"}}",
     "charsmap has 6 bytes and says that its trie has 8", ERROR_FORMAT},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A\"}}", "not in base64",
     ERROR_FORMAT},
    {"{\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"ab\"}}",
     "delimiter of a CharDelimiterSplit is \"ab\"", ERROR_FORMAT},
    {"{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}}", "the pre-tokenizer \"UnicodeScripts\"",
     ERROR_UNSUPPORTED},
    {"{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"x\"],\"cls\":[\"y\",1]}}",
     "\"sep\" is not a piece and its id", ERROR_FORMAT},
    {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}",
     "the unk_id is 1, but there are 1", ERROR_FORMAT},
    {"{\"model\":{\"vocab\":[[\"a\"]]}}", "an entry of the vocabulary has no score", ERROR_FORMAT},
    {"{\"model\":{\"vocab\":[[\"a\",0,1]]}}", "more than piece and score", ERROR_FORMAT},
    {"{\"model\":{\"vocab\":[[]]}}", "an entry of the vocabulary is empty", ERROR_FORMAT},
    {"{\"model\":{\"vocab\":[[\"a\",0],[\"a\",1]]}}", "\"a\" is in the vocabulary twice", ERROR_FORMAT},
    {"{\"decoder\":{\"type\":\"CTC\"}}", "the decoder \"CTC\"", ERROR_UNSUPPORTED},
    {"{\"post_processor\":{\"type\":\"Bert\"}}", "the post-processor \"Bert\"", ERROR_UNSUPPORTED},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\"}}],"
     "\"special_tokens\":{}}}",
     "neither a SpecialToken nor the Sequence A", ERROR_FORMAT},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}}",
     "0 times the text", ERROR_UNSUPPORTED},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},{"
     "\"Sequence\":{\"id\":\"A\"}}],"
     "\"special_tokens\":{}}}",
     "\"x\", which is not among", ERROR_FORMAT},
    {"{\"added_tokens\":[{\"id\":0,\"content\":\"x\"}]}", "an added token has no \"single_word\"",
     ERROR_FORMAT},
    {"{\"added_tokens\":{}}", "expected an array", ERROR_FORMAT},
};

START_TEST(bad_files)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    ck_assert(!tokenizer_parse("t.json", refused[_i].json, strlen(refused[_i].json), NULL, 0, &t, &err));
    ck_assert_ptr_null(t);
    ck_assert_msg(err.kind == refused[_i].kind && strstr(err.text, refused[_i].error), "%s: kind %d: %s",
                  refused[_i].json, err.kind, err.text);
}
END_TEST

START_TEST(bad_config)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    ck_assert(!tokenizer_parse("t.json", dropping, strlen(dropping), "{\"a\":}", 6, &t, &err));
    ck_assert_int_eq(err.kind, ERROR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "tokenizer_config.json"));
}
END_TEST

/* The sentence comes when the text needs the token, not before: many files name one that they lack. */
START_TEST(missing_unknown_token)
{
    struct error err = {0};
    struct token_list list = {0};
    struct tokenizer *t = parse("{\"model\":{\"unk_token\":\"?\",\"vocab\":{\"a\":0},\"merges\":[]}}", NULL);
    encode(t, "aa", 2, true, &list);
    ck_assert(!tokenizer_encode(t, "ab", 2, true, &list, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "\"?\" is not in the vocabulary"));
    ck_assert_uint_eq(list.n, 2);
    token_list_release(&list);
    tokenizer_close(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tcase = tcase_create("tokenizer");
    tcase_add_loop_test(tcase, known_answers, 0, sizeof vectors / sizeof *vectors);
    tcase_add_loop_test(tcase, ranges, 0, sizeof placed / sizeof *placed);
    tcase_add_loop_test(tcase, bad_files, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, lists_are_appended_to);
    tcase_add_test(tcase, facts);
    tcase_add_test(tcase, decoding);
    tcase_add_test(tcase, pair);
    tcase_add_test(tcase, config);
    tcase_add_test(tcase, bad_config);
    tcase_add_test(tcase, missing_unknown_token);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
