#include "edit_rows.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "own_texts.h"
#include "quote.h"
#include "span.h"
#include "str.h"

/* ---- texts ---- */

static uint32_t *ids_of(const struct token *tokens, size_t n)
{
    uint32_t *ids = memory_array(n, sizeof(*ids));
    for (size_t i = 0; ids && i < n; i++)
        ids[i] = tokens[i].id;
    return ids;
}

/* Tokens of `text` in the middle of another: what follows `before` in the tokens of both, when `before` keeps
 * its own tokens; else the tokens of `text` by itself. */
static bool tokenise_target(const struct tokenizer *tokenizer, const char *before, size_t n,
                            const struct token_list *alone, const char *target, struct prompt_tokens *out,
                            struct error *err)
{
    struct str both = {0};
    struct token_list joined = {0}, apart = {0};
    str_append_bytes(&both, before, n);
    str_append(&both, target);
    bool ok = (!both.failed || error_memory(err, "tokenising the target")) &&
              tokenizer_encode(tokenizer, both.data, both.length, true, &joined, err);
    bool same = ok && joined.n >= alone->n;
    for (size_t i = 0; same && i < alone->n; i++)
        same = joined.items[i].id == alone->items[i].id;
    if (ok && !same)
        ok = tokenizer_encode(tokenizer, target, strlen(target), false, &apart, err);
    if (ok) {
        /* A post-processor may end a text with tokens of its own. */
        size_t end = joined.n;
        while (same && end > alone->n && !joined.items[end - 1].placed)
            end--;
        out->n_target = same ? end - alone->n : apart.n;
        out->target = same ? ids_of(joined.items + alone->n, out->n_target) : ids_of(apart.items, apart.n);
        out->border_moved = !same;
        ok = out->target || error_memory(err, "tokenising the target");
    }
    token_list_release(&joined);
    token_list_release(&apart);
    str_release(&both);
    return ok;
}

bool prompt_tokenise(const struct tokenizer *tokenizer, const char *text, size_t n, size_t subject_start,
                     size_t subject_end, const char *target, struct prompt_tokens *out, struct error *err)
{
    struct prompt_tokens p = {0};
    struct token_list alone = {0};
    size_t first = 0;
    bool ok = tokenizer_encode(tokenizer, text, n, true, &alone, err);
    while (ok && alone.n && !alone.items[alone.n - 1].placed && alone.n > 1)
        alone.n--;
    /* The space in front belongs to the subject's first token in most vocabularies: no cut through a word. */
    size_t start = subject_start - (subject_start > 0 && text[subject_start - 1] == ' ');
    if (ok && subject_end > subject_start)
        ok = span_tokens(&alone, start, subject_end, &first, &p.subject_last, &p.subject_inside, err);
    if (ok && target)
        ok = tokenise_target(tokenizer, text, n, &alone, target, &p, err);
    if (ok) {
        p.prompt = ids_of(alone.items, alone.n);
        p.n_prompt = alone.n;
        ok = p.prompt || error_memory(err, "tokenising the prompt");
    }
    token_list_release(&alone);
    if (ok)
        *out = p;
    else
        prompt_tokens_release(&p);
    return ok;
}

void prompt_tokens_release(struct prompt_tokens *tokens)
{
    free(tokens->prompt);
    free(tokens->target);
    *tokens = (struct prompt_tokens){0};
}

/* ---- rows ---- */

static bool allocate(struct edit_rows *r, size_t n_contexts, struct error *err)
{
    r->n_contexts = n_contexts;
    r->rows = arena_array(&r->arena, n_contexts + 1, sizeof(*r->rows));
    r->subject = arena_array(&r->arena, n_contexts + 1, sizeof(*r->subject));
    return (r->rows && r->subject) || error_memory(err, "building the rows of an edit");
}

/* Joins up to four lists of ids. */
struct piece {
    const uint32_t *ids;
    size_t n;
};
static bool join(struct edit_rows *r, size_t row, const struct piece *pieces, size_t n_pieces,
                 struct error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < n_pieces; i++)
        n += pieces[i].n;
    uint32_t *ids = arena_array(&r->arena, n ? n : 1, sizeof(*ids));
    if (!ids)
        return error_memory(err, "building the rows of an edit");
    r->rows[row] = (struct sequence){ids, n};
    for (size_t i = 0; i < n_pieces; i++) {
        if (pieces[i].n)
            memcpy(ids, pieces[i].ids, pieces[i].n * sizeof(*ids));
        ids += pieces[i].n;
    }
    return true;
}

static bool keep_target(struct edit_rows *r, const uint32_t *ids, size_t n, const char *text,
                        struct error *err)
{
    if (n == 0)
        return error_set(err, ERROR_USAGE, "the target %s has no tokens", quote(text ? text : "").text);
    uint32_t *copy = arena_array(&r->arena, n, sizeof(*copy));
    if (!copy)
        return error_memory(err, "building the rows of an edit");
    memcpy(copy, ids, n * sizeof(*ids));
    r->target = copy;
    r->n_target = n;
    return true;
}

