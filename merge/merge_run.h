/* The loop that makes every output tensor of a plan, chunk by chunk: read, compute and write at the same
 * time. Where the bytes go is a sink. */
#ifndef LANCET_MERGE_RUN_H
#define LANCET_MERGE_RUN_H

#include "execute.h"

struct merge_sink {
    void *user;
    const size_t *order; /* tensors of the plan in the order that their bytes are to come */
    size_t n;            /* of them; the others are left alone */
    /* Bytes of a tensor, in ascending order and without gaps. Called by another thread than the caller's, one
     * call at a time. */
    bool (*put)(void *user, size_t tensor, uint64_t offset, const void *bytes, size_t n, struct error *err);
    /* Whether the target holds the right bytes already (then they are at the target's place in its map, and
     * are not put); NULL: it never does. */
    bool (*has)(void *user, size_t tensor, uint64_t offset, uint64_t n);
    /* Bytes of a source as they were before the merge; NULL: they never change. */
    bool (*old)(void *user, const struct tensor *source, uint64_t offset, uint64_t n, void *out,
                struct error *err);
    /* Whether a source has to be read by `old`. */
    bool (*is_moving)(void *user, size_t tensor, size_t source);
    size_t chunk_bytes; /* as merge_prepare chose */
    bool digests;       /* are wanted */
};

/* How large chunks are, and what a merge in such chunks takes of memory at most. */
struct merge_size {
    size_t chunk_bytes;
    uint64_t memory;
};
/* What the sink uses itself with chunks of that size; NULL: nothing to speak of. */
typedef uint64_t merge_sink_memory(size_t chunk_bytes);

/* What every way of carrying a plan out does first: checks dtypes and parameters, and chooses chunks that fit
 * under the cap. `in_place`: sources may be read by `old`. */
bool merge_prepare(const struct context *context, const struct merge_plan *plan,
                   const struct merge_limits *limits, merge_sink_memory *sink_memory, bool in_place,
                   struct merge_size *out, struct error *err);

/* memory, disk, undo_disk and written of a merge in place. */
bool merge_into_estimate(const struct context *context, const struct merge_plan *plan,
                         const struct merge_limits *limits, const struct checkpoint *target,
                         struct merge_estimate *out, struct error *err);

bool merge_run(const struct context *context, const struct merge_plan *plan, const struct merge_sink *sink,
               struct merge_done *done, struct error *err);

#endif
