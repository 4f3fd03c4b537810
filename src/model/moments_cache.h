/* Second moments in the user's cache folder, by what they depend on. Not for users of moments.h. */
#ifndef LANCET_MOMENTS_CACHE_H
#define LANCET_MOMENTS_CACHE_H

#include "moments.h"

struct moments_cache { /* a zeroed one caches nothing */
    const struct context *context;
    const struct model *model;
    char *folder;
    const struct tensor **tensors; /* sorted by name: those below the highest layer */
    struct digest *digests;        /* [n_tensors] */
    size_t n_tensors;
    struct digest config; /* of config.json */
    bool on;
};

/* `folder` as in moments_collect. Reads every tensor below `highest` once. */
bool moments_cache_open(const struct context *context, const struct model *model, const char *folder,
                        size_t highest, struct moments_cache *out, struct error *err);
void moments_cache_close(struct moments_cache *cache);

/* `text` says which text the moments are of, and with which settings. *found: out was read. A file that is
 * not as it should be counts as not there. */
bool moments_cache_find(const struct moments_cache *cache, const char *text, size_t layer,
                        struct moments *out, bool *found, struct error *err);
/* Keeps them if it can: a full disk is no reason to fail. */
bool moments_cache_keep(const struct moments_cache *cache, const char *text, const struct moments *moments,
                        struct error *err);

#endif
