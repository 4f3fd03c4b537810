#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "memory.h"
#include "size.h"
#include "str.h"

static int real_open(void *state, const char *path, int flags, mode_t mode)
{
    (void)state;
    return open(path, flags | O_CLOEXEC, mode);
}

static int real_close(void *state, int fd)
{
    (void)state;
    return close(fd);
}

static ssize_t real_pread(void *state, int fd, void *buffer, size_t n, off_t offset)
{
    (void)state;
    return pread(fd, buffer, n, offset);
}

static ssize_t real_pwrite(void *state, int fd, const void *buffer, size_t n, off_t offset)
{
    (void)state;
    return pwrite(fd, buffer, n, offset);
}

static int real_sync(void *state, int fd)
{
    (void)state;
    return fsync(fd);
}

static int real_truncate(void *state, int fd, off_t size)
{
    (void)state;
    return ftruncate(fd, size);
}

static void real_start_sync(void *state, int fd, off_t offset, off_t n)
{
    (void)state;
    sync_file_range(fd, offset, n, SYNC_FILE_RANGE_WRITE);
}

static int real_reserve(void *state, int fd, off_t offset, off_t n)
{
    (void)state;
    return fallocate(fd, 0, offset, n);
}

static int real_rename(void *state, const char *from, const char *to)
{
    (void)state;
    return rename(from, to);
}

static int real_unlink(void *state, const char *path)
{
    (void)state;
    return unlink(path);
}

static int real_mkdir(void *state, const char *path, mode_t mode)
{
    (void)state;
    return mkdir(path, mode);
}

static int real_rmdir(void *state, const char *path)
{
    (void)state;
    return rmdir(path);
}

