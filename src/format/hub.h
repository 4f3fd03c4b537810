/* Models that the local Hugging Face cache holds, by name ("org/name"). Nothing is ever downloaded. */
#ifndef LANCET_HUB_H
#define LANCET_HUB_H

#include "arena.h"
#include "fs.h"

/* Whether it could be the name of a model: one or two parts of letters, digits, '.', '_' and '-'. */
bool hub_is_name(const char *name);

/* The folder of the snapshot that refs/main names. ERROR_IO when the cache does not hold it. */
bool hub_find(const struct fs *fs, const char *name, struct arena *arena, const char **out,
              struct error *err);

#endif
