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
};

/* Begins a change of these tensors of a checkpoint opened with CHECKPOINT_CHANGE: steps 3 and 4 of
 * docs/history-format.md. From here to the commit the files load in no program. */
bool transaction_begin(const struct context *context, struct checkpoint *checkpoint,
                       const struct transaction_options *options, const struct tensor *const *tensors,
                       size_t n_tensors, struct transaction **out, struct error *err);

/* New bytes [offset, offset + n) of a listed tensor (step 5). The ranges of a tensor come in ascending order.
 */
bool transaction_write(struct transaction *transaction, const struct tensor *tensor, uint64_t offset,
                       const void *bytes, size_t n, struct error *err);

/* Steps 6 and 7. Once it returns true, or ERROR_IO with "changed, not proven durable", the change stands;
 * *number is the record's (0 with no_history). On any other failure the change was rolled back, or the record
 * is still open. */
bool transaction_commit(struct transaction *transaction, uint32_t *number, struct error *err);

/* Rolls back what was not committed, and frees. NULL and committed transactions are fine. False: the record
 * is still open and `lancet verify --recover` is needed. */
bool transaction_end(struct transaction *transaction, struct error *err);

#endif
