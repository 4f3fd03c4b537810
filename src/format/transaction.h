/* A set of byte ranges of a checkpoint's files that change together, or not at all (docs/history-format.md).
 *
 * The record in `.lancet/NNNN.open` is the journal while the change is under way and, renamed to
 * `.lancet/NNNN`, the permanent undo afterwards. docs/history-format.md specifies its bytes and its states;
 * transaction.c follows that table.
 */
#ifndef LANCET_TRANSACTION_H
#define LANCET_TRANSACTION_H

#include "checkpoint.h"

struct transaction;

struct transaction_options {
    const char *kind;    /* "edit", "undo", "apply", "merge" */
    const char *command; /* the command line, for `lancet log` */
    const char *note;    /* a JSON object that the command wants to find again (requests, scores), or NULL */
    bool force;
    bool no_history;        /* drop the record after the commit */
    const uint32_t *undoes; /* numbers of the records that this change takes back, for kind "undo" */
    size_t n_undoes;
    const uint32_t *drops; /* records that are removed once this change is committed, ascending */
    size_t n_drops;
    size_t chunk_bytes; /* old bytes in a chunk at most; 0: 8 MiB. Tests make it small. */
    /* For changes of a whole model: the before-digest of a tensor is computed when its first bytes are
     * written and lies in that chunk, not in the header; old bytes are stored as they are, since weights
     * hardly pack. */
    bool before_with_chunks;
    /* Goes on with the open record of a checkpoint that was opened with `resume`; kind and tensors must be
     * the record's (ERROR_MISMATCH), its note, command and history settings stay. No open record:
     * ERROR_USAGE. */
    bool resume;
};

/* Bytes on the disk, at most, if tensors are written in ascending pieces of chunk_bytes or less, but (the
 * last one aside) of a quarter of it or more. */
struct transaction_space {
    uint64_t record; /* beside the model once all is written */
    uint64_t undo;   /* what an undo needs on top */
};
bool transaction_space(const struct checkpoint *checkpoint, const struct transaction_options *options,
                       const struct tensor *const *tensors, size_t n_tensors, struct transaction_space *out,
                       struct error *err);
/* Bytes of memory that a transaction with these options uses at most, transaction_old included, but for what
 * grows with the number of tensors. Chunks of an earlier run that is gone on with have that run's size. */
uint64_t transaction_memory(const struct transaction_options *options);

/* Begins a change of these tensors of a checkpoint opened with CHECKPOINT_CHANGE: steps 3 and 4 of
 * docs/history-format.md. From here to the commit the files load in no program. */
bool transaction_begin(const struct context *context, struct checkpoint *checkpoint,
                       const struct transaction_options *options, const struct tensor *const *tensors,
                       size_t n_tensors, struct transaction **out, struct error *err);

/* The record's note; NULL: none. history_open_note gives it before the change goes on. */
const char *transaction_note(const struct transaction *transaction);

/* New bytes [offset, offset + n) of a listed tensor (step 5). The ranges of a tensor come in ascending order,
 * those of different tensors in any. Bytes that a resumed change had in its record and not whole in the file
 * must come again, and be the same: else ERROR_MISMATCH. */
bool transaction_write(struct transaction *transaction, const struct tensor *tensor, uint64_t offset,
                       const void *bytes, size_t n, struct error *err);

/* Bytes [offset, offset + n) of a tensor of the checkpoint, listed or not, as they were before the change:
 * from the record where they are overwritten, from the file where they are not. May be called by any thread
 * between begin and commit, also while another one is in transaction_write. */
bool transaction_old(struct transaction *transaction, const struct tensor *tensor, uint64_t offset,
                     uint64_t n, void *out, struct error *err);

/* Whether all of [offset, offset + n) of a listed tensor was written (or is being written), in this run or (a
 * resumed change) before, and is in the file as it was meant to be. */
bool transaction_has(struct transaction *transaction, const struct tensor *tensor, uint64_t offset,
                     uint64_t n);
/* The first range at or after `from` that transaction_has does not have; false: there is none. It may be
 * written in pieces of any size. */
bool transaction_missing(struct transaction *transaction, const struct tensor *tensor, uint64_t from,
                         uint64_t *offset, uint64_t *n);

/* Steps 6 and 7. Once it returns true, or ERROR_IO with "changed, not proven durable", the change stands;
 * *number is the record's (0 with no_history). On any other failure the change was rolled back, or the record
 * is still open. */
bool transaction_commit(struct transaction *transaction, uint32_t *number, struct error *err);

/* Rolls back what was not committed, and frees. NULL and committed transactions are fine. False: the record
 * is still open and `lancet verify --recover` is needed. */
bool transaction_end(struct transaction *transaction, struct error *err);

#endif
