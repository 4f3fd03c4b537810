#include "shards.h"

#include <stdio.h>
#include <string.h>

#include "json_write.h"
#include "memory.h"
#include "quote.h"
#include "size.h"

static bool plan_bytes(const struct tensor_plan *plan, uint64_t *out, struct error *err)
{
    uint64_t elements = 1;
    bool ok = plan->rank <= TENSOR_MAX_RANK;
    for (unsigned i = 0; ok && i < plan->rank; i++)
        ok = u64_mul(elements, plan->shape[i], &elements);
    return (ok && dtype_bytes(plan->dtype, elements, out)) ||
           error_set(err, ERROR_UNSUPPORTED, "tensor %s: a %s tensor of its shape cannot be stored",
                     quote(plan->name).text, dtype_facts(plan->dtype)->name);
}

/* places[i].shard and .bytes; the number of shards. */
static bool divide(const struct tensor_plan *tensors, size_t n, uint64_t shard_bytes,
                   struct shard_place *places, size_t *n_shards, struct error *err)
{
    uint64_t filled = 0;
    size_t shard = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t sum;
        if (!plan_bytes(&tensors[i], &places[i].bytes, err))
            return false;
        bool fits = u64_add(filled, places[i].bytes, &sum) && sum <= shard_bytes;
        if (!fits && filled)
            shard++;
        filled = fits ? sum : places[i].bytes;
        places[i].shard = shard;
    }
    *n_shards = shard + 1;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor_plan *)a)->name, ((const struct tensor_plan *)b)->name);
}

/* Tensors [first, end) fill one shard. `work` is room for their plans. */
static bool lay_out_shard(const struct format *format, const struct tensor_plan *tensors, size_t first,
                          size_t end, const char *metadata, struct tensor_plan *work,
                          struct shard_layout *layout, struct error *err)
{
    struct shard *shard = &layout->shards[layout->n_tensors ? layout->places[first].shard : 0];
    size_t n = end - first;
    if (n)
        memcpy(work, tensors + first, n * sizeof *work);
    if (!format->writer->layout(work, n, metadata, &shard->head, &shard->head_bytes, &shard->file_bytes, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct tensor_plan *at = bsearch(&work[i], tensors + first, n, sizeof *at, by_name);
        layout->order[first + i] = (size_t)(at - tensors);
        layout->places[at - tensors].offset = work[i].offset;
    }
    return u64_add(layout->bytes, shard->file_bytes, &layout->bytes) ||
           error_set(err, ERROR_UNSUPPORTED, "the model would be larger than any file can be");
}

static void name_shards(struct shard_layout *layout, const char *extension)
{
    for (size_t i = 0; i < layout->n_shards; i++)
        if (layout->n_shards == 1)
            snprintf(layout->shards[i].name, sizeof layout->shards[i].name, "model%s", extension);
        else
            snprintf(layout->shards[i].name, sizeof layout->shards[i].name, "model-%05zu-of-%05zu%s", i + 1,
                     layout->n_shards, extension);
}

bool shard_layout_make(const struct format *format, const struct tensor_plan *tensors, size_t n,
                       uint64_t shard_bytes, const char *metadata, struct shard_layout *out,
                       struct error *err)
{
    struct shard_layout layout = {.n_tensors = n};
    struct tensor_plan *work = memory_array(n, sizeof *work);
    layout.places = memory_zeroed(n, sizeof *layout.places);
    layout.order = memory_array(n, sizeof *layout.order);
    bool ok = work && layout.places && layout.order ? true : error_memory(err, "laying out a model");
    ok = ok && divide(tensors, n, shard_bytes, layout.places, &layout.n_shards, err);
    if (ok && !(layout.shards = memory_zeroed(layout.n_shards, sizeof *layout.shards)))
        ok = error_memory(err, "laying out a model");
    if (ok)
        name_shards(&layout, format->extension);
    for (size_t first = 0, end = 0; ok && (first < n || !n); first = end) {
        while (end < n && layout.places[end].shard == layout.places[first].shard)
            end++;
        ok = lay_out_shard(format, tensors, first, end, metadata, work, &layout, err);
        if (!n)
            break;
    }
    free(work);
    if (ok)
        *out = layout;
    else
        shard_layout_release(&layout);
    return ok;
}

bool shard_layout_index(const struct shard_layout *layout, const struct tensor_plan *tensors, struct str *out,
                        struct error *err)
{
    struct json_write w;
    uint64_t total = 0;
    for (size_t i = 0; i < layout->n_tensors; i++)
        total += layout->places[i].bytes;
    json_write_to_str(&w, out, true);
    json_write_object_begin(&w);
    json_write_key(&w, "metadata");
    json_write_object_begin(&w);
    json_write_member_u64(&w, "total_size", total);
    json_write_object_end(&w);
    json_write_key(&w, "weight_map");
    json_write_object_begin(&w);
    for (size_t i = 0; i < layout->n_tensors; i++)
        json_write_member_string(&w, tensors[i].name, layout->shards[layout->places[i].shard].name);
    json_write_object_end(&w);
    json_write_object_end(&w);
    bool ok = json_write_finish(&w, "the index", err);
    return (ok && !out->failed) || error_memory(err, "making an index");
}

void shard_layout_release(struct shard_layout *layout)
{
    for (size_t i = 0; layout->shards && i < layout->n_shards; i++)
        free(layout->shards[i].head);
    free(layout->shards);
    free(layout->places);
    free(layout->order);
    *layout = (struct shard_layout){0};
}
