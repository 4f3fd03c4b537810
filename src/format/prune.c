#include "history.h"

#include "records.h"

bool history_prune(const struct context *context, struct checkpoint *checkpoint, uint32_t keep,
                   size_t *removed, struct error *err)
{
    struct record_list list = {0};
    if (!checkpoint->writable || !checkpoint->directory)
        return error_set(err, ERROR_USAGE, "%s: was not opened for changing it", checkpoint->path);
    bool ok = records_read(context, checkpoint->directory, &list, err) && records_of(&list, checkpoint, err);
    size_t n = ok && list.n > keep ? list.n - keep : 0;
    /* Oldest first and each synced by itself, so that no cut leaves a gap. */
    for (size_t i = 0; ok && i < n; i++)
        ok = store_remove(context->fs, &list.store, list.items[i].number, STORE_COMMITTED, err) &&
             store_sync(context->fs, &list.store, err);
    records_release(&list);
    if (ok)
        *removed = n;
    return ok;
}
