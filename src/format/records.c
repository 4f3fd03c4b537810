#include "records.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "quote.h"
#include "range.h"

struct records_head { /* of a file of the checkpoint: read once, not once per tensor */
    bool known;
    struct digest digest;
};

static bool record_read(const struct context *context, const char *path, uint32_t number, struct record *out,
                        struct error *err)
{
    int fd = -1;
    if (!store_open_record(context->fs, path, O_RDONLY, &fd, err))
        return false;
    bool ok = record_load(context->fs, fd, path, number, false, out, err);
    context->fs->close(context->fs->state, fd);
    return ok;
}

static bool is_listed(const uint32_t *numbers, size_t n, uint32_t number)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static void remove_item(struct record_list *list, size_t i)
{
    record_release(&list->items[i]);
    free(list->paths[i]);
    size_t after = list->n - i - 1;
    memmove(list->items + i, list->items + i + 1, after * sizeof *list->items);
    memmove(list->paths + i, list->paths + i + 1, after * sizeof *list->paths);
    list->n--;
}

/* Only the newest record can have left others that it drops: the next writer clears up first. */
static void hide_dropped(struct record_list *list)
{
    if (list->n == 0)
        return;
    const struct record *newest = &list->items[list->n - 1];
    for (size_t i = list->n - 1; i-- > 0;)
        if (is_listed(newest->drops, newest->n_drops, list->items[i].number)) {
            remove_item(list, i);
            newest = &list->items[list->n - 1];
        }
    if (is_listed(newest->drops, newest->n_drops, newest->number))
        remove_item(list, list->n - 1);
}

static void mark_undone(struct record_list *list)
{
    for (size_t i = list->n; i-- > 0;) {
        const struct record *r = &list->items[i];
        for (size_t k = 0; !list->undone[i] && k < i; k++)
            list->undone[k] = list->undone[k] || is_listed(r->undoes, r->n_undoes, list->items[k].number);
    }
}

bool records_read(const struct context *context, const char *directory, struct record_list *out,
                  struct error *err)
{
    struct record_list list = {0};
    bool ok = false;
    if (!store_list(context->fs, directory, &list.store, err))
        return false;
    if (list.store.there && !list.store.readable) {
        error_set(err, ERROR_IO, "%s: cannot be read", list.store.path);
        goto out;
    }
    list.items = memory_zeroed(list.store.n, sizeof *list.items);
    list.paths = memory_zeroed(list.store.n, sizeof *list.paths);
    list.undone = memory_zeroed(list.store.n, sizeof *list.undone);
    if (!list.items || !list.paths || !list.undone) {
        error_memory(err, "reading records");
        goto out;
    }
    for (size_t i = 0; i < list.store.n; i++) {
        const struct store_entry *e = &list.store.entries[i];
        if (e->kind != STORE_COMMITTED)
            continue;
        list.paths[list.n] = store_path(&list.store, e->number, STORE_COMMITTED, err);
        if (!list.paths[list.n++] ||
            !record_read(context, list.paths[list.n - 1], e->number, &list.items[list.n - 1], err))
            goto out;
    }
    hide_dropped(&list);
    mark_undone(&list);
    ok = true;
out:
    if (ok)
        *out = list;
    else
        records_release(&list);
    return ok;
}

void records_release(struct record_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->n; i++) {
        record_release(&list->items[i]);
        free(list->paths[i]);
    }
    free(list->items);
    free(list->paths);
    free(list->undone);
    free(list->heads);
    store_release(&list->store);
    *list = (struct record_list){0};
}

static const struct checkpoint_file *file_named(const struct checkpoint *checkpoint, const char *name)
{
    for (size_t i = 0; i < checkpoint->n_files; i++)
        if (strcmp(path_base(checkpoint->files[i].path), name) == 0)
            return &checkpoint->files[i];
    return NULL;
}

bool records_of(struct record_list *list, const struct checkpoint *checkpoint, struct error *err)
{
    list->heads = memory_zeroed(checkpoint->n_files, sizeof *list->heads);
    if (!list->heads)
        return error_memory(err, "reading records");
    for (size_t i = list->n; i-- > 0;) {
        const struct record *r = &list->items[i];
        size_t ours = 0, foreign = 0;
        for (size_t k = 0; k < r->n_files; k++) {
            bool known = file_named(checkpoint, r->files[k].name) != NULL;
            ours += known;
            foreign = known ? foreign : k;
        }
        if (ours && ours < r->n_files)
            return error_set(err, ERROR_MISMATCH,
                             "%s: record %" PRIu32
                             " also changed the file %s, which is not part of what was opened; "
                             "name the whole model",
                             checkpoint->path, r->number, quote(r->files[foreign].name).text);
        if (ours == 0) {
            memmove(list->undone + i, list->undone + i + 1, (list->n - i - 1) * sizeof *list->undone);
            remove_item(list, i);
        }
    }
    return true;
}

static bool head_digest(const struct context *context, const struct checkpoint *checkpoint,
                        const struct record_list *list, const struct checkpoint_file *file,
                        struct digest *out, struct error *err)
{
    struct records_head *head = &list->heads[file - checkpoint->files];
    if (!head->known &&
        !range_digest(context, true, file->fd, file->shown, 0, file->head, &head->digest, err))
        return false;
    head->known = true;
    *out = head->digest;
    return true;
}

bool records_tensor(const struct context *context, const struct checkpoint *checkpoint,
                    const struct record_list *list, size_t index, size_t tensor_index,
                    const struct tensor **out, struct error *err)
{
    const struct record_tensor *t = &list->items[index].tensors[tensor_index];
    const struct record_file *f = &list->items[index].files[t->file];
    const struct checkpoint_file *file = file_named(checkpoint, f->name);
    const struct tensor *tensor = checkpoint_find(checkpoint, t->name);
    struct digest digest;
    if (!file || file->size != f->size || file->head != f->head)
        return error_set(err, ERROR_MISMATCH, "%s: the file %s is missing or not as record %s knows it",
                         checkpoint->path, quote(f->name).text, list->paths[index]);
    if (!head_digest(context, checkpoint, list, file, &digest, err))
        return false;
    bool same = digest_equal(&digest, &f->digest) && tensor && &checkpoint->files[tensor->file] == file &&
                tensor->dtype == t->dtype && tensor->offset == t->offset && tensor->bytes == t->bytes;
    if (!same)
        return error_set(err, ERROR_MISMATCH, "%s: its header or tensor %s is not as record %s knows it",
                         file->shown, quote(t->name).text, list->paths[index]);
    *out = tensor;
    return true;
}

size_t records_find(const struct record *record, const struct checkpoint *checkpoint,
                    const struct tensor *tensor)
{
    const char *file = path_base(checkpoint->files[tensor->file].path);
    return record_tensor_named(record, file, tensor->name);
}
