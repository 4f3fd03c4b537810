/* A checkpoint: every tensor of a model over all its files, as names, dtypes, shapes and byte ranges; never
 * arithmetic.
 *
 * PATH is a Hugging Face folder (model.safetensors, or model.safetensors.index.json and its shards), one
 * .safetensors file, or a hub name ("org/name") that the local Hugging Face cache holds (read-only). Config,
 * tokenizer and templates are asked of the checkpoint, whether they lie beside the weights (HF) or inside
 * them (GGUF, later).
 *
 * Opening checks every length, offset and name before any byte of a tensor is used. Every file is held
 * by one open description, flock'ed shared (READ) or exclusive (CHANGE) for as long as the checkpoint is
 * open, and mapped read-only. An open record in `.lancet` (docs/history-format.md) that names one of the
 * files: READ gives ERROR_BUSY, CHANGE recovers first.
 */
#ifndef LANCET_CHECKPOINT_H
#define LANCET_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "context.h"
#include "digest.h"
#include "dtype.h"
#include "error.h"

enum { TENSOR_MAX_RANK = 8 };

struct format;
struct gguf;
struct pending;

struct tensor {
    const char *name;
    enum dtype dtype;
    unsigned rank; /* 0: one element */
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t elements, bytes;
    size_t file;      /* index into checkpoint.files */
    uint64_t offset;  /* of its first byte in that file */
    const void *data; /* the mapped bytes; may be unaligned */
};

struct checkpoint_file {
    const char *name;  /* as the index or the folder spells it: a plain file name */
    const char *path;  /* resolved: no links; its last part may differ from `name` where that is a link */
    const char *shown; /* as the user would spell it, escaped: for sentences */
    const struct format *format;
    const char
        *metadata; /* the format's own metadata (safetensors: the text of __metadata__, an object), or NULL */
    const struct gguf *gguf; /* GGUF: its typed metadata (gguf.h); else NULL */
    int fd; /* READ: O_RDONLY; CHANGE: O_RDWR | O_NOFOLLOW on `path`, and transactions write through this very
               description: flocks belong to descriptions, so a second one would lock us out */
    uint64_t size;
    uint64_t head; /* bytes before the tensor data: 8 + N */
    const uint8_t *map;
    dev_t device; /* identity, for locks and for "is this source the target?"; never stored */
    ino_t inode;
    bool in_cache; /* reached through a link into a content-addressed cache */
    bool hard_linked;
};

struct checkpoint {
    const char *path;      /* as the user gave it */
    const char *directory; /* resolved directory of the weight files; NULL when they lie in several */
    const char *folder;    /* where config.json and tokenizer.json lie */
    const char *index;     /* plain name of the index that was used, or NULL */
    bool is_folder;        /* the path named the folder, or a hub name, and not one file in it */
    struct checkpoint_file *files;
    size_t n_files;
    struct tensor *tensors; /* sorted by name */
    size_t n_tensors;
    bool writable;           /* opened with CHECKPOINT_CHANGE */
    bool recovered;          /* history_settle had to take back a change that was cut */
    struct pending *pending; /* the open record that `resume` found, until transaction_begin takes it over */
    const char **warnings;   /* sentences about what is odd but does no harm */
    size_t n_warnings;
    const struct context *context;
    struct arena arena;
};

enum checkpoint_mode { CHECKPOINT_READ, CHECKPOINT_CHANGE };

struct checkpoint_options {
    enum checkpoint_mode mode;
    bool force; /* CHANGE: hard links, cache links, files that another program has open; records of another
                   host */
    bool ignore_record; /* READ by verify only: open although a record is open */
    /* CHANGE: an open record of a merge is checked and kept, and its model opened although half-changed
     * (heads of files as they were; tensors as they are now: transaction_old tells what they were). Without
     * such a record: ERROR_USAGE. */
    bool resume;
};

/* ERROR_IO (also: no such file, a missing shard), _FORMAT, _UNSUPPORTED (weights in another form; for CHANGE:
 * FP8 with scales, GPTQ, AWQ, MXFP4, shards in several folders), _BUSY (locked, an open record, open in
 * another program), _USAGE (CHANGE of a hub name, or of hard-linked or cache-linked files without force),
 * _MEMORY. `context` must outlive the checkpoint. */
bool checkpoint_open(const struct context *context, const char *path,
                     const struct checkpoint_options *options, struct checkpoint **out, struct error *err);
void checkpoint_close(struct checkpoint *checkpoint); /* NULL is fine */

/* NULL when there is none. O(log n). */
const struct tensor *checkpoint_find(const struct checkpoint *checkpoint, const char *name);

/* ERROR_UNSUPPORTED when the weights are FP8 with scales, GPTQ, AWQ, MXFP4 ...: their numbers mean nothing by
 * themselves. Part of opening for CHANGE; for those who compute with weights that they only read. */
bool checkpoint_is_plain(struct checkpoint *checkpoint, struct error *err);

/* Adds a sentence to checkpoint->warnings. */
bool checkpoint_warn(struct checkpoint *checkpoint, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A file of the model that is not weights (config.json, tokenizer.json, ...): its bytes, NUL-terminated, to
 * be freed with free(); *out NULL and true when the model has none. A GGUF has config.json alone, made from
 * its metadata; what lies beside it is not its own. */
bool checkpoint_companion(const struct checkpoint *checkpoint, const char *name, char **out, size_t *n,
                          struct error *err);

/* SHA-256 of a file's own header (the first `head` bytes), of a tensor's bytes, of a whole file. */
bool checkpoint_header_digest(const struct checkpoint *checkpoint, size_t file, struct digest *out,
                              struct error *err);
bool checkpoint_tensor_digest(const struct checkpoint *checkpoint, const struct tensor *tensor,
                              struct digest *out, struct error *err);
bool checkpoint_file_digest(const struct checkpoint *checkpoint, size_t file, struct digest *out,
                            struct error *err);

/* "F32 [3, 4]" for sentences. */
void tensor_describe(const struct tensor *tensor, char *out, size_t size);

#endif
