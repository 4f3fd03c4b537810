/* The records beside a model: what was changed, exact undo, recovery of a change that was cut
 * (docs/history-format.md). */
#ifndef LANCET_HISTORY_H
#define LANCET_HISTORY_H

#include "checkpoint.h"

struct history_tensor {
    const char *file, *name;
    enum dtype dtype;
    uint64_t offset, bytes;
    struct digest before, after;
};

struct history_record {
    uint32_t number;
    const char *kind, *command, *note, *host;
    int64_t time; /* seconds since 1970, UTC */
    uint64_t stored_bytes;
    struct history_tensor *tensors;
    size_t n_tensors;
    uint32_t *undoes; /* records that this one takes back */
    size_t n_undoes;
    bool undone; /* by a later record that itself still stands */
};

struct history {
    struct history_record *records; /* oldest first, committed ones */
    size_t n_records;
    uint32_t open; /* number of the open record, 0: none */
    struct arena arena;
};

/* Reads the records of `directory` (the real directory of the weight files). No `.lancet`: an empty history.
 */
bool history_read(const struct context *context, const char *directory, struct history *out,
                  struct error *err);
/* The same for the records that name files of this checkpoint: several models may share a directory. */
bool history_of(const struct context *context, const struct checkpoint *checkpoint, struct history *out,
                struct error *err);
void history_release(struct history *history); /* NULL is fine */

/* Called by checkpoint_open with the files locked. READ: ERROR_BUSY if an open record names one of the files.
 * CHANGE: recovers it (a record of another host only with force). *recovered tells. */
bool history_settle(const struct context *context, struct checkpoint *checkpoint,
                    const struct checkpoint_options *options, bool *recovered, struct error *err);

/* The note of the open record that a checkpoint opened with `resume` is to go on with; NULL: it has none. */
const char *history_open_note(const struct checkpoint *checkpoint);

/* Takes the newest change not yet undone back, or (to_given) goes to the state after record `to` (0: the
 * original), as one change. ERROR_MISMATCH: something else changed the model since; nothing was touched.
 * ERROR_IO with `done` set: "changed, not proven durable". */
struct history_undo_options {
    bool to_given;
    uint32_t to;
    bool force, no_history;
    const char *command;
    size_t chunk_bytes; /* as in transaction_options */
};
struct history_undone {
    uint32_t number; /* of the new record; 0: none, with no_history or when there was nothing to do */
    uint32_t to;     /* the state that the model is in now: after this record */
    size_t n_records, n_tensors; /* records taken back, tensors written; no record: there was nothing to do */
};
bool history_undo(const struct context *context, struct checkpoint *checkpoint,
                  const struct history_undo_options *options, struct history_undone *done, struct error *err);

/* Removes the oldest records until at most `keep` are left. */
bool history_prune(const struct context *context, struct checkpoint *checkpoint, uint32_t keep,
                   size_t *removed, struct error *err);
/* Repacks a record's old bytes as XOR of old and new, byte planes apart, zlib (docs/history-format.md).
 * *saved: how many bytes smaller it is now; 0: it was small already, or repacking would not have made it
 * smaller. */
bool history_repack(const struct context *context, struct checkpoint *checkpoint, uint32_t number,
                    uint64_t *saved, struct error *err);

/* Checks the records against the checkpoint: headers, sizes and the tensors that they name, each by the
 * newest that does; with `full` every record is unpacked too. Findings go to `found`, one sentence each;
 * *clean: there was none. */
bool history_verify(const struct context *context, const struct checkpoint *checkpoint, bool full,
                    void (*found)(void *user, const char *sentence), void *user, bool *clean,
                    struct error *err);

#endif
