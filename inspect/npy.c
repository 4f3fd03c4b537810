#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "size.h"
#include "str.h"

struct npy_writer {
    const struct fs *fs;
    char *path, *temporary;
    int fd;
    size_t rows, columns;
    uint64_t offset;
};

static bool write_header(struct npy_writer *w, struct error *err)
{
    char dictionary[160], header[256];
    int n = snprintf(dictionary, sizeof dictionary,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", w->rows, w->columns);
    size_t total = (10 + (size_t)n + 1 + 63) / 64 * 64;
    memset(header, ' ', total);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)((total - 10) & 0xff);
    header[9] = (char)((total - 10) >> 8);
    memcpy(header + 10, dictionary, (size_t)n);
    header[total - 1] = '\n';
    w->offset = total;
    return fs_write_at(w->fs, w->fd, w->path, header, total, 0, err);
}

bool npy_check(const struct fs *fs, const char *path, bool force, struct error *err)
{
    if (!force && fs_exists(fs, path))
        return error_set(err, ERROR_USAGE, "%s: exists already (--force overwrites it)", path);
    return true;
}

bool npy_new(const struct fs *fs, const char *path, size_t rows, size_t columns, bool force,
             struct npy_writer **out, struct error *err)
{
    if (!npy_check(fs, path, force, err))
        return false;
    struct npy_writer *w = memory_zeroed(1, sizeof *w);
    struct str name = {0};
    str_printf(&name, "%s.%ld.tmp", path, (long)getpid());
    char *temporary = str_take(&name), *copy = memory_string(path);
    if (!w || !temporary || !copy) {
        free(w);
        free(temporary);
        free(copy);
        return error_memory(err, "writing a NumPy file");
    }
    *w = (struct npy_writer){
        .fs = fs, .path = copy, .temporary = temporary, .fd = -1, .rows = rows, .columns = columns};
    w->fd = fs->open(fs->state, temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    bool ok = w->fd >= 0 ? write_header(w, err) : error_set_errno(err, "%s: cannot create", temporary);
    if (w->fd < 0) { /* not ours to remove */
        free(w->temporary);
        w->temporary = NULL;
    }
    if (!ok) {
        npy_free(w);
        return false;
    }
    *out = w;
    return true;
}

bool npy_add(struct npy_writer *writer, const float *values, size_t n_rows, struct error *err)
{
    size_t bytes;
    if (!size_mul(n_rows, writer->columns, &bytes) || !size_mul(bytes, sizeof *values, &bytes))
        return error_memory(err, "writing a NumPy file");
    if (!fs_write_at(writer->fs, writer->fd, writer->path, values, bytes, writer->offset, err))
        return false;
    writer->offset += bytes;
    return true;
}

bool npy_commit(struct npy_writer *writer, struct error *err)
{
    const struct fs *fs = writer->fs;
    if (fs->sync(fs->state, writer->fd) < 0)
        return error_set_errno(err, "%s: cannot sync", writer->path);
    int fd = writer->fd;
    writer->fd = -1;
    if (fs->close(fs->state, fd) < 0)
        return error_set_errno(err, "%s: cannot close", writer->path);
    if (fs->rename(fs->state, writer->temporary, writer->path) < 0)
        return error_set_errno(err, "%s: cannot rename", writer->temporary);
    free(writer->temporary);
    writer->temporary = NULL;
    return true;
}

void npy_free(struct npy_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        writer->fs->close(writer->fs->state, writer->fd);
    if (writer->temporary)
        writer->fs->unlink(writer->fs->state, writer->temporary);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}
