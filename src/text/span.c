#include "span.h"

bool span_tokens(const struct token_list *tokens, size_t start, size_t end, size_t *first, size_t *last,
                 bool *inside_token, struct error *err)
{
    size_t from = SIZE_MAX, to = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        const struct token *token = &tokens->items[i];
        if (!token->placed || token->end <= start || token->start >= end || token->start == token->end)
            continue;
        if (from == SIZE_MAX)
            from = i;
        to = i;
    }
    if (start >= end || from == SIZE_MAX)
        return error_set(err, ERROR_USAGE, "no token covers bytes %zu to %zu of the text", start, end);
    *first = from;
    *last = to;
    *inside_token = tokens->items[from].start < start || tokens->items[to].end > end;
    return true;
}
