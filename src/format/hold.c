/* Each inode is opened once in the process, because a second description would meet our own lock, and our own
 * lease. A lock (flock) keeps lancet's runs apart; the lease tells for a moment that no other program has the
 * file open: other programs do not look at locks. */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "format.h"
#include "quote.h"

enum { PROBE_BYTES = 16 };

static bool resolve(struct checkpoint *c, struct checkpoint_file *file, const char *folder, bool *linked,
                    struct error *err)
{
    bool ok = false;
    const struct fs *fs = c->context->fs;
    struct stat st;
    char *resolved = NULL, *path = path_join(folder, file->name);
    if (!path) {
        error_memory(err, "opening a model");
        goto out;
    }
    resolved = realpath(path, NULL);
    if (!resolved || fs->lstat(fs->state, path, &st) < 0) {
        error_set_errno(err, "%s", file->shown);
        goto out;
    }
    *linked = S_ISLNK(st.st_mode);
    file->path = arena_copy(&c->arena, resolved, strlen(resolved));
    ok = file->path ? true : error_memory(err, "opening a model");
out:
    free(path);
    free(resolved);
    return ok;
}

/* Content-addressed stores: the name of a file in them is the digest of its bytes, and others rely on it. */
static bool lies_in_cache(const char *path, bool linked)
{
    const char *base = path_base(path);
    if (strstr(path, "/.git/annex/") || strstr(path, "/.git/lfs/") || strncmp(base, "sha256-", 7) == 0)
        return true;
    static const char blobs[] = "/blobs/";
    size_t n = sizeof blobs - 1, before = (size_t)(base - path);
    bool in_blobs = before >= n && memcmp(base - n, blobs, n) == 0;
    return in_blobs && (linked || strspn(base, "0123456789abcdef") == strlen(base));
}

static bool identify(struct checkpoint *c, size_t index, bool linked, struct error *err)
{
    struct checkpoint_file *file = &c->files[index];
    const struct fs *fs = c->context->fs;
    struct stat st;
    if (fs->fstat(fs->state, file->fd, &st) < 0)
        return error_set_errno(err, "%s: cannot stat", file->shown);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_IO, "%s: is not a regular file", file->shown);
    file->size = (uint64_t)st.st_size;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    file->hard_linked = st.st_nlink > 1;
    file->in_cache = lies_in_cache(file->path, linked);
    for (size_t i = 0; i < index; i++)
        if (c->files[i].device == st.st_dev && c->files[i].inode == st.st_ino)
            return error_set(err, ERROR_FORMAT, "%s: is the same file as %s", file->shown, c->files[i].shown);
    return true;
}

/* Where the file system has no locks, a writer must not go on; a reader may. */
static bool lock(struct checkpoint *c, struct checkpoint_file *file, bool change, struct error *err)
{
    const struct fs *fs = c->context->fs;
    int done;
    do
        done = fs->lock(fs->state, file->fd, (change ? LOCK_EX : LOCK_SH) | LOCK_NB);
    while (done < 0 && errno == EINTR);
    if (done == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return error_set(err, ERROR_BUSY, "%s: another run of lancet %s it", file->shown,
                         change ? "is using" : "is changing");
    return change ? error_set_errno(err, "%s: cannot be locked, so it is not safe to change it", file->shown)
                  : true;
}

/* Between looking the name up and locking, somebody may have put another file there. */
static bool still_named(struct checkpoint *c, struct checkpoint_file *file, struct error *err)
{
    const struct fs *fs = c->context->fs;
    struct stat st;
    if (fs->lstat(fs->state, file->path, &st) < 0)
        return error_set_errno(err, "%s", file->shown);
    if (st.st_dev != file->device || st.st_ino != file->inode)
        return error_set(err, ERROR_BUSY, "%s: another file was put in its place while it was opened",
                         file->shown);
    return true;
}

static bool allow_change(struct checkpoint *c, struct checkpoint_file *file, bool force, struct error *err)
{
    const struct fs *fs = c->context->fs;
    if (force)
        return true;
    if (file->in_cache)
        return error_set(
            err, ERROR_USAGE,
            "%s: lies in a cache that names files by their content (%s), and other programs rely on it: "
            "write to a new folder with --output, or use --force",
            file->shown, quote(file->path).text);
    if (file->hard_linked)
        return error_set(
            err, ERROR_USAGE,
            "%s: has other names (hard links), and all of them would change: write to a new folder with "
            "--output, or use --force",
            file->shown);
    if (fs->lease(fs->state, file->fd) < 0 && errno == EAGAIN)
        return error_set(err, ERROR_BUSY, "%s: another program has it open: close it, or use --force",
                         file->shown);
    return true;
}

static bool recognise(struct checkpoint *c, struct checkpoint_file *file, struct error *err)
{
    uint8_t bytes[PROBE_BYTES];
    size_t n = file->size < PROBE_BYTES ? (size_t)file->size : PROBE_BYTES;
    if (!fs_read_at(c->context->fs, file->fd, file->shown, bytes, n, 0, err))
        return false;
    file->format = format_of(file->name, bytes, n);
    return file->format ? true
                        : error_set(err, ERROR_UNSUPPORTED, "%s: weights in a form that lancet does not read",
                                    file->shown);
}

bool hold_file(struct checkpoint *checkpoint, size_t index, const char *folder,
               const struct checkpoint_options *options, struct error *err)
{
    struct checkpoint_file *file = &checkpoint->files[index];
    const struct fs *fs = checkpoint->context->fs;
    bool change = options->mode == CHECKPOINT_CHANGE, linked;
    if (!resolve(checkpoint, file, folder, &linked, err))
        return false;
    /* O_NONBLOCK: neither a pipe nor another program's lease makes us wait. */
    int mode = change ? O_RDWR : O_RDONLY;
    file->fd = fs->open(fs->state, file->path, mode | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (file->fd < 0)
        return error_set_errno(err, "%s: cannot open", file->shown);
    return identify(checkpoint, index, linked, err) && lock(checkpoint, file, change, err) &&
           still_named(checkpoint, file, err) && recognise(checkpoint, file, err) &&
           (!change || allow_change(checkpoint, file, options->force, err));
}
