/* A kernel and a disk in memory, behind struct fs: every call can fail, and the power can go after every
 * call.
 *
 * What was not synced when the power goes is, write by write and page by page, kept, dropped or torn: a torn
 * page is garbage, bytes in it that were synced before included. Names (created, renamed, removed) that were
 * not synced with their directory are kept up to some point, or each for itself. */
#ifndef LANCET_TEST_SIMFS_H
#define LANCET_TEST_SIMFS_H

#include <stdint.h>

#include "fs.h"

enum simfs_fault {
    SIMFS_NOTHING,
    SIMFS_FAIL_ONCE,    /* call n fails */
    SIMFS_FAIL_FOREVER, /* call n and all that could fail after it */
    SIMFS_SHORT,        /* call n, if it reads or writes, moves only some bytes */
    SIMFS_CUT /* the power goes right after the n-th call that changes anything (0: before the first) */
};

enum simfs_survival { SIMFS_KEEP, SIMFS_DROP, SIMFS_TEAR, SIMFS_RANDOM };

struct simfs;

struct simfs *simfs_new(void);
/* The same disk, nothing open. */
struct simfs *simfs_clone(const struct simfs *sim);
void simfs_free(struct simfs *sim);
const struct fs *simfs_fs(struct simfs *sim);

/* Counts calls from 1 on again. A failing sync loses what it should have written, even for later syncs, as
 * Linux may. */
void simfs_plan(struct simfs *sim, enum simfs_fault fault, uint64_t n, int number);
bool simfs_fired(const struct simfs *sim);
bool simfs_sync_failed(const struct simfs *sim); /* a sync was among the calls that failed */
uint64_t simfs_calls(const struct simfs *sim);
uint64_t simfs_changes(const struct simfs *sim); /* calls that changed something */
/* After a cut, or at any time: what was not synced survives or not; nothing is open, nothing locked. */
void simfs_power_on(struct simfs *sim, enum simfs_survival survival, uint64_t seed);

/* Open descriptions and maps. */
unsigned simfs_open_count(const struct simfs *sim);
/* Whether two disks look the same to whoever reads them. */
bool simfs_same(const struct simfs *a, const struct simfs *b);

/* Setting the scene and looking at it; synced at once. simfs_get: NULL when there is no such file. */
void simfs_make_directory(struct simfs *sim, const char *path);
void simfs_put(struct simfs *sim, const char *path, const void *bytes, size_t n);
void simfs_remove(struct simfs *sim, const char *path);
const uint8_t *simfs_get(const struct simfs *sim, const char *path, size_t *n);
/* Whether reservation is supported, and how much space is free for it (default: yes, all). */
void simfs_space(struct simfs *sim, bool can_reserve, uint64_t free_bytes);
/* From now on directories cannot be listed (EACCES). */
void simfs_forbid_listing(struct simfs *sim);

/* A pseudo-random number below n, from a state that is not 0. */
uint64_t simfs_draw(uint64_t *state, uint64_t n);

/* How deep we are in calls of this file system: its own allocations are not lancet's. */
extern unsigned simfs_depth;
/* Blocks that were allocated inside and are freed by the caller (listings). */
extern long simfs_handed_over;

#endif
