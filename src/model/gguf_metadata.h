/* What a GGUF says of a model beside its tensors. */
#ifndef LANCET_GGUF_METADATA_H
#define LANCET_GGUF_METADATA_H

#include "gguf_write.h"
#include "model.h"

/* Sizes, kinds and scales of a model in safetensors, from its config; `dtype` is that of most matrices. */
bool gguf_metadata_put(const struct model *model, enum dtype dtype, struct gguf_values *values,
                       struct error *err);
/* Whether what was written, opened, is the same model: ERROR_UNSUPPORTED names what a GGUF of its
 * architecture cannot say (a scale, windows of layers, rope scaling). */
bool gguf_metadata_check(const struct model *source, const struct model *written, struct error *err);
/* That refusal; returns false. */
bool gguf_metadata_refuse(const struct model *source, const char *what, struct error *err);
/* The vocabulary, merges and special tokens of its tokenizer.json (BPE, of bytes or of characters with bytes
 * in reserve), and its chat template: *done is false when it has no tokenizer, or one of another kind. */
bool gguf_metadata_put_tokenizer(const struct model *model, struct gguf_values *values, bool *done,
                                 struct error *err);
/* The other way: tokenizer.json of the vocabulary in a GGUF, of the same two kinds. *out is malloc'ed; NULL
 * when it has none, or one of another kind. */
bool gguf_metadata_tokenizer(const struct gguf *gguf, char **out, size_t *n, struct error *err);

#endif
