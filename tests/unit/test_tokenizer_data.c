/* Real tokenizers against answers that llama.cpp keeps of them (made by transformers): texts in *.inp, one
 * line of ids for each in *.out. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "fs.h"
#include "tokenizer.h"

static const char separator[] = "\n__ggml_vocab_test__\n";

static const struct {
    const char *vectors, *files[2];
} models[] = {
    {"gpt-2", {"tok-hf-json/gpt2_tokenizer.json", NULL}},
    {"gpt-2", {"tok-gpt2/gpt2_vocab.json", "tok-gpt2/gpt2_merges.txt"}},
    {"falcon", {"tok-hf-json/falcon_tokenizer.json", NULL}},
    {"llama-spm", {"tok-hf-json/llama_tokenizer.json", NULL}},
    {"llama-bpe", {"tok-llama3/tokenizer.model", NULL}},
    {"qwen2", {"tok-qwen/qwen.tiktoken", NULL}},
    {"llama-spm", {"tok-llama2/tokenizer.model", NULL}},
#define GGUF(name)                                                                                           \
    {                                                                                                        \
        name,                                                                                                \
        {                                                                                                    \
            "tok-llamacpp-vectors/ggml-vocab-" name ".gguf", NULL                                            \
        }                                                                                                    \
    }
    GGUF("bert-bge"),
    GGUF("deepseek-coder"),
    GGUF("deepseek-llm"),
    GGUF("falcon"),
    GGUF("gpt-2"),
    GGUF("llama-spm"),
    GGUF("mpt"),
    GGUF("phi-3"),
    GGUF("refact"),
    GGUF("starcoder"),
#undef GGUF
};

static char *read_data(const char *name, size_t *n)
{
    struct error err = {0};
    char *path = path_join(getenv("LANCET_DATA"), name), *text = NULL;
    ck_assert_msg(path && fs_read_file(fs_real(), path, (size_t)1 << 28, &text, n, &err), "%s", err.text);
    free(path);
    return text;
}

static bool has_extension(const char *name, const char *extension)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, extension) == 0;
}

static struct tokenizer *open_gguf(const char *name)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    struct context context = {.fs = fs_real()};
    struct checkpoint_options options = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint;
    char *path = path_join(getenv("LANCET_DATA"), name);
    ck_assert_msg(checkpoint_open(&context, path, &options, &checkpoint, &err) &&
                      tokenizer_open(&context, checkpoint, &t, &err),
                  "%s", err.text);
    checkpoint_close(checkpoint);
    free(path);
    return t;
}

static struct tokenizer *open_files(const char *const files[2])
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    if (has_extension(files[0], ".gguf"))
        return open_gguf(files[0]);
    size_t n, n_merges = 0;
    char *text = read_data(files[0], &n), *merges = files[1] ? read_data(files[1], &n_merges) : NULL;
    bool fine = merges ? tokenizer_parse_pair(files[0], text, n, merges, n_merges, &t, &err)
                : has_extension(files[0], ".json")
                    ? tokenizer_parse(files[0], text, n, NULL, 0, &t, &err)
                    : tokenizer_parse_model(files[0], text, n, NULL, 0, &t, &err);
    ck_assert_msg(fine, "%s", err.text);
    free(text);
    free(merges);
    return t;
}

static void check_text(const struct tokenizer *t, const char *text, size_t n, const char *line, size_t line_n)
{
    struct error err = {0};
    struct token_list list = {0};
    struct str ids = {0};
    ck_assert_msg(tokenizer_encode(t, text, n, false, &list, &err), "%s", err.text);
    size_t at = 0;
    str_append(&ids, "");
    for (size_t i = 0; i < list.n; i++) {
        str_printf(&ids, " %u", list.items[i].id);
        ck_assert_uint_eq(list.items[i].start, at);
        at = list.items[i].end;
    }
    ck_assert(at == n || list.n == 0);
    ck_assert_msg(ids.length == line_n && !memcmp(ids.data, line, line_n), "\"%.*s\" became%s, expected%.*s",
                  (int)n, text, ids.data, (int)line_n, line);
    str_release(&ids);
    token_list_release(&list);
}

START_TEST(kept_answers)
{
    char name[128];
    size_t n, n_ids;
    snprintf(name, sizeof name, "tok-llamacpp-vectors/ggml-vocab-%s.gguf.inp", models[_i].vectors);
    char *texts = read_data(name, &n);
    snprintf(name, sizeof name, "tok-llamacpp-vectors/ggml-vocab-%s.gguf.out", models[_i].vectors);
    char *ids = read_data(name, &n_ids);
    struct tokenizer *t = open_files(models[_i].files);
    unsigned count = 0;
    const char *line = ids;
    for (const char *text = texts, *end; (end = strstr(text, separator));
         text = end + sizeof separator - 1, count++) {
        size_t length = strcspn(line, "\n");
        check_text(t, text, (size_t)(end - text), line, length);
        line += length + 1;
    }
    ck_assert_uint_gt(count, 40);
    tokenizer_close(t);
    free(texts);
    free(ids);
}
END_TEST

int main(void)
{
    const char *data = getenv("LANCET_DATA");
    if (!data || !*data) {
        puts("1..0 # SKIP tokenizer_data: LANCET_DATA is not set");
        return EXIT_SUCCESS;
    }
    Suite *suite = suite_create("tokenizer_data");
    TCase *tcase = tcase_create("tokenizer_data");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, kept_answers, 0, sizeof models / sizeof *models);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
