/* {"metadata": {"total_size": bytes, ...}, "weight_map": {TENSOR: "model-00001-of-00004.safetensors", ...}}
 *
 * Only weight_map is used; the rest is carried by others and skipped here. Shards are plain names in the same
 * folder: anything that would lead out of it is refused, so that an index cannot make us read (or change)
 * another file. */
#include "index.h"

#include <string.h>

#include "json_scan.h"
#include "memory.h"
#include "quote.h"

enum {
    INDEX_LIMIT = 100000000,
    ENTRY_LIMIT = 1000000,
    NAME_LIMIT = 4096,
    SHARD_NAME_LIMIT = 255,
    WARNINGS_SHOWN = 8,
};

struct entry_list {
    struct index_entry *items;
    size_t n, capacity;
};

static bool is_plain_name(struct json_text t)
{
    if (t.length == 0 || t.length > SHARD_NAME_LIMIT || json_text_equal(t, ".") || json_text_equal(t, ".."))
        return false;
    return !memchr(t.data, '/', t.length) && !memchr(t.data, '\0', t.length);
}

static bool read_entry(struct json_scan *s, struct json_text key, struct arena *arena,
                       struct entry_list *list, struct error *err)
{
    if (key.length > NAME_LIMIT || memchr(key.data, '\0', key.length))
        return json_scan_error(s, err, "the tensor name %s holds a NUL character or more than %d bytes",
                               quote_bytes(key.data, key.length).text, NAME_LIMIT);
    if (list->n == ENTRY_LIMIT)
        return json_scan_error(s, err, "more than %d tensors", ENTRY_LIMIT);
    struct index_entry entry = {.tensor = arena_copy(arena, key.data, key.length)};
    if (!entry.tensor)
        return error_memory(err, "reading an index");
    struct json_text shard;
    if (!json_string(s, &shard, err))
        return error_prefix(err, "tensor %s", quote(entry.tensor).text);
    if (!is_plain_name(shard))
        return json_scan_error(s, err, "tensor %s is mapped to %s, which is not a plain file name",
                               quote(entry.tensor).text, quote_bytes(shard.data, shard.length).text);
    /* Neighbours mostly share their shard. */
    const char *last = list->n ? list->items[list->n - 1].shard : NULL;
    entry.shard = last && json_text_equal(shard, last) ? last : arena_copy(arena, shard.data, shard.length);
    if (!entry.shard)
        return error_memory(err, "reading an index");
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256;
        struct index_entry *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "reading an index");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = entry;
    return true;
}

static bool read_weight_map(struct json_scan *s, struct arena *arena, struct entry_list *list,
                            struct error *err)
{
    struct json_text key;
    bool more;
    if (!json_object_begin(s, err))
        return false;
    while (json_object_next(s, &key, &more, err)) {
        if (!more)
            return list->n ? true : json_scan_error(s, err, "\"weight_map\" names no tensor");
        if (!read_entry(s, key, arena, list, err))
            return false;
    }
    return false;
}

static bool read_document(struct json_scan *s, struct arena *arena, struct entry_list *list,
                          struct error *err)
{
    struct json_text key;
    bool more, seen = false;
    if (!json_object_begin(s, err))
        return false;
    while (json_object_next(s, &key, &more, err)) {
        if (!more)
            return seen ? json_end(s, err) : json_scan_error(s, err, "there is no \"weight_map\"");
        bool is_map = json_text_equal(key, "weight_map");
        if (is_map && seen)
            return json_scan_error(s, err, "\"weight_map\" occurs twice");
        seen = seen || is_map;
        if (!(is_map ? read_weight_map(s, arena, list, err) : json_skip(s, NULL, NULL, err)))
            return false;
    }
    return false;
}

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const struct index_entry *)a)->tensor, ((const struct index_entry *)b)->tensor);
}

