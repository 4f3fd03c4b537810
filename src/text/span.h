/* Where a word of a text is in its tokens. */
#ifndef LANCET_SPAN_H
#define LANCET_SPAN_H

#include "tokenizer.h"

/* First and last token that cover bytes [start, end) of the text, start < end. *inside_token tells that a
 * border lies inside a token. ERROR_USAGE when no token covers them. */
bool span_tokens(const struct token_list *tokens, size_t start, size_t end, size_t *first, size_t *last,
                 bool *inside_token, struct error *err);

#endif
