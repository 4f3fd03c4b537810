/* What is going to change, as the record says it, and the space that this needs. */
#include "transaction_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "memory.h"
#include "quote.h"

enum { CHUNK_BYTES = 8 << 20, LARGEST_CHUNK = RECORD_MAX_CHUNK - 2 * RECORD_PAGE };

/* ---- what ---- */

uint64_t transaction_chunk_bytes(const struct transaction_options *options)
{
    uint64_t bytes = options->chunk_bytes ? options->chunk_bytes : CHUNK_BYTES;
    return bytes < LARGEST_CHUNK ? bytes : LARGEST_CHUNK;
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

void transaction_sort(const struct tensor **tensors, size_t n)
{
    if (n)
        qsort(tensors, n, sizeof *tensors, by_place);
}

static bool list_file(struct transaction *t, size_t index, struct error *err)
{
    const struct checkpoint_file *file = &t->checkpoint->files[index];
    struct record_file *r = &t->record.files[t->record.n_files];
    struct guarded *g = &t->files[t->record.n_files];
    if (!file->format || !file->format->guard)
        return error_set(err, ERROR_UNSUPPORTED, "%s: a file of this format cannot be changed in place",
                         file->shown);
    *r = (struct record_file){.name = path_base(file->path),
                              .size = file->size,
                              .head = file->head,
                              .guard_bytes = file->format->guard_bytes};
    file->format->guard(t->record.nonce, r->guard);
    *g = (struct guarded){.fd = file->fd, .path = file->shown, .n = r->guard_bytes};
    memcpy(g->invalid, r->guard, g->n);
    if (!fs_read_at(t->fs, file->fd, file->shown, g->truth, g->n, 0, err))
        return false;
    t->record_files[index] = t->record.n_files++;
    return true;
}

static bool list_sorted(struct transaction *t, const struct tensor *const *sorted, size_t n,
                        struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct tensor *s = sorted[i];
        if (i && s == sorted[i - 1])
            return error_set(err, ERROR_USAGE, "tensor %s is listed twice in one change",
                             quote(s->name).text);
        if ((i == 0 || s->file != sorted[i - 1]->file) && !list_file(t, s->file, err))
            return false;
        t->record.tensors[i] = (struct record_tensor){.name = s->name,
                                                      .file = t->record.n_files - 1,
                                                      .dtype = s->dtype,
                                                      .offset = s->offset,
                                                      .bytes = s->bytes};
        t->tensors[i].tensor = s;
        t->total += s->bytes;
        t->record.n_tensors++;
    }
    return true;
}

bool transaction_list(struct transaction *t, const struct tensor *const *tensors, size_t n, struct error *err)
{
    size_t n_files = t->checkpoint->n_files;
    t->record.files = arena_array(&t->record.arena, n_files, sizeof *t->record.files);
    t->record.tensors = arena_array(&t->record.arena, n, sizeof *t->record.tensors);
    t->files = memory_zeroed(n_files, sizeof *t->files);
    t->record_files = memory_array(n_files, sizeof *t->record_files);
    t->tensors = memory_zeroed(n, sizeof *t->tensors);
    const struct tensor **sorted = memory_array(n, sizeof *sorted);
    bool ok = (t->record.files && t->record.tensors && t->files && t->record_files && t->tensors && sorted) ||
              error_memory(err, "preparing a change");
    if (ok) {
        for (size_t i = 0; i < n_files; i++)
            t->record_files[i] = n_files;
        memcpy(sorted, tensors, n * sizeof *sorted);
        transaction_sort(sorted, n);
        ok = list_sorted(t, sorted, n, err);
    }
    free(sorted);
    return ok;
}

static bool copy_numbers(struct record *record, const uint32_t *numbers, size_t n, size_t spare,
                         uint32_t **out, struct error *err)
{
    uint32_t *copy = arena_array(&record->arena, n + spare, sizeof *copy);
    if (!copy)
        return error_memory(err, "preparing a change");
    if (n)
        memcpy(copy, numbers, n * sizeof *copy);
    *out = copy;
    return true;
}

static bool host_name(struct record *record, struct error *err)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) < 0)
        return error_set_errno(err, "the name of this host is not to be had");
    record->host = arena_copy(&record->arena, name, strlen(name));
    return record->host || error_memory(err, "preparing a change");
}

bool transaction_describe(struct transaction *t, const struct transaction_options *options, struct error *err)
{
    struct record *r = &t->record;
    if (getrandom(&r->nonce, sizeof r->nonce, 0) != (ssize_t)sizeof r->nonce)
        return error_set_errno(err, "no random number is to be had");
    r->version = options->before_with_chunks ? RECORD_BEFORE_IN_CHUNKS : RECORD_BEFORE_IN_HEADER;
    r->kind = options->kind;
    r->command = options->command ? options->command : "";
    r->note = options->note;
    r->time = time(NULL) < 0 ? 0 : (int64_t)time(NULL);
    r->n_undoes = options->n_undoes;
    r->n_drops = options->n_drops;
    return host_name(r, err) && copy_numbers(r, options->undoes, options->n_undoes, 0, &r->undoes, err) &&
           copy_numbers(r, options->drops, options->n_drops, 1, &r->drops, err);
}

