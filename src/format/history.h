/* The records beside a model: what was changed, exact undo, recovery of a change that was cut (design.md 5.3, 5.5). */
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

/* Reads the records of `directory` (the real directory of the weight files). No `.lancet`: an empty history. */
bool history_read(const struct context *context, const char *directory, struct history *out, struct error *err);
void history_release(struct history *history);

/* Called by checkpoint_open with the files locked. READ: ERROR_BUSY if an open record names one of the files. CHANGE:
 * recovers it (a record of another host only with force). *recovered tells. */
bool history_settle(const struct context *context, struct checkpoint *checkpoint,
                    const struct checkpoint_options *options, bool *recovered, struct error *err);

/* Takes the newest change not yet undone back, or (to_given) goes to the state after record `to` (0: the original), as
 * one change. *number is the new record's, *n_tensors how many tensors were written (0: nothing to do). */
struct history_undo_options {
    bool to_given;
    uint32_t to;
    bool force, no_history;
    const char *command;
    size_t chunk_bytes; /* as in transaction_options */
};
bool history_undo(const struct context *context, struct checkpoint *checkpoint,
                  const struct history_undo_options *options, uint32_t *number, size_t *n_tensors, struct error *err);

/* Removes the oldest records until at most `keep` are left. */
bool history_prune(const struct context *context, struct checkpoint *checkpoint, uint32_t keep, size_t *removed,
                   struct error *err);
/* Repacks a record's old bytes as XOR of old and new, byte planes apart, zlib (design.md 5.5). */
bool history_repack(const struct context *context, struct checkpoint *checkpoint, uint32_t number,
                    struct error *err);

/* Checks record digests against the checkpoint: headers, sizes and the tensors that the newest records name; with
 * `full` whole files are hashed too. Findings go to `found` one sentence each; *clean tells whether there was none. */
bool history_verify(const struct context *context, const struct checkpoint *checkpoint, bool full,
                    void (*found)(void *user, const char *sentence), void *user, bool *clean, struct error *err);

#endif
