/* A new model folder: a temporary folder beside the target, every other file of the model
 * carried, sync, rename. Nothing half-written is ever visible under the final name. */
#ifndef LANCET_FOLDER_H
#define LANCET_FOLDER_H

#include "checkpoint.h"

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
bool folder_commit(struct folder_writer *writer, struct error *err);
/* Removes the temporary folder; also after a commit, NULL is fine. */
void folder_free(struct folder_writer *writer);

#endif
