/* An open record that is to be gone on with (CHECKPOINT_CHANGE with `resume`): found, locked and checked when
 * the model is opened, taken over by transaction_begin. */
#ifndef LANCET_PENDING_H
#define LANCET_PENDING_H

#include "buffer.h"
#include "checkpoint.h"
#include "record.h"
#include "store.h"

struct pending_file {
    size_t checkpoint_file; /* index into checkpoint.files */
    struct buffer
        head; /* the first bytes of the file as they were, whole pages; none: it was never touched */
    size_t head_bytes;
};

struct pending {
    const struct fs *fs;
    struct store store;
    char *path; /* NNNN.open */
    int fd;     /* of the record, exclusively locked */
    struct record record;
    struct pending_file *files; /* as in the record */
    size_t n_files;
};

void pending_free(struct pending *pending); /* NULL is fine */
/* Bytes [offset, offset + n) of the head of a checkpoint's file: as they were, where a change is pending. */
bool pending_read_head(const struct checkpoint *checkpoint, size_t file, uint64_t offset, void *out, size_t n,
                       struct error *err);

#endif