static bool text_row(const struct tokenizer *tokenizer, const struct edit_request *q,
                     const struct context_prefix *prefix, size_t row, struct edit_rows *r, struct error *err)
{
    struct str text = {0};
    struct prompt_tokens p = {0};
    str_append_bytes(&text, prefix->text, prefix->n);
    str_append(&text, q->prompt);
    bool ok = (!text.failed || error_memory(err, "building the rows of an edit")) &&
              prompt_tokenise(tokenizer, text.data, text.length, prefix->n + q->subject_start,
                              prefix->n + q->subject_end, row == 0 ? q->target : NULL, &p, err);
    if (ok && row == 0) {
        ok = keep_target(r, p.target, p.n_target, q->target, err);
        if (p.border_moved)
            r->note = "prompt and target are tokenised apart: together they would be cut otherwise";
        else if (p.subject_inside)
            r->note = "the subject ends or begins inside a token";
    }
    if (ok) {
        struct piece pieces[] = {{p.prompt, p.n_prompt}, {r->target, r->n_target - 1}};
        ok = join(r, row, pieces, 2, err);
        r->subject[row] = p.subject_last;
    }
    prompt_tokens_release(&p);
    str_release(&text);
    return ok;
}

static bool text_kl_row(const struct tokenizer *tokenizer, const struct edit_request *q, struct edit_rows *r,
                        struct error *err)
{
    const struct own_texts *texts = own_texts_for(script_of_text(q->subject, strlen(q->subject)));
    struct str text = {0};
    struct prompt_tokens p = {0};
    str_append(&text, q->subject);
    str_append(&text, texts->anchor);
    bool ok = (!text.failed || error_memory(err, "building the rows of an edit")) &&
              prompt_tokenise(tokenizer, text.data, text.length, 0, strlen(q->subject), NULL, &p, err);
    if (ok) {
        struct piece piece = {p.prompt, p.subject_last + 1};
        ok = join(r, r->n_contexts, &piece, 1, err);
        r->subject[r->n_contexts] = p.subject_last;
    }
    prompt_tokens_release(&p);
    str_release(&text);
    return ok;
}

static bool build_texts(const struct tokenizer *tokenizer, const struct edit_request *q,
                        const struct context_set *contexts, struct edit_rows *r, struct error *err)
{
    if (!tokenizer)
        return error_set(err, ERROR_USAGE,
                         "the model has no tokenizer: give the request and the contexts in token ids");
    for (size_t i = 0; i < contexts->n; i++)
        if (!text_row(tokenizer, q, &contexts->items[i], i, r, err))
            return false;
    return text_kl_row(tokenizer, q, r, err);
}

static bool build_ids(const struct edit_request *q, int64_t bos, const struct context_set *contexts,
                      struct edit_rows *r, struct error *err)
{
    uint32_t first = (uint32_t)bos;
    const struct edit_ids *ids = &q->ids;
    size_t n_bos = bos >= 0;
    if (!keep_target(r, ids->target, ids->n_target, NULL, err))
        return false;
    for (size_t i = 0; i < contexts->n; i++) {
        const struct context_prefix *prefix = &contexts->items[i];
        struct piece pieces[] = {{&first, n_bos},
                                 {prefix->ids, prefix->n},
                                 {ids->prompt, ids->n_prompt},
                                 {ids->target, ids->n_target - 1}};
        if (!join(r, i, pieces, 4, err))
            return false;
        r->subject[i] = n_bos + prefix->n + ids->subject_last;
    }
    struct piece pieces[] = {{&first, n_bos}, {ids->kl, ids->kl_last + 1}};
    r->subject[contexts->n] = n_bos + ids->kl_last;
    return join(r, contexts->n, pieces, 2, err);
}

bool edit_rows_build(const struct tokenizer *tokenizer, const struct edit_request *request, int64_t bos,
                     const struct context_set *contexts, struct edit_rows *out, struct error *err)
{
    struct edit_rows r = {0};
    bool by_ids = request->prompt == NULL, bare = contexts->n == 1;
    if (by_ids == (contexts->items[0].text != NULL) && !bare)
        return error_set(err, ERROR_USAGE, "the requests are in %s, the contexts (%s) are not",
                         by_ids ? "token ids" : "texts", contexts->name);
    bool ok = allocate(&r, contexts->n, err) && (by_ids ? build_ids(request, bos, contexts, &r, err)
                                                        : build_texts(tokenizer, request, contexts, &r, err));
    if (ok)
        *out = r;
    else
        edit_rows_release(&r);
    return ok;
}

void edit_rows_release(struct edit_rows *rows)
{
    arena_release(&rows->arena);
    *rows = (struct edit_rows){0};
}
