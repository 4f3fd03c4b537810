/* What the tokenizer makes of texts, for test_tokens.py.
 *
 *     tokenize_lines TOKENIZER.json | TOKENIZER.model | MODEL.gguf | VOCAB.json MERGES.txt
 *
 * stdin: per text its length (u32, little-endian) and its bytes. stdout: per text one line "id:start:end ..."
 * (start and end "-" for tokens that the template added), a tab, the decoded text in hexadecimal, a tab, the
 * same without special tokens. --quiet prints the time alone. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs.h"
#include "memory.h"
#include "tokenizer.h"

/* Processor time: other work on the machine does not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The tokenizer of a whole model. */
static bool load_model(const char *path, struct tokenizer **out, struct error *err)
{
    struct context context = {.fs = fs_real()};
    struct checkpoint_options options = {.mode = CHECKPOINT_READ};
    struct checkpoint *checkpoint = NULL;
    bool fine = checkpoint_open(&context, path, &options, &checkpoint, err) &&
                tokenizer_open(&context, checkpoint, out, err);
    checkpoint_close(checkpoint);
    return fine;
}

static bool load(int n_files, char **files, struct tokenizer **out, struct error *err)
{
    const char *extension = strrchr(files[0], '.');
    if (extension && strcmp(extension, ".gguf") == 0)
        return load_model(files[0], out, err);
    char *texts[2] = {NULL};
    size_t sizes[2] = {0};
    bool fine = true;
    for (int i = 0; fine && i < n_files; i++)
        fine = fs_read_file(fs_real(), files[i], (size_t)1 << 30, &texts[i], &sizes[i], err);
    double start = now();
    if (fine && n_files == 2)
        fine = tokenizer_parse_pair(files[0], texts[0], sizes[0], texts[1], sizes[1], out, err);
    else if (fine && texts[0][0] != '{')
        fine = tokenizer_parse_model(files[0], texts[0], sizes[0], NULL, 0, out, err);
    else if (fine)
        fine = tokenizer_parse(files[0], texts[0], sizes[0], NULL, 0, out, err);
    fprintf(stderr, "opened in %.3f s\n", now() - start);
    free(texts[0]);
    free(texts[1]);
    return fine;
}

static bool print_decoded(const struct tokenizer *t, const struct token_list *tokens, bool skip,
                          struct error *err)
{
    struct str text = {0};
    uint32_t *ids = memory_array(tokens->n, sizeof *ids);
    for (size_t i = 0; ids && i < tokens->n; i++)
        ids[i] = tokens->items[i].id;
    bool fine = ids && tokenizer_decode(t, ids, tokens->n, skip, &text, err);
    putchar('\t');
    for (size_t i = 0; fine && i < text.length; i++)
        printf("%02x", (unsigned char)text.data[i]);
    free(ids);
    str_release(&text);
    return fine;
}

static bool print_tokens(const struct tokenizer *t, const struct token_list *tokens, struct error *err)
{
    for (size_t i = 0; i < tokens->n; i++) {
        const struct token *token = &tokens->items[i];
        if (token->placed)
            printf("%s%u:%zu:%zu", i ? " " : "", token->id, token->start, token->end);
        else
            printf("%s%u:-:-", i ? " " : "", token->id);
    }
    bool fine = print_decoded(t, tokens, false, err) && print_decoded(t, tokens, true, err);
    putchar('\n');
    return fine;
}

static bool run(const struct tokenizer *t, bool quiet, struct error *err)
{
    uint32_t size;
    size_t bytes = 0, n_tokens = 0;
    double spent = 0;
    char *text = NULL;
    bool fine = true;
    while (fine && fread(&size, sizeof size, 1, stdin) == 1) {
        struct token_list tokens = {0};
        char *grown = memory_resize(text, (size_t)size + 1, 1);
        if (!grown || (text = grown, fread(text, 1, size, stdin) != size)) {
            fine = error_set(err, ERROR_IO, "the input is cut short");
            break;
        }
        double start = now();
        fine = tokenizer_encode(t, text, size, true, &tokens, err);
        spent += now() - start;
        bytes += size;
        n_tokens += tokens.n;
        fine = fine && (quiet || print_tokens(t, &tokens, err));
        token_list_release(&tokens);
    }
    free(text);
    fprintf(stderr, "%zu bytes, %zu tokens in %.3f s: %.2f MB/s\n", bytes, n_tokens, spent,
            (double)bytes / 1e6 / (spent > 0 ? spent : 1));
    return fine;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct tokenizer *t = NULL;
    bool quiet = argc > 1 && strcmp(argv[1], "--quiet") == 0;
    int n_files = argc - 1 - quiet;
    if (n_files < 1 || n_files > 2) {
        fprintf(stderr, "usage: tokenize_lines [--quiet] TOKENIZER.json | TOKENIZER.model | MODEL.gguf | "
                        "VOCAB.json MERGES.txt\n");
        return 2;
    }
    bool fine = load(n_files, argv + 1 + quiet, &t, &err) && run(t, quiet, &err);
    tokenizer_close(t);
    if (!fine)
        fprintf(stderr, "%s\n", err.text);
    return fine ? 0 : 1;
}
