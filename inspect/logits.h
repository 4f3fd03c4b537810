/* The logits of every position of a pass, as a file. */
#ifndef LANCET_LOGITS_H
#define LANCET_LOGITS_H

#include "pass.h"

/* How many of n rows of logits are made at a time, so that they take little memory. */
size_t logits_block(size_t vocabulary, size_t n);

/* NumPy f32 [n_tokens, vocabulary] of sequence 0 of a pass that has run, a block of rows at a time. */
bool logits_write(const struct context *context, const struct model *model, struct pass *pass,
                  size_t n_tokens, const char *path, bool force, struct error *err);

#endif
