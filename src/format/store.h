/* `.lancet`, the directory of records beside a model: names, creation, removal (docs/history-format.md,
 * "Where records lie"). */
#ifndef LANCET_STORE_H
#define LANCET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "fs.h"

enum store_kind { STORE_COMMITTED, STORE_OPEN, STORE_TEMPORARY };

struct store_entry {
    uint32_t number;
    enum store_kind kind;
};

struct store {
    char *path; /* DIRECTORY/.lancet */
    bool there, readable;
    struct store_entry *entries; /* as sorted by name: ascending numbers */
    size_t n;
    uint32_t open;         /* 0: none; the highest, or the listing fails */
    uint32_t newest;       /* highest number that is taken; 0: none */
    const char *directory; /* borrowed */
};

/* ERROR_FORMAT for what does not belong there. A `.lancet` that cannot be listed is `there` and not
 * `readable`. */
bool store_list(const struct fs *fs, const char *directory, struct store *out, struct error *err);
void store_release(struct store *store);

/* Path of a record, malloc'ed; NULL: out of memory (err is set). */
char *store_path(const struct store *store, uint32_t number, enum store_kind kind, struct error *err);

/* Makes `.lancet` (0700) if it is not there; syncs its parent in any case. */
bool store_create(const struct fs *fs, struct store *store, struct error *err);
/* Removes one record; the caller syncs. One that is gone already is fine. */
bool store_remove(const struct fs *fs, const struct store *store, uint32_t number, enum store_kind kind,
                  struct error *err);
bool store_sync(const struct fs *fs, const struct store *store, struct error *err);

/* Takes the exclusive flock of an open record file and checks that its name still is this inode. ERROR_BUSY.
 */
bool store_lock(const struct fs *fs, int fd, const char *path, struct error *err);
/* Opens a record, no-follow; flags O_RDONLY or O_RDWR. */
bool store_open_record(const struct fs *fs, const char *path, int flags, int *fd, struct error *err);

#endif
