#include "pending.h"

#include <stdlib.h>
#include <string.h>

void pending_free(struct pending *pending)
{
    if (!pending)
        return;
    for (size_t i = 0; i < pending->n_files; i++)
        buffer_release(&pending->files[i].head);
    free(pending->files);
    record_release(&pending->record);
    if (pending->fd >= 0)
        pending->fs->close(pending->fs->state, pending->fd);
    free(pending->path);
    store_release(&pending->store);
    free(pending);
}

bool pending_read_head(const struct checkpoint *checkpoint, size_t file, uint64_t offset, void *out, size_t n,
                       struct error *err)
{
    const struct pending *pending = checkpoint->pending;
    const struct checkpoint_file *f = &checkpoint->files[file];
    for (size_t i = 0; pending && i < pending->n_files; i++) {
        const struct pending_file *p = &pending->files[i];
        if (p->checkpoint_file == file && offset <= p->head_bytes && n <= p->head_bytes - offset) {
            memcpy(out, p->head.bytes + offset, n);
            return true;
        }
    }
    return fs_read_at(checkpoint->context->fs, f->fd, f->shown, out, n, offset, err);
}
