#include "gguf_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "file_tree.h"
#include "memory.h"
#include "quote.h"

struct gguf_file {
    const struct context *context;
    char *path, *directory, *temporary;
    int fd; /* -1: none */
    bool created;
};

static bool write_head(struct gguf_file *f, const uint8_t *head, size_t head_bytes, uint64_t file_bytes,
                       struct error *err)
{
    const struct fs *fs = f->context->fs;
    uint64_t there;
    f->fd = fs->open(fs->state, f->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (f->fd < 0)
        return error_set_errno(err, "%s: cannot create", quote(f->path).text);
    f->created = true;
    if (fs->free_bytes(fs->state, f->fd, &there) == 0 && there < file_bytes)
        return error_set(err, ERROR_IO, "%s: needs %" PRIu64 " bytes, and %" PRIu64 " are free",
                         quote(f->path).text, file_bytes, there);
    if (fs->truncate(fs->state, f->fd, (off_t)file_bytes) < 0)
        return error_set_errno(err, "%s: cannot make it %" PRIu64 " bytes long", quote(f->path).text,
                               file_bytes);
    return fs_write_at(fs, f->fd, quote(f->path).text, head, head_bytes, 0, err);
}

bool gguf_file_begin(const struct context *context, const char *path, bool force, struct tensor_plan *tensors,
                     size_t n, const struct gguf_values *values, struct gguf_file **out, struct error *err)
{
    uint8_t *head = NULL;
    size_t head_bytes;
    uint64_t file_bytes;
    const char *base = path_base(path);
    struct gguf_file *f = memory_zeroed(1, sizeof *f);
    bool ok = false;
    if (!f)
        return error_memory(err, "writing a file");
    f->context = context;
    f->fd = -1;
    f->path = memory_string(path);
    f->directory = base == path ? memory_string(".") : memory_copy(path, (size_t)(base - path));
    if (!f->path || !f->directory)
        error_memory(err, "writing a file");
    else if (!force && fs_exists(context->fs, path))
        error_set(err, ERROR_USAGE, "%s: is there already; use --force to overwrite it", quote(path).text);
    else
        ok = gguf_layout(tensors, n, values, &head, &head_bytes, &file_bytes, err) &&
             (f->temporary = file_tree_temporary(path, err)) &&
             write_head(f, head, head_bytes, file_bytes, err);
    free(head);
    if (ok)
        *out = f;
    else
        gguf_file_free(f);
    return ok;
}

bool gguf_file_put(struct gguf_file *file, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    return fs_write_at(file->context->fs, file->fd, quote(file->path).text, bytes, n, offset, err);
}

const char *gguf_file_path(const struct gguf_file *file)
{
    return file->temporary;
}

bool gguf_file_commit(struct gguf_file *file, struct error *err)
{
    const struct fs *fs = file->context->fs;
    int fd = file->fd;
    if (fs->sync(fs->state, fd) < 0)
        return error_set_errno(err, "%s: cannot sync", quote(file->path).text);
    file->fd = -1;
    if (fs->close(fs->state, fd) < 0)
        return error_set_errno(err, "%s: cannot close", quote(file->path).text);
    if (fs->rename(fs->state, file->temporary, file->path) < 0)
        return error_set_errno(err, "%s: cannot rename to it", quote(file->path).text);
    file->created = false;
    return fs_sync_directory(fs, file->directory, err);
}

void gguf_file_free(struct gguf_file *file)
{
    if (!file)
        return;
    const struct fs *fs = file->context->fs;
    if (file->fd >= 0)
        fs->close(fs->state, file->fd);
    if (file->created)
        fs->unlink(fs->state, file->temporary);
    free(file->temporary);
    free(file->directory);
    free(file->path);
    free(file);
}
