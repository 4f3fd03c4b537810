/* Which of a model's files make its tokenizer. */
#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tokenizer.h"

static const char json[] = "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ba\":2},\"merges\":[\"b a\"]}}";
static const char vocab[] = "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}";
static const char merges[] = "#version: 0.2\na b\n";

static const struct {
    const char *json, *config, *vocab, *merges; /* NULL: there is no such file */
    const char *ids;                            /* of "abba", or what the sentence says */
    enum error_kind kind;
} cases[] = {
    {json, NULL, NULL, NULL, "0 1 2", ERROR_NONE},
    {json, "{\"add_bos_token\":true,\"bos_token\":\"a\",\"tokenizer_class\":\"X\"}", vocab, merges, "0 1 1 0",
     ERROR_NONE},
    {NULL, NULL, vocab, merges, "2 1 0", ERROR_NONE},
    {NULL, "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_bos_token\":true,\"bos_token\":\"<|endoftext|>\"}",
     vocab, merges, "3 2 1 0", ERROR_NONE},
    {NULL, "{\"tokenizer_class\":\"Qwen2Tokenizer\"}", vocab, merges, "tokenizer_class is \"Qwen2Tokenizer\"",
     ERROR_UNSUPPORTED},
    {NULL, NULL, vocab, NULL, "has no tokenizer", ERROR_UNSUPPORTED},
    {NULL, "{}", NULL, NULL, "has no tokenizer", ERROR_UNSUPPORTED},
    {"{", NULL, vocab, merges, "tokenizer.json:1:2", ERROR_FORMAT},
};

static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
                                    "model.safetensors"};

static void write_file(const char *folder, const char *name, const char *text, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

static void encode_abba(const struct checkpoint *checkpoint, struct str *ids, struct error *err)
{
    struct context context = {.fs = fs_real()};
    struct tokenizer *t = NULL;
    struct token_list list = {0};
    if (!tokenizer_open(&context, checkpoint, &t, err))
        return;
    ck_assert_msg(tokenizer_encode(t, "abba", 4, true, &list, err), "%s", err->text);
    for (size_t i = 0; i < list.n; i++)
        str_printf(ids, i ? " %u" : "%u", list.items[i].id);
    token_list_release(&list);
    tokenizer_close(t);
}

START_TEST(files)
{
    char folder[] = "/tmp/lancet-tokenizer-XXXXXX", path[256];
    struct context context = {.fs = fs_real()};
    struct checkpoint_options options = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint;
    struct error err = {0};
    struct str ids = {0};
    const char *texts[] = {cases[_i].json, cases[_i].config, cases[_i].vocab, cases[_i].merges};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < 4; i++)
        if (texts[i])
            write_file(folder, names[i], texts[i], strlen(texts[i]));
    write_file(folder, names[4], "\2\0\0\0\0\0\0\0{}", 10);
    ck_assert_msg(checkpoint_open(&context, folder, &options, &checkpoint, &err), "%s", err.text);
    encode_abba(checkpoint, &ids, &err);
    ck_assert_int_eq(err.kind, cases[_i].kind);
    if (cases[_i].kind == ERROR_NONE)
        ck_assert_str_eq(ids.data, cases[_i].ids);
    else
        ck_assert_msg(strstr(err.text, cases[_i].ids) != NULL, "%s", err.text);
    str_release(&ids);
    checkpoint_close(checkpoint);
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer_open");
    TCase *tcase = tcase_create("tokenizer_open");
    tcase_add_loop_test(tcase, files, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
