/* The first bytes of a file being changed: made invalid, with the nonce, before the first tensor byte is
 * overwritten, and true again once all are synced, so that a half-changed file loads in no program. */
#ifndef LANCET_GUARD_H
#define LANCET_GUARD_H

#include "fs.h"
#include "record.h"

struct guarded {
    int fd; /* open for writing; -1: this file is left alone */
    const char *path;
    uint8_t truth[RECORD_GUARD_MAX], invalid[RECORD_GUARD_MAX];
    size_t n;
};

/* Every file that is not left alone. */
bool guard_write_invalid(const struct fs *fs, const struct guarded *files, size_t n, struct error *err);
bool guard_write_truth(const struct fs *fs, const struct guarded *files, size_t n, struct error *err);
bool guard_sync(const struct fs *fs, const struct guarded *files, size_t n, struct error *err);

#endif
