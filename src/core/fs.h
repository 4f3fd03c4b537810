/* Every system call on files that can hurt a user goes through this table, so that a test can make the n-th
 * call fail or "lose power" there. fs_real() is the kernel. The members mirror POSIX: -1 and errno on
 * failure. Helpers below add the loops (short reads, EINTR) once. Read-only maps are made by map/unmap. */
#ifndef LANCET_FS_H
#define LANCET_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "error.h"

struct fs {
    int (*open)(void *state, const char *path, int flags, mode_t mode);
    int (*close)(void *state, int fd);
    ssize_t (*pread)(void *state, int fd, void *buffer, size_t n, off_t offset);
    ssize_t (*pwrite)(void *state, int fd, const void *buffer, size_t n, off_t offset);
    int (*sync)(void *state, int fd); /* fsync: also of directories */
    int (*truncate)(void *state, int fd, off_t size);
    /* A hint that these bytes, just written, will be synced: the disk may begin. NULL where there is none. */
    void (*start_sync)(void *state, int fd, off_t offset, off_t n);
    int (*reserve)(void *state, int fd, off_t offset,
                   off_t n); /* fallocate; EOPNOTSUPP where there is none */
    int (*rename)(void *state, const char *from, const char *to);
    int (*unlink)(void *state, const char *path);
    int (*mkdir)(void *state, const char *path, mode_t mode);
    int (*rmdir)(void *state, const char *path);
    int (*link)(void *state, const char *from, const char *to); /* hard link; of a symbolic link: of itself */
    int (*exchange)(void *state, const char *a, const char *b); /* two names change places: RENAME_EXCHANGE */
    int (*stat)(void *state, const char *path, struct stat *out);
    int (*lstat)(void *state, const char *path, struct stat *out);
    int (*fstat)(void *state, int fd, struct stat *out);
    int (*lock)(void *state, int fd, int operation);       /* flock */
    int (*lease)(void *state, int fd);                     /* F_SETLEASE F_WRLCK, given back at once */
    int (*free_bytes)(void *state, int fd, uint64_t *out); /* statvfs: f_bavail * f_frsize */
    /* Names in a directory (without . and ..), sorted, one malloc'ed NUL-separated block ended by an empty
     * name. */
    int (*list)(void *state, const char *path, char **out);
    void *(*map)(void *state, int fd, size_t n); /* PROT_READ, MAP_SHARED; NULL and errno on failure */
    int (*unmap)(void *state, void *address, size_t n);
    void *state;
};

const struct fs *fs_real(void);

/* Whole reads and writes: a short file is ERROR_IO ("FILE: cut short at byte N"). `name` is for the sentence.
 */
bool fs_read_at(const struct fs *fs, int fd, const char *name, void *buffer, size_t n, uint64_t offset,
                struct error *err);
bool fs_write_at(const struct fs *fs, int fd, const char *name, const void *bytes, size_t n, uint64_t offset,
                 struct error *err);
/* The whole file, NUL-terminated, at most `limit` bytes (else ERROR_FORMAT). *out is freed with free(). */
bool fs_read_file(const struct fs *fs, const char *path, size_t limit, char **out, size_t *n,
                  struct error *err);
/* Writes a file in one piece through a temporary name beside it, sync, rename, sync of the directory. */
bool fs_write_file(const struct fs *fs, const char *path, const void *bytes, size_t n, struct error *err);
bool fs_sync_directory(const struct fs *fs, const char *path, struct error *err);
bool fs_exists(const struct fs *fs, const char *path);
/* "directory/name", malloc'ed; NULL when memory is out. */
char *path_join(const char *directory, const char *name);
/* The part after the last slash, inside `path`. */
const char *path_base(const char *path);

#endif
