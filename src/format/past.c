#include "past.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "quote.h"
#include "range.h"

enum { WINDOW = 8 << 20 };

struct layer { /* one record that is taken back */
    const struct record *record;
    size_t index; /* in the list */
    const char *path;
    size_t tensor; /* in the record */
    int fd;
    struct record_reader reader;
};

struct past {
    const struct context *context;
    const struct checkpoint_file *file;
    const struct tensor *tensor;
    struct layer *layers; /* newest first */
    size_t n_layers;
};

void past_close(struct past *past)
{
    if (!past)
        return;
    for (size_t i = 0; i < past->n_layers; i++) {
        record_reader_release(&past->layers[i].reader);
        if (past->layers[i].fd >= 0)
            past->context->fs->close(past->context->fs->state, past->layers[i].fd);
    }
    free(past->layers);
    free(past);
}

static const struct record_tensor *listed(const struct layer *layer)
{
    return &layer->record->tensors[layer->tensor];
}

const struct digest *past_digest(const struct past *past)
{
    return &listed(&past->layers[past->n_layers - 1])->before;
}

const struct digest *past_present(const struct past *past)
{
    return &listed(&past->layers[0])->after;
}

static bool add_layer(struct past *past, const struct record_list *list, size_t index, size_t tensor,
                      struct error *err)
{
    struct layer *layer = &past->layers[past->n_layers];
    const struct record *record = &list->items[index];
    const char *path = list->paths[index];
    *layer = (struct layer){.record = record, .index = index, .path = path, .tensor = tensor, .fd = -1};
    past->n_layers++;
    if (!store_open_record(past->context->fs, path, O_RDONLY, &layer->fd, err))
        return false;
    record_reader_init(&layer->reader, past->context->fs, layer->fd, path, record);
    return true;
}

/* The file, and the records one after another, must say the same about the tensor. */
static bool check_chain(const struct past *past, const struct checkpoint *checkpoint,
                        const struct record_list *list, struct error *err)
{
    const struct layer *newest = &past->layers[0];
    struct digest now;
    for (size_t i = 0; i < past->n_layers; i++) {
        const struct layer *layer = &past->layers[i];
        const struct tensor *same;
        if (!records_tensor(past->context, checkpoint, list, layer->index, layer->tensor, &same, err))
            return false;
    }
    if (!range_digest(past->context, true, past->file->fd, past->file->shown, past->tensor->offset,
                      past->tensor->bytes, &now, err))
        return false;
    if (!digest_equal(&now, &listed(newest)->after))
        return error_set(err, ERROR_MISMATCH,
                         "%s: tensor %s is not as record %" PRIu32
                         " left it: something else changed it since, so "
                         "nothing was touched",
                         past->file->shown, quote(past->tensor->name).text, newest->record->number);
    for (size_t i = 1; i < past->n_layers; i++)
        if (!digest_equal(&listed(&past->layers[i])->after, &listed(&past->layers[i - 1])->before))
            return error_set(err, ERROR_MISMATCH,
                             "%s: record %" PRIu32 " did not find tensor %s as record %" PRIu32
                             " had left it, so it "
                             "cannot be taken back further; nothing was touched",
                             past->file->shown, past->layers[i - 1].record->number,
                             quote(past->tensor->name).text, past->layers[i].record->number);
    return true;
}

bool past_open(const struct context *context, const struct checkpoint *checkpoint,
               const struct record_list *list, const struct tensor *tensor, uint32_t to, bool checked,
               struct past **out, struct error *err)
{
    struct past *past = memory_zeroed(1, sizeof *past);
    if (!past)
        return error_memory(err, "reading old bytes");
    *past = (struct past){.context = context, .file = &checkpoint->files[tensor->file], .tensor = tensor};
    past->layers = memory_zeroed(list->n, sizeof *past->layers);
    bool ok = past->layers || error_memory(err, "reading old bytes");
    for (size_t i = list->n; ok && i-- > 0 && list->items[i].number > to;) {
        size_t index = records_find(&list->items[i], checkpoint, tensor);
        if (index < list->items[i].n_tensors)
            ok = add_layer(past, list, i, index, err);
    }
    bool none = ok && past->n_layers == 0;
    ok = ok && (none || checked || check_chain(past, checkpoint, list, err));
    if (!ok || none) {
        past_close(past);
        past = NULL;
    }
    if (ok)
        *out = past;
    return ok;
}

/* Takes one record back in the window: its own copies of the bytes, or their XOR with what came after. */
static bool peel(struct layer *layer, uint64_t offset, size_t n, uint8_t *window, struct error *err)
{
    const struct record *record = layer->record;
    size_t file = listed(layer)->file;
    struct record_range range = record_owning(record, file, offset, n);
    for (size_t i = range.first; i < range.end; i++) {
        const struct record_chunk *c = &record->chunks[record->by_place[i]];
        uint64_t from = c->own_offset > offset ? c->own_offset : offset;
        uint64_t to = u64_least(c->own_offset + c->own_bytes, offset + n);
        if (!record_reader_load(&layer->reader, record->by_place[i], err))
            return false;
        const uint8_t *bytes = layer->reader.bytes + (from - c->offset);
        uint8_t *out = window + (from - offset);
        size_t length = (size_t)(to - from);
        if (c->packing != RECORD_PLANES) {
            memcpy(out, bytes, length);
        } else {
            for (size_t k = 0; k < length; k++)
                out[k] ^= bytes[k];
        }
    }
    return true;
}

bool past_read(struct past *past, uint64_t offset, size_t n, uint8_t *out, struct error *err)
{
    uint64_t at = past->tensor->offset + offset;
    if (!fs_read_at(past->context->fs, past->file->fd, past->file->shown, out, n, at, err))
        return false;
    for (size_t i = 0; i < past->n_layers; i++)
        if (!peel(&past->layers[i], at, n, out, err))
            return false;
    return true;
}

bool past_prove(struct past *past, struct error *err)
{
    uint64_t bytes = past->tensor->bytes;
    uint8_t *window = memory_array((size_t)u64_least(bytes, WINDOW), 1);
    struct digest_stream *stream = NULL;
    struct digest digest;
    bool ok = (window || error_memory(err, "reading old bytes")) && digest_stream_new(&stream, err);
    for (uint64_t done = 0; ok && done < bytes;) {
        size_t n = (size_t)u64_least(WINDOW, bytes - done);
        ok = context_continue(past->context, err) && past_read(past, done, n, window, err) &&
             digest_stream_add(stream, window, n, err);
        done += n;
    }
    ok = ok && digest_stream_finish(stream, &digest, err);
    if (ok && !digest_equal(&digest, past_digest(past)))
        ok = error_set(err, ERROR_MISMATCH,
                       "%s: the records do not give tensor %s its old bytes back; nothing was touched",
                       past->file->shown, quote(past->tensor->name).text);
    digest_stream_free(stream);
    free(window);
    return ok;
}
