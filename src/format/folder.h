/* A new model folder: a temporary folder beside the target, every other file of the model
 * carried, sync, rename. Nothing half-written is ever visible under the final name. */
#ifndef LANCET_FOLDER_H
#define LANCET_FOLDER_H

#include "format.h"

struct folder_writer;

/* Starts DIR as a copy of `donor`, file by file, with the same sharding: every weight file byte for byte but
 * for what folder_write puts over it, every other file of the model (tokenizer, config, templates), never
 * `.lancet`. A target that is not empty: ERROR_USAGE without force; with an open record always ERROR_BUSY.
 * Space is checked first. */
bool folder_begin(const struct context *context, const struct checkpoint *donor, const char *directory,
                  bool force, struct folder_writer **out, struct error *err);
/* New bytes of a tensor of the donor. */
bool folder_write(struct folder_writer *writer, const struct tensor *tensor, uint64_t offset,
                  const void *bytes, size_t n, struct error *err);

/* A folder with tensors and shards of its own. */
struct folder_text { /* a file beside the weights, in place of the donor's */
    const char *name, *bytes;
    size_t n;
};
struct folder_layout {
    const struct tensor_plan *tensors; /* sorted by name, each once */
    size_t n_tensors;
    uint64_t shard_bytes; /* of tensors in a shard at most; 0: 5 GB */
    const struct folder_text *texts;
    size_t n_texts;
    const struct checkpoint *const *inputs; /* the new folder must be none of theirs, nor lie in one */
    size_t n_inputs;
};
/* Starts DIR as folder_begin does, with the donor's files but its weights and what `texts` replaces. The
 * layout must outlive the writer. */
bool folder_begin_layout(const struct context *context, const struct checkpoint *donor,
                         const struct folder_layout *layout, const char *directory, bool force,
                         struct folder_writer **out, struct error *err);
/* What the two above refuse of DIR before they make anything, with the same errors; writes nothing. Of
 * `layout` only the inputs count; NULL: as folder_begin. `*n_records`: how many records of changes go with
 * the model that is replaced. */
bool folder_check(const struct context *context, const struct checkpoint *donor,
                  const struct folder_layout *layout, const char *directory, bool force, size_t *n_records,
                  struct error *err);
/* Indices of the layout's tensors in the order of their bytes. */
const size_t *folder_order(const struct folder_writer *writer);
/* Bytes [offset, offset + n) of a tensor of the layout, by its index; every byte of every tensor must come.
 */
bool folder_put(struct folder_writer *writer, size_t tensor, uint64_t offset, const void *bytes, size_t n,
                struct error *err);

bool folder_commit(struct folder_writer *writer, struct error *err);
/* Removes the temporary folder; also after a commit, NULL is fine. */
void folder_free(struct folder_writer *writer);

#endif
