/* How the tensors of a new model are laid out over files: which shard, where in it, each shard's head, and
 * the index. */
#ifndef LANCET_SHARDS_H
#define LANCET_SHARDS_H

#include "format.h"
#include "str.h"

struct shard_layout {
    struct shard {
        char name[80]; /* model.safetensors, or model-00001-of-00002.safetensors */
        uint8_t *head;
        size_t head_bytes;
        uint64_t file_bytes;
    } * shards;
    size_t n_shards;
    struct shard_place {
        size_t shard;
        uint64_t offset, bytes; /* in its file */
    } * places;                 /* [n_tensors], of the tensors as they were given */
    size_t *order;              /* [n_tensors] indices of tensors in the order of their bytes */
    size_t n_tensors;
    uint64_t bytes; /* of all files */
};

/* `tensors` are sorted by name, each name once; they fill one shard after the other up to shard_bytes of data
 * (UINT64_MAX: one file); a larger tensor gets a shard of its own. `metadata` as in checkpoint_file. */
bool shard_layout_make(const struct format *format, const struct tensor_plan *tensors, size_t n,
                       uint64_t shard_bytes, const char *metadata, struct shard_layout *out,
                       struct error *err);
/* model.safetensors.index.json. */
bool shard_layout_index(const struct shard_layout *layout, const struct tensor_plan *tensors, struct str *out,
                        struct error *err);
void shard_layout_release(struct shard_layout *layout);

#endif
