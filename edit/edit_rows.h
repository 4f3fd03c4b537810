/* The rows of one edit in token ids (docs/editing.md 2):
 *
 *     row j   = bos? + context j + prompt + target without its last token      j = 0 .. n_contexts - 1, row 0
 * bare row KL  = bos? + "SUBJECT is a" up to the subject's last token
 *
 * The logits at the last n_target positions of a row are scored against the target. Prompt and target are
 * tokenised so that the border between them stays one; BOS stands once. The KL row is read at its subject's
 * last token, and no model here looks ahead, so the words after it only decide how the subject is cut into
 * tokens. */
#ifndef LANCET_EDIT_ROWS_H
#define LANCET_EDIT_ROWS_H

#include "context_set.h"
#include "pass.h"
#include "request.h"

struct edit_rows {
    struct sequence *rows; /* [n_contexts + 1], the KL row last */
    size_t *subject;       /* [n_contexts + 1] position of the subject's last token */
    size_t n_contexts;
    const uint32_t *target; /* [n_target] */
    size_t n_target;
    const char *note; /* what should be said about the tokens, or NULL */
    struct arena arena;
};

/* tokenizer is NULL for requests in ids; bos (with ids) -1: none. ERROR_USAGE when the request needs a
 * tokenizer, when the target has no tokens, when contexts and request are not both texts or both ids. */
bool edit_rows_build(const struct tokenizer *tokenizer, const struct edit_request *request, int64_t bos,
                     const struct context_set *contexts, struct edit_rows *out, struct error *err);
void edit_rows_release(struct edit_rows *rows);

/* One prompt with its target: `text` (or ids) and what follows it. For texts only. */
struct prompt_tokens {
    uint32_t *prompt, *target; /* malloc'ed; prompt with BOS */
    size_t n_prompt, n_target;
    size_t subject_last; /* of the byte range asked for */
    bool subject_inside; /* its border lies inside a token */
    bool border_moved;   /* prompt and target together are tokenised otherwise than apart */
};
bool prompt_tokenise(const struct tokenizer *tokenizer, const char *text, size_t n, size_t subject_start,
                     size_t subject_end, const char *target, struct prompt_tokens *out, struct error *err);
void prompt_tokens_release(struct prompt_tokens *tokens);

#endif
