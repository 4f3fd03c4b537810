/* Every allocation of opening a tokenizer, encoding and decoding fails in turn (linked with --wrap): the
 * answer is "out of memory" or the right one, nothing is left behind, and a list that was given keeps what it
 * had. */
#include "suite.h"

#include <stdbool.h>
#include <string.h>

#include "memory.h"
#include "tokenizer.h"
#include "vectors_tokenizer.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t n);

static long to_fail; /* allocations until one fails; 0: none does */

static bool fails(void)
{
    return to_fail > 0 && --to_fail == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t n)
{
    return fails() ? NULL : __real_realloc(block, n);
}

/* Tokens of which the bytes are asked for, too: more of a long text would allocate the same again and again.
 */
enum { SHOWN = 40 };

static bool decode(const struct tokenizer *t, const struct token_list *list, struct error *err)
{
    struct str text = {0};
    uint32_t *ids = memory_array(list->n, sizeof *ids);
    bool fine = ids || error_memory(err, "decoding");
    for (size_t i = 0; fine && i < list->n; i++) {
        ids[i] = list->items[i].id;
        fine = i >= SHOWN || tokenizer_token_bytes(t, ids[i], &text, err);
    }
    fine = fine && tokenizer_decode(t, ids, list->n, false, &text, err);
    free(ids);
    str_release(&text);
    return fine;
}

struct file {
    const char *bytes;
    size_t n;
    bool is_model; /* a tokenizer.model */
};

static bool parse(struct file file, const char *config, struct tokenizer **out, struct error *err)
{
    size_t n_config = config ? strlen(config) : 0;
    return file.is_model ? tokenizer_parse_model("t", file.bytes, file.n, config, n_config, out, err)
                         : tokenizer_parse("t", file.bytes, file.n, config, n_config, out, err);
}

/* All of it; what is left open is released whatever happened. */
static bool work(struct file file, const char *text, const char *config, struct error *err)
{
    struct tokenizer *t = NULL;
    struct token_list list = {0};
    bool fine = parse(file, config, &t, err) && token_list_add(&list, (struct token){.id = 0}, err);
    if (fine && !tokenizer_encode(t, text, strlen(text), true, &list, err)) {
        ck_assert_uint_eq(list.n, 1);
        fine = false;
    }
    fine = fine && decode(t, &list, err);
    token_list_release(&list);
    tokenizer_close(t);
    return fine;
}

static void fail_each(struct file file, const char *text, const char *config)
{
    const char *json = file.is_model ? "a model" : file.bytes;
    struct error err = {0};
    ck_assert_msg(work(file, text, config, &err), "%s: %s", json, err.text);
    for (long n = 1;; n++) {
        err = (struct error){0};
        to_fail = n;
        bool fine = work(file, text, config, &err);
        bool reached = to_fail == 0;
        to_fail = 0;
        ck_assert_msg(fine || err.kind == ERROR_MEMORY, "allocation %ld of %s: %s", n, json, err.text);
        if (!reached)
            break;
        ck_assert_msg(!fine, "allocation %ld of %s was not missed", n, json);
    }
}

static void fail_in_turn(const char *json, const char *text, const char *config)
{
    fail_each((struct file){json, strlen(json), false}, text, config);
}

START_TEST(small_tokenizers)
{
    if (_i == 0 || vectors[_i].subject != vectors[_i - 1].subject)
        fail_in_turn(subjects[vectors[_i].subject], vectors[_i + 1].text, NULL);
}
END_TEST

static const char everything[] =
    "{\"added_tokens\":[{\"id\":3,\"content\":\"A\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,"
    "\"normalized\":true,\"special\":true}],\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
    "\"NFKD\"},"
    "{\"type\":\"Lowercase\"},{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"b\"}]},\"pre_tokenizer\":{\"type\":"
    "\"Sequence\","
    "\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"Whitespace\"},"
    "{\"type\":\"Punctuation\"},{\"type\":\"Split\",\"pattern\":{\"String\":\"q\"},\"behavior\":"
    "\"Contiguous\"}]},"
    "\"model\":{\"merges\":[\"a "
    "b\",[\"\\u0061\",\"c\"]],\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":4,\"ac\":5}}}";
static const char config[] = "{\"bos_token\":\"c\",\"added_tokens_decoder\":{\"9\":{\"content\":\"[X]\"}}}";

START_TEST(all_stages)
{
    fail_in_turn(everything, "abc a A xxab 12 e\u0301\u0301 b.q [X]", config);
}
END_TEST

/* More code points in one cluster than the stack has room for; enough text for words to be remembered. */
START_TEST(long_texts)
{
    char text[6000] = "ab ";
    for (int i = 0; i < 100; i++)
        strcat(text, "\u0301");
    while (strlen(text) < 4500)
        strcat(text, " abc ab");
    fail_in_turn(everything, text, NULL);
}
END_TEST

/* tokenizer.model with an unknown, a control and a user-defined piece, U+2581, a, ab, and the type of its
 * model. */
#define PIECES                                                                                               \
    "\x0a\x05\x0a\x01?\x18\x02\x0a\x05\x0a\x01!"                                                             \
    "\x18\x03\x0a\x05\x0a\x01X\x18\x04\x0a\x05\x0a\x03\xe2\x96\x81"                                          \
    "\x0a\x03\x0a\x01"                                                                                       \
    "a\x0a\x04\x0a\x02"                                                                                      \
    "ab\x12\x02\x18"
static const char unigram[] = PIECES "\x01", bpe[] = PIECES "\x02";

START_TEST(models)
{
    const char *settings = "{\"tokenizer_class\":\"LlamaTokenizer\",\"bos_token\":\"!\"}";
    fail_each((struct file){unigram, sizeof unigram - 1, true}, "ab Xa cc", settings);
    fail_each((struct file){bpe, sizeof bpe - 1, true}, "ab Xa cc", settings);
}
END_TEST

START_TEST(pairs)
{
    static const char vocab[] = "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}",
                      merges[] = "#version: 0.2\na b\n";
    struct error err = {0};
    struct tokenizer *t = NULL;
    for (long n = 1; !t; n++) {
        to_fail = n;
        if (!tokenizer_parse_pair("vocab.json", vocab, sizeof vocab - 1, merges, sizeof merges - 1, &t, &err))
            ck_assert_int_eq(err.kind, ERROR_MEMORY);
    }
    to_fail = 0;
    tokenizer_close(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_allocations");
    TCase *tcase = tcase_create("token_allocations");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, small_tokenizers, 0, sizeof vectors / sizeof *vectors - 1);
    tcase_add_test(tcase, all_stages);
    tcase_add_test(tcase, long_texts);
    tcase_add_test(tcase, models);
    tcase_add_test(tcase, pairs);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
