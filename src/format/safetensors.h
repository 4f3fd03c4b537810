/* The safetensors format: what checkpoint.c does not reach through the row of the table. */
#ifndef LANCET_SAFETENSORS_H
#define LANCET_SAFETENSORS_H

#include "format.h"

extern const struct format format_safetensors;

/* 8 + N for a file of `file_bytes` bytes that begins with these 8: ERROR_FORMAT when N is too large for the
 * format or the file, ERROR_BUSY when it is the value that a change under way puts there. */
bool safetensors_head_bytes(const char *name, const uint8_t bytes[8], uint64_t file_bytes, uint64_t *out,
                            struct error *err);

/* Lists the tensors of a file from its head (8 + N bytes), in the order of their bytes; every check of the
 * format is made. `name` is for sentences. Names and metadata are put into the arena; *metadata is NULL when
 * there is none. */
struct safetensors_head {
    const char *name;
    const uint8_t *bytes;
    uint64_t n, file_bytes;
    size_t file; /* goes into tensor.file */
};
bool safetensors_list(const struct safetensors_head *head, struct arena *arena, struct tensor_list *out,
                      const char **metadata, struct error *err);

/* A whole new file in one call, through a temporary file beside it, sync and rename. data[i] are the bytes of
 * tensors[i]; the plans' offset and bytes are not read. `metadata` is the text of a JSON object of strings,
 * or NULL. */
bool safetensors_write(const struct fs *fs, const char *path, const struct tensor_plan *tensors,
                       const void *const *data, size_t n, const char *metadata, struct error *err);

#endif
