/* A thread that writes chunks while the next ones are computed: a ring of a few buffers. Where digests are
 * wanted it also takes that of each tensor, whose chunks come in order. */
#ifndef LANCET_CHUNK_QUEUE_H
#define LANCET_CHUNK_QUEUE_H

#include "digest.h"
#include "merge_run.h"

struct chunk_queue;

enum { QUEUE_BUFFERS = 3 };

/* `digests` [n_tensors of the plan] are set as tensors are complete. */
bool chunk_queue_new(const struct merge_sink *sink, size_t buffer_bytes, struct merge_tensor_done *tensors,
                     struct chunk_queue **out, struct error *err);
/* A free buffer, after a wait for one; NULL once writing has failed. */
uint8_t *chunk_queue_buffer(struct chunk_queue *queue);
/* Hands bytes over: those of the buffer above, or (put false) others that only count for the digest and stay
 * where they are. `last`: they end the tensor. */
struct queued_chunk {
    size_t tensor;
    uint64_t offset;
    const uint8_t *bytes;
    size_t n;
    bool put, last;
};
void chunk_queue_add(struct chunk_queue *queue, const struct queued_chunk *chunk);
/* Waits until all is written: false and the error of the first write that failed. */
bool chunk_queue_finish(struct chunk_queue *queue, struct error *err);
/* Bytes that were written and taken the digest of. */
uint64_t chunk_queue_done(struct chunk_queue *queue);
/* Drops what is not written yet. NULL is fine. */
void chunk_queue_free(struct chunk_queue *queue);

#endif
