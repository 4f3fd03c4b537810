/* Finding one's way in a record: its tensors by place and by name, its chunks by place. */
#include "record.h"

#include <string.h>

#include "memory.h"

/* ---- tensors ---- */

/* The tensors lie in order and apart from each other, so it can only be the last one that starts at or
 * before. */
size_t record_tensor_at(const struct record *record, size_t file, uint64_t offset, uint64_t n)
{
    size_t low = 0, high = record->n_tensors; /* those before `low` start at or before */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct record_tensor *t = &record->tensors[middle];
        if (t->file < file || (t->file == file && t->offset <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return record->n_tensors;
    const struct record_tensor *t = &record->tensors[low - 1];
    bool holds = t->file == file && offset - t->offset <= t->bytes && n <= t->bytes - (offset - t->offset);
    return holds ? low - 1 : record->n_tensors;
}

static int by_name(const void *a, const void *b)
{
    const struct record_tensor *x = *(const struct record_tensor *const *)a,
                               *y = *(const struct record_tensor *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->file > y->file) - (x->file < y->file);
}

bool record_sort_names(struct record *record, struct error *err)
{
    record->by_name = arena_array(&record->arena, record->n_tensors, sizeof *record->by_name);
    if (!record->by_name)
        return error_memory(err, "reading a record");
    for (size_t i = 0; i < record->n_tensors; i++)
        record->by_name[i] = &record->tensors[i];
    if (record->n_tensors)
        qsort(record->by_name, record->n_tensors, sizeof *record->by_name, by_name);
    return true;
}

size_t record_tensor_named(const struct record *record, const char *file, const char *name)
{
    size_t low = 0, high = record->n_tensors; /* names before `low` are less */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(record->by_name[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < record->n_tensors && strcmp(record->by_name[low]->name, name) == 0; low++)
        if (strcmp(record->files[record->by_name[low]->file].name, file) == 0)
            return (size_t)(record->by_name[low] - record->tensors);
    return record->n_tensors;
}

/* ---- chunks ---- */

static bool make_room(struct record *record, struct error *err)
{
    if (record->n_chunks < record->chunk_capacity)
        return true;
    size_t capacity = record->chunk_capacity ? record->chunk_capacity * 2 : 16;
    struct record_chunk *chunks = memory_resize(record->chunks, capacity, sizeof *chunks);
    if (chunks)
        record->chunks = chunks;
    size_t *by_place = chunks ? memory_resize(record->by_place, capacity, sizeof *by_place) : NULL;
    if (!by_place)
        return error_memory(err, "listing the chunks of a record");
    record->by_place = by_place;
    record->chunk_capacity = capacity;
    return true;
}

static const struct record_chunk *placed(const struct record *record, size_t i)
{
    return &record->chunks[record->by_place[i]];
}

static uint64_t end_of(const struct record_chunk *chunk, bool held)
{
    return held ? chunk->offset + chunk->bytes : chunk->own_offset + chunk->own_bytes;
}

/* First in by_place whose bytes of this file end after `offset`, or that lies in a later file. Owned bytes
 * lie apart, so the ends of what is held are in the same order. */
static size_t first_after(const struct record *record, size_t file, uint64_t offset, bool held)
{
    size_t low = 0, high = record->n_placed;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct record_chunk *c = placed(record, middle);
        if (c->file < file || (c->file == file && end_of(c, held) <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool record_chunk_add(struct record *record, const struct record_chunk *chunk, struct error *err)
{
    if (!make_room(record, err))
        return false;
    if (chunk->own_bytes) {
        size_t at = record->n_placed; /* most come in order */
        if (at && (placed(record, at - 1)->file > chunk->file ||
                   (placed(record, at - 1)->file == chunk->file &&
                    placed(record, at - 1)->own_offset > chunk->own_offset)))
            at = first_after(record, chunk->file, chunk->own_offset, false);
        memmove(record->by_place + at + 1, record->by_place + at,
                (record->n_placed - at) * sizeof *record->by_place);
        record->by_place[at] = record->n_chunks;
        record->n_placed++;
    }
    record->chunks[record->n_chunks++] = *chunk;
    return true;
}

void record_drop_chunks(struct record *record)
{
    free(record->chunks);
    free(record->by_place);
    record->chunks = NULL;
    record->by_place = NULL;
    record->n_chunks = record->n_placed = record->chunk_capacity = 0;
}

static struct record_range meeting(const struct record *record, size_t file, uint64_t offset, uint64_t n,
                                   bool held)
{
    struct record_range range = {.first = first_after(record, file, offset, held)};
    range.end = range.first;
    while (range.end < record->n_placed && placed(record, range.end)->file == file &&
           (held ? placed(record, range.end)->offset : placed(record, range.end)->own_offset) < offset + n)
        range.end++;
    return range;
}

struct record_range record_holding(const struct record *record, size_t file, uint64_t offset, uint64_t n)
{
    return meeting(record, file, offset, n, true);
}

struct record_range record_owning(const struct record *record, size_t file, uint64_t offset, uint64_t n)
{
    return meeting(record, file, offset, n, false);
}

void record_chunk_tells(const struct record *record, size_t i, uint64_t *from, uint64_t *to)
{
    const struct record_chunk *c = placed(record, i);
    const struct record_chunk *before = i ? placed(record, i - 1) : NULL;
    const struct record_chunk *after = i + 1 < record->n_placed ? placed(record, i + 1) : NULL;
    *from = c->offset == 0 ? record->files[c->file].guard_bytes : c->offset;
    *to = end_of(c, true);
    if (before && before->file == c->file && end_of(before, false) > *from)
        *from = end_of(before, false);
    if (after && after->file == c->file && after->own_offset < *to)
        *to = after->own_offset;
}