static int by_string(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool sort_entries(struct shard_index *index, struct error *err)
{
    qsort(index->entries, index->n_entries, sizeof *index->entries, by_tensor);
    for (size_t i = 1; i < index->n_entries; i++)
        if (strcmp(index->entries[i - 1].tensor, index->entries[i].tensor) == 0)
            return error_set(err, ERROR_FORMAT, "%s: tensor %s occurs twice", index->name,
                             quote(index->entries[i].tensor).text);
    return true;
}

static bool list_shards(struct shard_index *index, struct arena *arena, struct error *err)
{
    index->shards = arena_array(arena, index->n_entries, sizeof *index->shards);
    if (!index->shards)
        return error_memory(err, "reading an index");
    for (size_t i = 0; i < index->n_entries; i++)
        index->shards[i] = index->entries[i].shard;
    qsort(index->shards, index->n_entries, sizeof *index->shards, by_string);
    for (size_t i = 0; i < index->n_entries; i++)
        if (i == 0 || strcmp(index->shards[i], index->shards[index->n_shards - 1]) != 0)
            index->shards[index->n_shards++] = index->shards[i];
    return true;
}

bool index_parse(const char *name, const char *text, size_t n, struct arena *arena, struct shard_index *out,
                 struct error *err)
{
    struct json_scan s;
    struct entry_list list = {0};
    struct shard_index index = {.name = name};
    json_scan_init(&s, name, text, n);
    bool ok = read_document(&s, arena, &list, err);
    if (ok) {
        index.n_entries = list.n;
        index.entries = arena_array(arena, list.n, sizeof *list.items);
        ok = index.entries ? true : error_memory(err, "reading an index");
    }
    if (ok) {
        memcpy(index.entries, list.items, list.n * sizeof *list.items);
        ok = sort_entries(&index, err) && list_shards(&index, arena, err);
    }
    if (ok)
        *out = index;
    free(list.items);
    json_scan_release(&s);
    return ok;
}

bool index_read(const struct fs *fs, const char *path, const char *shown, struct arena *arena,
                struct shard_index *out, struct error *err)
{
    char *text;
    size_t n;
    if (!fs_read_file(fs, path, INDEX_LIMIT, &text, &n, err))
        return false;
    bool ok = index_parse(shown, text, n, arena, out, err);
    free(text);
    return ok;
}

static const struct index_entry *find_entry(const struct shard_index *index, const char *tensor)
{
    struct index_entry key = {.tensor = tensor};
    return bsearch(&key, index->entries, index->n_entries, sizeof *index->entries, by_tensor);
}

bool index_check(const struct shard_index *index, struct checkpoint *checkpoint, struct error *err)
{
    for (size_t i = 0; i < index->n_entries; i++) {
        const struct index_entry *entry = &index->entries[i];
        const struct tensor *t = checkpoint_find(checkpoint, entry->tensor);
        const char *holder = t ? checkpoint->files[t->file].name : NULL;
        if (holder && strcmp(holder, entry->shard) == 0)
            continue;
        return error_set(err, ERROR_FORMAT, "%s: tensor %s is mapped to %s, but %s%s", index->name,
                         quote(entry->tensor).text, quote(entry->shard).text,
                         holder ? "lies in " : "is not there", holder ? quote(holder).text : "");
    }
    size_t unnamed = 0;
    for (size_t i = 0; i < checkpoint->n_tensors; i++) {
        const struct tensor *t = &checkpoint->tensors[i];
        if (find_entry(index, t->name) || ++unnamed > WARNINGS_SHOWN)
            continue;
        if (!checkpoint_warn(checkpoint, err, "%s: tensor %s of %s is not in the weight map", index->name,
                             quote(t->name).text, quote(checkpoint->files[t->file].name).text))
            return false;
    }
    if (unnamed > WARNINGS_SHOWN)
        return checkpoint_warn(checkpoint, err, "%s: %zu more tensors are not in the weight map", index->name,
                               unnamed - WARNINGS_SHOWN);
    return true;
}
