/* The bytes are a model.safetensors.index.json. */
#include "fuzz.h"

#include <string.h>

#include "index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct shard_index index;
    struct error err;
    if (index_parse("fuzz", (const char *)data, size, &arena, &index, &err)) {
        FUZZ_HOLDS(index.n_entries > 0 && index.n_shards > 0 && index.n_shards <= index.n_entries);
        for (size_t i = 0; i < index.n_shards; i++) {
            FUZZ_HOLDS(*index.shards[i] && !strchr(index.shards[i], '/') &&
                       strcmp(index.shards[i], "..") != 0);
            FUZZ_HOLDS(i == 0 || strcmp(index.shards[i - 1], index.shards[i]) < 0);
        }
        for (size_t i = 1; i < index.n_entries; i++)
            FUZZ_HOLDS(strcmp(index.entries[i - 1].tensor, index.entries[i].tensor) < 0);
    } else
        FUZZ_HOLDS(err.kind == ERROR_FORMAT && err.text[0]);
    arena_release(&arena);
    return 0;
}
