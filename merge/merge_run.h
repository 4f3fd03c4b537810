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
    /* Which sources need `old` in any case: [n_tensors of the plan][n_sources]. */
    bool (*is_moving)(void *user, size_t tensor, size_t source);
    uint64_t memory; /* that the sink uses itself */
};

bool merge_run(const struct context *context, const struct merge_plan *plan,
               const struct merge_limits *limits, const struct merge_sink *sink, struct merge_done *done,
               struct error *err);

/* What every way of carrying a plan out checks first: dtypes that can be read and written, parameters that
 * give something finite, a cap that is large enough. */
bool merge_check(const struct context *context, const struct merge_plan *plan,
                 const struct merge_limits *limits, uint64_t sink_memory, bool old, struct error *err);
/* Bytes that merge_run uses at most, the sink's included. */
bool merge_memory(const struct context *context, const struct merge_plan *plan,
                  const struct merge_limits *limits, uint64_t sink_memory, bool old, uint64_t *out,
                  struct error *err);

#endif
