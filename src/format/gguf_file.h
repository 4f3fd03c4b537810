/* A new file beside its final name: hidden until it is complete and synced. */
#ifndef LANCET_GGUF_FILE_H
#define LANCET_GGUF_FILE_H

#include "gguf_write.h"

struct gguf_file;

/* Lays the tensors out (gguf_layout) and writes the head; space is checked first. ERROR_USAGE when `path` is
 * there, unless force. */
bool gguf_file_begin(const struct context *context, const char *path, bool force, struct tensor_plan *tensors,
                     size_t n, const struct gguf_values *values, struct gguf_file **out, struct error *err);
/* At a place of the file, as the plans give it. */
bool gguf_file_put(struct gguf_file *file, uint64_t offset, const void *bytes, size_t n, struct error *err);
/* Where it lies until it is committed. */
const char *gguf_file_path(const struct gguf_file *file);
bool gguf_file_commit(struct gguf_file *file, struct error *err);
/* Removes what was not committed; NULL is fine. */
void gguf_file_free(struct gguf_file *file);

#endif
