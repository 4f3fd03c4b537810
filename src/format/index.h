/* model.safetensors.index.json: which shard of a model holds which tensor. */
#ifndef LANCET_INDEX_H
#define LANCET_INDEX_H

#include "checkpoint.h"

struct shard_index {
    const char *name; /* for sentences */
    struct index_entry {
        const char *tensor, *shard;
    } * entries; /* sorted by tensor; no tensor occurs twice */
    size_t n_entries;
    const char **shards; /* sorted, each once: plain file names */
    size_t n_shards;
};

/* Everything is put into the arena. */
bool index_parse(const char *name, const char *text, size_t n, struct arena *arena, struct shard_index *out,
                 struct error *err);
/* `shown` is the name for sentences. */
bool index_read(const struct fs *fs, const char *path, const char *shown, struct arena *arena,
                struct shard_index *out, struct error *err);

/* Whether each tensor lies in the shard that the index names: ERROR_FORMAT else. A tensor that the index does
 * not name becomes a warning of the checkpoint (sorted tensors, files by the index). */
bool index_check(const struct shard_index *index, struct checkpoint *checkpoint, struct error *err);

#endif
