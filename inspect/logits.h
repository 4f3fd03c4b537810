/* The logits of every position of a pass, as a file. */
#ifndef LANCET_LOGITS_H
#define LANCET_LOGITS_H

#include "pass.h"

/* NumPy f32 [n_tokens, vocabulary] of sequence 0 of a pass that has run, a block of rows at a time. */
bool logits_write(const struct context *context, const struct model *model, struct pass *pass,
                  size_t n_tokens, const char *path, bool force, struct error *err);

#endif