/* Empty tensors lie where the next one begins. */
size_t transaction_index(const struct transaction *t, const struct tensor *tensor)
{
    const struct record *record = &t->record;
    size_t file = t->record_files[tensor->file];
    if (file >= record->n_files)
        return record->n_tensors;
    size_t i = record_tensor_at(record, file, tensor->offset, tensor->bytes);
    while (i < record->n_tensors && i > 0 && t->tensors[i].tensor != tensor &&
           record->tensors[i - 1].file == file && record->tensors[i - 1].offset == tensor->offset)
        i--;
    return i < record->n_tensors && t->tensors[i].tensor == tensor ? i : record->n_tensors;
}

/* ---- space ---- */

/* Of the chunks of a tensor written in ascending pieces of a quarter of chunk_bytes or more, but for the
 * last. A chunk has its head, up to a page at each end, and is rounded up to pages. */
static uint64_t tensor_bound(uint64_t bytes, uint64_t chunk_bytes, bool raw)
{
    if (bytes == 0)
        return 0;
    uint64_t chunks = 4 * (bytes / chunk_bytes) + 4 * (bytes % chunk_bytes) / chunk_bytes + 2,
             held = bytes + chunks * 2 * RECORD_PAGE;
    uint64_t stored = raw ? held : (uint64_t)record_pack_bound((size_t)held) + chunks * record_pack_bound(0);
    return stored + chunks * (RECORD_CHUNK_HEAD + RECORD_PAGE);
}

/* Everything but the header. */
static uint64_t body_bound(const struct transaction *t, uint64_t chunk_bytes, bool raw)
{
    uint64_t first = page_ceil(RECORD_CHUNK_HEAD + record_pack_bound(RECORD_PAGE));
    uint64_t bound = t->record.n_files * first;
    for (size_t i = 0; i < t->record.n_tensors; i++)
        bound += tensor_bound(t->record.tensors[i].bytes, chunk_bytes, raw);
    return bound + page_ceil(RECORD_HEAD + 16 + t->record.n_tensors * 68);
}

uint64_t transaction_bound(const struct transaction *t)
{
    return body_bound(t, t->chunk_bytes, t->packing == RECORD_RAW);
}

static uint64_t text_bound(const char *text)
{
    return text ? 6 * (uint64_t)strlen(text) : 0; /* every byte escaped */
}

static uint64_t header_bound(const struct record *record)
{
    uint64_t bound = 1024 + text_bound(record->command) + text_bound(record->note);
    for (size_t i = 0; i < record->n_files; i++)
        bound += 256 + text_bound(record->files[i].name);
    for (size_t i = 0; i < record->n_tensors; i++)
        bound += 256 + text_bound(record->tensors[i].name);
    return page_ceil(RECORD_HEAD + bound);
}

bool transaction_space(const struct checkpoint *checkpoint, const struct transaction_options *options,
                       const struct tensor *const *tensors, size_t n_tensors, struct transaction_space *out,
                       struct error *err)
{
    struct transaction *t = memory_zeroed(1, sizeof *t);
    if (!t)
        return error_memory(err, "preparing a change");
    *t = (struct transaction){.fs = checkpoint->context->fs, .checkpoint = (struct checkpoint *)checkpoint};
    bool ok = transaction_describe(t, options, err) && transaction_list(t, tensors, n_tensors, err);
    if (ok) {
        uint64_t header = header_bound(&t->record);
        *out = (struct transaction_space){
            .record = header + body_bound(t, transaction_chunk_bytes(options), options->before_with_chunks),
            .undo = header + body_bound(t, CHUNK_BYTES, options->before_with_chunks)};
    }
    free(t->files);
    free(t->record_files);
    free(t->tensors);
    record_release(&t->record);
    free(t);
    return ok;
}

uint64_t transaction_memory(const struct transaction_options *options)
{
    uint64_t chunk = transaction_chunk_bytes(options) + 2 * RECORD_PAGE;
    uint64_t stream = RECORD_CHUNK_HEAD + record_pack_bound((size_t)chunk);
    /* The old pages (and what they are packed to), the new bytes of the chunk before, what transaction_old
     * keeps, and pieces in which files are read. */
    return (options->before_with_chunks ? chunk : chunk + 2 * stream) + chunk + TRANSACTION_CACHED * chunk +
           (2 << 20);
}
