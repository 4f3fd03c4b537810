#include "guard.h"

bool guard_write_invalid(const struct fs *fs, const struct guarded *files, size_t n, struct error *err)
{
    for (const struct guarded *f = files; f < files + n; f++)
        if (f->fd >= 0 && !fs_write_at(fs, f->fd, f->path, f->invalid, f->n, 0, err))
            return false;
    return true;
}

bool guard_write_truth(const struct fs *fs, const struct guarded *files, size_t n, struct error *err)
{
    for (const struct guarded *f = files; f < files + n; f++)
        if (f->fd >= 0 && !fs_write_at(fs, f->fd, f->path, f->truth, f->n, 0, err))
            return false;
    return true;
}

bool guard_sync(const struct fs *fs, const struct guarded *files, size_t n, struct error *err)
{
    for (const struct guarded *f = files; f < files + n; f++)
        if (f->fd >= 0 && fs->sync(fs->state, f->fd) < 0)
            return error_set_errno(err, "%s: cannot sync", f->path);
    return true;
}
