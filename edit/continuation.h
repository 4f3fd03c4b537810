/* What a model says: greedy continuation of a prompt, for reports. */
#ifndef LANCET_CONTINUATION_H
#define LANCET_CONTINUATION_H

#include "pass.h"
#include "tokenizer.h"

/* Appends the text of up to n_tokens greedy tokens after `prompt`; ends before a special token. */
bool continuation_greedy(const struct context *context, const struct model *model,
                         const struct tokenizer *tokenizer, const struct sequence *prompt, size_t n_tokens,
                         struct str *out, struct error *err);

#endif
