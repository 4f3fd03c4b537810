/* What must hold of the tokens of any text, for the fuzz targets of tokenizers. */
#ifndef LANCET_FUZZ_TOKENS_H
#define LANCET_FUZZ_TOKENS_H

#include "fuzz.h"
#include "memory.h"
#include "tokenizer.h"

enum { ALONE = 200 }; /* tokens that are looked at one by one */

/* Ranges follow each other from the first byte of the text to the last. */
static void check_tokens(const struct token_list *tokens, size_t n)
{
    size_t at = 0, placed = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        const struct token *token = &tokens->items[i];
        FUZZ_HOLDS(token->start <= token->end && token->end <= n);
        if (!token->placed)
            continue;
        FUZZ_HOLDS(token->start == at);
        at = token->end;
        placed++;
    }
    FUZZ_HOLDS(placed == 0 || at == n);
}

static void decode(const struct tokenizer *t, const struct token_list *tokens)
{
    struct error err = {0};
    struct str text = {0}, bytes = {0};
    uint32_t *ids = memory_array(tokens->n, sizeof *ids);
    for (size_t i = 0; ids && i < tokens->n; i++) {
        ids[i] = tokens->items[i].id;
        if (i < ALONE && !tokenizer_token_bytes(t, ids[i], &bytes, &err))
            FUZZ_HOLDS(err.kind == ERROR_UNSUPPORTED);
        if (tokens->items[i].placed)
            FUZZ_HOLDS(tokenizer_piece(t, ids[i]) && ids[i] < tokenizer_size(t));
    }
    for (int skip = 0; ids && skip < 2; skip++)
        if (!tokenizer_decode(t, ids, tokens->n, skip, &text, &err))
            FUZZ_HOLDS(err.kind == ERROR_UNSUPPORTED && err.text[0]);
    free(ids);
    str_release(&text);
    str_release(&bytes);
}

/* Encodes and decodes a text with a tokenizer that a file gave, or not, and closes it. */
static void try_text(bool opened, struct tokenizer *t, struct error *err, const char *text, size_t n)
{
    struct token_list tokens = {0};
    if (!opened) {
        FUZZ_HOLDS(!t && (err->kind == ERROR_FORMAT || err->kind == ERROR_UNSUPPORTED) && err->text[0]);
        return;
    }
    if (tokenizer_encode(t, text, n, true, &tokens, err)) {
        check_tokens(&tokens, n);
        decode(t, &tokens);
    } else {
        FUZZ_HOLDS((err->kind == ERROR_FORMAT || err->kind == ERROR_UNSUPPORTED) && err->text[0] &&
                   tokens.n == 0);
    }
    token_list_release(&tokens);
    tokenizer_close(t);
}

#endif
