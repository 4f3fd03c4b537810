/* Taking back a change that was cut (docs/history-format.md, "Recovery"). */
#ifndef LANCET_RECOVER_H
#define LANCET_RECOVER_H

#include "context.h"
#include "record.h"
#include "store.h"

struct recover_file { /* one per file of the record, in its order; exclusively locked by the caller */
    int fd;
    const char *path;
};

struct recovery {
    const struct store *store;
    const struct record *record; /* loaded from `fd`, with a header that is not torn */
    int fd;                      /* of the record, exclusively locked by the caller */
    const char *path;            /* of the record, NNNN.open */
    const struct recover_file *files;
};

/* Restores every file and removes the record. It can be cut anywhere and run again. The cancel flag is not
 * heeded. On failure the record is kept; ERROR_MISMATCH and ERROR_FORMAT: nothing was touched. */
bool recover_record(const struct context *context, const struct recovery *recovery, struct error *err);

/* Only looks, as recovery does before it writes: whether record and files belong together and all old bytes
 * are to be had. The cancel flag is heeded. */
bool recover_check(const struct context *context, const struct recovery *recovery, struct error *err);
/* Old bytes of a file: the `n` from `offset` on. */
bool recover_read(const struct context *context, const struct recovery *recovery, size_t file,
                  uint64_t offset, size_t n, uint8_t *out, struct error *err);

#endif
