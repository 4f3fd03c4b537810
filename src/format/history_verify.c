/* Whether a model and its records still say the same. */
#include "history.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "quote.h"
#include "range.h"
#include "records.h"

struct verify {
    const struct context *context;
    const struct checkpoint *checkpoint;
    const struct record_list *list;
    void (*found)(void *user, const char *sentence);
    void *user;
    bool clean;
};

__attribute__((format(printf, 2, 3))) static void finding(struct verify *v, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    v->clean = false;
    v->found(v->user, sentence);
}

/* A finding, if it is one about the files; other errors (no memory, a read that fails) end the verification.
 */
static bool tell(struct verify *v, const struct error *err)
{
    if (err->kind != ERROR_MISMATCH && err->kind != ERROR_FORMAT)
        return false;
    finding(v, "%s", err->text);
    return true;
}

/* The next newer record that names the tensor, and which of its tensors that is; n when there is none. */
static size_t next_newer(const struct verify *v, size_t record, const struct tensor *tensor, size_t *index)
{
    for (size_t i = record + 1; i < v->list->n; i++) {
        *index = records_find(&v->list->items[i], v->checkpoint, tensor);
        if (*index < v->list->items[i].n_tensors)
            return i;
    }
    return v->list->n;
}

static bool verify_tensor(struct verify *v, size_t i, size_t k, struct error *err)
{
    const struct record *record = &v->list->items[i];
    const struct tensor *tensor = NULL;
    struct digest digest;
    size_t index = 0;
    if (!records_tensor(v->context, v->checkpoint, v->list, i, k, &tensor, err))
        return tell(v, err);
    const struct checkpoint_file *file = &v->checkpoint->files[tensor->file];
    size_t newer = next_newer(v, i, tensor, &index);
    if (newer < v->list->n) {
        const struct record *next = &v->list->items[newer];
        if (!digest_equal(&next->tensors[index].before, &record->tensors[k].after))
            finding(v,
                    "%s: record %" PRIu32 " did not find tensor %s as record %" PRIu32
                    " had left it: something else changed it in between",
                    file->shown, next->number, quote(tensor->name).text, record->number);
        return true;
    }
    if (!range_digest(v->context, true, file->fd, file->shown, tensor->offset, tensor->bytes, &digest, err))
        return false;
    if (!digest_equal(&digest, &record->tensors[k].after))
        finding(v, "%s: tensor %s is not as record %" PRIu32 " left it: something else changed it since",
                file->shown, quote(tensor->name).text, record->number);
    return true;
}

static bool verify_record(struct verify *v, size_t i, struct error *err)
{
    const struct fs *fs = v->context->fs;
    struct record_reader reader = {0};
    int fd = -1;
    if (!store_open_record(fs, v->list->paths[i], O_RDONLY, &fd, err))
        return false;
    record_reader_init(&reader, fs, fd, v->list->paths[i], &v->list->items[i]);
    bool ok = true;
    for (size_t k = 0; ok && k < v->list->items[i].n_chunks; k++) {
        ok = context_continue(v->context, err);
        if (ok && !record_reader_load(&reader, k, err))
            ok = tell(v, err);
    }
    record_reader_release(&reader);
    fs->close(fs->state, fd);
    return ok;
}

bool history_verify(const struct context *context, const struct checkpoint *checkpoint, bool full,
                    void (*found)(void *user, const char *sentence), void *user, bool *clean,
                    struct error *err)
{
    struct record_list list = {0};
    struct verify v = {context, checkpoint, &list, found, user, true};
    bool ok = !checkpoint->directory || (records_read(context, checkpoint->directory, &list, err) &&
                                         records_of(&list, checkpoint, err));
    if (!ok && tell(&v, err)) {
        records_release(&list);
        *clean = false;
        return true;
    }
    if (ok && list.store.open)
        finding(&v,
                "%s: record %04" PRIu32 " is open: a change was cut; `lancet verify --recover` takes it back",
                list.store.path, list.store.open);
    for (size_t i = 0; ok && i < list.n; i++) {
        for (size_t k = 0; ok && k < list.items[i].n_tensors; k++)
            ok = verify_tensor(&v, i, k, err);
        ok = ok && (!full || verify_record(&v, i, err));
        context_progress(context, "verifying records", i + 1, list.n);
    }
    records_release(&list);
    if (ok)
        *clean = v.clean;
    return ok;
}
