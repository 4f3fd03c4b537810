#include "out_file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "str.h"

enum { BUFFER_BYTES = 1 << 20 };

struct out_file {
    const struct fs *fs;
    FILE *stream; /* standard output, a device or a pipe; NULL: a file of our own */
    bool owns_stream;
    char *path, *temporary; /* temporary: there is one to remove */
    int fd;
    char *buffer; /* [BUFFER_BYTES] */
    size_t used;
    uint64_t written; /* bytes in front of the buffer */
};

/* What a rename would not overwrite but replace: /dev/null stays what it is. */
static bool is_device(const struct fs *fs, const char *path)
{
    struct stat facts;
    return fs->stat(fs->state, path, &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode);
}

bool out_file_check(const struct fs *fs, const char *path, bool force, struct error *err)
{
    struct stat facts;
    if (fs->stat(fs->state, path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is a folder, expected a name for a file", path);
    if (!force && fs_exists(fs, path) && !is_device(fs, path))
        return error_set(err, ERROR_USAGE, "%s: exists already (--force overwrites it)", path);
    return true;
}

static bool open_temporary(struct out_file *f, struct error *err)
{
    struct str name = {0};
    str_printf(&name, "%s.%ld.tmp", f->path, (long)getpid());
    char *temporary = str_take(&name);
    if (!temporary)
        return error_memory(err, "opening a file for a result");
    f->fd = f->fs->open(f->fs->state, temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (f->fd < 0) { /* not ours to remove */
        error_set_errno(err, "%s: cannot create", f->path);
        free(temporary);
        return false;
    }
    f->temporary = temporary;
    return true;
}

static bool open_device(struct out_file *f, struct error *err)
{
    f->stream = fopen(f->path, "we");
    if (!f->stream)
        return error_set_errno(err, "%s: cannot open for writing", f->path);
    f->owns_stream = true;
    return true;
}

bool out_file_open(const struct fs *fs, const char *path, FILE *stream, bool force, struct out_file **out,
                   struct error *err)
{
    if (path && !out_file_check(fs, path, force, err))
        return false;
    struct out_file *f = memory_zeroed(1, sizeof *f);
    if (!f)
        return error_memory(err, "opening a file for a result");
    *f = (struct out_file){
        .fs = fs, .stream = path ? NULL : stream, .fd = -1, .buffer = memory_array(BUFFER_BYTES, 1)};
    f->path = memory_string(path ? path : "standard output");
    bool ok = (f->buffer && f->path) || error_memory(err, "opening a file for a result");
    if (ok && path)
        ok = is_device(fs, path) ? open_device(f, err) : open_temporary(f, err);
    if (!ok) {
        out_file_free(f);
        return false;
    }
    *out = f;
    return true;
}

static bool flush(struct out_file *f, struct error *err)
{
    if (f->stream && fwrite(f->buffer, 1, f->used, f->stream) != f->used)
        return error_set_errno(err, "%s: cannot write", f->path);
    if (!f->stream && !fs_write_at(f->fs, f->fd, f->path, f->buffer, f->used, f->written, err))
        return false;
    f->written += f->used;
    f->used = 0;
    return true;
}

bool out_file_put(struct out_file *file, const void *bytes, size_t n, struct error *err)
{
    const char *from = bytes;
    while (n) {
        size_t room = BUFFER_BYTES - file->used, part = n < room ? n : room;
        memcpy(file->buffer + file->used, from, part);
        file->used += part;
        from += part;
        n -= part;
        if (file->used == BUFFER_BYTES && !flush(file, err))
            return false;
    }
    return true;
}

uint64_t out_file_bytes(const struct out_file *file)
{
    return file->written + file->used;
}

static bool close_stream(struct out_file *f, struct error *err)
{
    FILE *stream = f->stream;
    if (!f->owns_stream)
        return fflush(stream) == 0 || error_set_errno(err, "%s: cannot write", f->path);
    f->stream = NULL;
    f->owns_stream = false;
    return fclose(stream) == 0 || error_set_errno(err, "%s: cannot write", f->path);
}

bool out_file_commit(struct out_file *file, struct error *err)
{
    const struct fs *fs = file->fs;
    if (!flush(file, err))
        return false;
    if (file->stream)
        return close_stream(file, err);
    if (fs->sync(fs->state, file->fd) < 0)
        return error_set_errno(err, "%s: cannot sync", file->path);
    int fd = file->fd;
    file->fd = -1;
    if (fs->close(fs->state, fd) < 0)
        return error_set_errno(err, "%s: cannot close", file->path);
    if (fs->rename(fs->state, file->temporary, file->path) < 0)
        return error_set_errno(err, "%s: cannot rename the finished file to this name", file->path);
    free(file->temporary);
    file->temporary = NULL;
    return true;
}

void out_file_free(struct out_file *file)
{
    if (!file)
        return;
    if (file->owns_stream)
        fclose(file->stream);
    if (file->fd >= 0)
        file->fs->close(file->fs->state, file->fd);
    if (file->temporary)
        file->fs->unlink(file->fs->state, file->temporary);
    free(file->temporary);
    free(file->path);
    free(file->buffer);
    free(file);
}
