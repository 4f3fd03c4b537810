/* Which files make up the model that a path names. */
#ifndef LANCET_MODEL_FILES_H
#define LANCET_MODEL_FILES_H

#include "index.h"

struct model_files {
    const char *folder; /* where the weights and config.json are looked for */
    const char **names; /* plain names of the weight files in it */
    size_t n_names;
    const char *index_name; /* plain name of the index, or NULL */
    struct shard_index index;
    bool is_folder; /* the path named the folder, and not a file in it */
    bool from_hub;
    bool index_ignored; /* model.safetensors and an index lie side by side */
};

/* Everything is put into the arena. */
bool model_files_find(const struct fs *fs, const char *path, struct arena *arena, struct model_files *out,
                      struct error *err);

/* "FOLDER/NAME", escaped for sentences, in the arena; NULL when memory is out. */
const char *model_files_shown(const char *folder, const char *name, struct arena *arena);

#endif