static int real_link(void *state, const char *from, const char *to)
{
    (void)state;
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int real_exchange(void *state, const char *a, const char *b)
{
    (void)state;
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int real_stat(void *state, const char *path, struct stat *out)
{
    (void)state;
    return stat(path, out);
}

static int real_lstat(void *state, const char *path, struct stat *out)
{
    (void)state;
    return lstat(path, out);
}

static int real_fstat(void *state, int fd, struct stat *out)
{
    (void)state;
    return fstat(fd, out);
}

static int real_lock(void *state, int fd, int operation)
{
    (void)state;
    return flock(fd, operation);
}

/* A lease that somebody breaks in the moment that we hold it raises a signal: SIGURG, which is ignored by
 * default, and not SIGIO, which would end the program. */
static int real_lease(void *state, int fd)
{
    (void)state;
    if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        return -1;
    return fcntl(fd, F_SETLEASE, F_UNLCK);
}

static int real_free_bytes(void *state, int fd, uint64_t *out)
{
    (void)state;
    struct statvfs v;
    if (fstatvfs(fd, &v) < 0)
        return -1;
    return u64_mul(v.f_bavail, v.f_frsize, out) ? 0 : (errno = EOVERFLOW, -1);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names one after another, each with its NUL, as readdir gives them; NULL and errno on failure. */
static char *read_names(DIR *directory, size_t *count)
{
    struct str names = {0};
    size_t n = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        str_append_bytes(&names, entry->d_name, strlen(entry->d_name) + 1);
        n++;
    }
    if (errno) {
        int number = errno;
        str_release(&names);
        errno = number;
        return NULL;
    }
    str_append_bytes(&names, "", 1);
    char *block = str_take(&names);
    if (!block)
        errno = ENOMEM;
    *count = n;
    return block;
}

static char *sort_names(const char *block, size_t n)
{
    const char **list = memory_array(n, sizeof *list);
    const char *p = block;
    for (size_t i = 0; list && i < n; i++, p += strlen(p) + 1)
        list[i] = p;
    struct str sorted = {0};
    if (list) {
        qsort(list, n, sizeof *list, compare_names);
        for (size_t i = 0; i < n; i++)
            str_append_bytes(&sorted, list[i], strlen(list[i]) + 1);
        str_append_bytes(&sorted, "", 1);
    }
    char *out = list ? str_take(&sorted) : NULL;
    free(list);
    if (!out)
        errno = ENOMEM;
    return out;
}

static int real_list(void *state, const char *path, char **out)
{
    (void)state;
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    size_t n = 0;
    char *block = read_names(directory, &n);
    char *sorted = block ? sort_names(block, n) : NULL;
    int number = errno;
    free(block);
    closedir(directory);
    errno = number;
    if (!sorted)
        return -1;
    *out = sorted;
    return 0;
}

static void *real_map(void *state, int fd, size_t n)
{
    (void)state;
    void *address = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    return address == MAP_FAILED ? NULL : address;
}

static int real_unmap(void *state, void *address, size_t n)
{
    (void)state;
    return munmap(address, n);
}

const struct fs *fs_real(void)
{
    static const struct fs real = {
        .open = real_open,
        .close = real_close,
        .pread = real_pread,
        .pwrite = real_pwrite,
        .sync = real_sync,
        .truncate = real_truncate,
        .start_sync = real_start_sync,
        .reserve = real_reserve,
        .rename = real_rename,
        .unlink = real_unlink,
        .mkdir = real_mkdir,
        .rmdir = real_rmdir,
        .link = real_link,
        .exchange = real_exchange,
        .stat = real_stat,
        .lstat = real_lstat,
        .fstat = real_fstat,
        .lock = real_lock,
        .lease = real_lease,
        .free_bytes = real_free_bytes,
        .list = real_list,
        .map = real_map,
        .unmap = real_unmap,
    };
    return &real;
}

/* The kernel moves at most 2 GiB - 4 KiB in one call; asking for less keeps every offset in off_t's range. */
enum { LARGEST_CALL = 1 << 30 };

static bool offset_fits(const char *name, size_t n, uint64_t offset, struct error *err)
{
    uint64_t end;
    if (!u64_add(offset, n, &end) || end > INT64_MAX)
        return error_set(err, ERROR_FORMAT, "%s: byte %llu lies beyond any file", name,
                         (unsigned long long)offset);
    return true;
}

bool fs_read_at(const struct fs *fs, int fd, const char *name, void *buffer, size_t n, uint64_t offset,
                struct error *err)
{
    if (!offset_fits(name, n, offset, err))
        return false;
    unsigned char *p = buffer;
    while (n) {
        ssize_t got = fs->pread(fs->state, fd, p, n < LARGEST_CALL ? n : LARGEST_CALL, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, "%s: cannot read at byte %llu", name, (unsigned long long)offset);
        if (got == 0)
            return error_set(err, ERROR_IO, "%s: cut short at byte %llu, %zu bytes more expected", name,
                             (unsigned long long)offset, n);
        p += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

bool fs_write_at(const struct fs *fs, int fd, const char *name, const void *bytes, size_t n, uint64_t offset,
                 struct error *err)
{
    if (!offset_fits(name, n, offset, err))
        return false;
    const unsigned char *p = bytes;
    while (n) {
        ssize_t put = fs->pwrite(fs->state, fd, p, n < LARGEST_CALL ? n : LARGEST_CALL, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return error_set_errno(err, "%s: cannot write at byte %llu", name, (unsigned long long)offset);
        if (put == 0)
            return error_set(err, ERROR_IO, "%s: nothing could be written at byte %llu", name,
                             (unsigned long long)offset);
        p += put;
        n -= (size_t)put;
        offset += (uint64_t)put;
    }
    return true;
}

bool fs_read_file(const struct fs *fs, const char *path, size_t limit, char **out, size_t *n,
                  struct error *err)
{
    /* O_NONBLOCK: a pipe in place of the file is refused below instead of waiting for its writer. */
    int fd = fs->open(fs->state, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(err, "%s: cannot open", path);
    bool ok = false;
    char *text = NULL;
    struct stat st;
    if (fs->fstat(fs->state, fd, &st) < 0) {
        error_set_errno(err, "%s: cannot stat", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        error_set(err, ERROR_IO, "%s: is %s, expected a regular file", path,
                  S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
        goto out;
    }
    if ((uint64_t)st.st_size > limit) {
        error_set(err, ERROR_FORMAT, "%s: has %lld bytes, expected at most %zu", path, (long long)st.st_size,
                  limit);
        goto out;
    }
    size_t size = (size_t)st.st_size;
    text = memory_array(1, size + 1);
    if (!text) {
        error_set(err, ERROR_MEMORY, "out of memory while reading %s (%zu bytes)", path, size);
        goto out;
    }
    if (!fs_read_at(fs, fd, path, text, size, 0, err))
        goto out;
    text[size] = '\0';
    *out = text;
    *n = size;
    text = NULL;
    ok = true;
out:
    free(text);
    fs->close(fs->state, fd);
    return ok;
}

/* The directory that holds path, malloc'ed. */
static char *directory_of(const char *path)
{
    const char *base = path_base(path);
    if (base == path)
        return memory_string(".");
    size_t n = (size_t)(base - path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return memory_copy(path, n);
}

bool fs_write_file(const struct fs *fs, const char *path, const void *bytes, size_t n, struct error *err)
{
    bool ok = false;
    int fd = -1;
    char *directory = directory_of(path);
    struct str name = {0};
    uint64_t number = 0; /* a leftover of a killed run must not stand in the way of this one */
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint64_t)getpid();
    str_printf(&name, "%s.%016llx.tmp", path, (unsigned long long)number);
    char *temporary = str_take(&name);
    if (!directory || !temporary) {
        error_set(err, ERROR_MEMORY, "out of memory while writing %s", path);
        goto out;
    }
    fd = fs->open(fs->state, temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) {
        error_set_errno(err, "%s: cannot create", temporary);
        goto out;
    }
    ok = fs_write_at(fs, fd, temporary, bytes, n, 0, err);
    if (ok && fs->sync(fs->state, fd) < 0)
        ok = error_set_errno(err, "%s: cannot sync", temporary);
    if (fs->close(fs->state, fd) < 0 && ok)
        ok = error_set_errno(err, "%s: cannot close", temporary);
    if (ok && fs->rename(fs->state, temporary, path) < 0)
        ok = error_set_errno(err, "%s: cannot rename to %s", temporary, path);
    if (ok)
        ok = fs_sync_directory(fs, directory, err);
    else
        fs->unlink(fs->state, temporary);
out:
    free(temporary);
    free(directory);
    return ok;
}

bool fs_sync_directory(const struct fs *fs, const char *path, struct error *err)
{
    int fd = fs->open(fs->state, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set_errno(err, "%s: cannot open", path);
    bool ok = fs->sync(fs->state, fd) == 0;
    if (!ok)
        error_set_errno(err, "%s: cannot sync", path);
    fs->close(fs->state, fd);
    return ok;
}

bool fs_exists(const struct fs *fs, const char *path)
{
    struct stat st;
    return fs->stat(fs->state, path, &st) == 0;
}

char *path_join(const char *directory, const char *name)
{
    size_t n = strlen(directory);
    struct str s = {0};
    str_append_bytes(&s, directory, n);
    if (n && directory[n - 1] != '/')
        str_append(&s, "/");
    str_append(&s, name);
    return str_take(&s);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
