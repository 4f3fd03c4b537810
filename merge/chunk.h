/* A run of elements of one output tensor, small enough for memory: cut into tasks for the pool at borders
 * that depend on the tensor only. */
#ifndef LANCET_CHUNK_H
#define LANCET_CHUNK_H

#include "plan.h"

enum { CHUNK_TASK = 32768 }; /* elements of a task; chunks begin at multiples of it */

struct chunk {
    const struct merge_tensor *tensor;
    uint64_t first; /* of the chunk in the tensor */
    size_t n;
    const uint8_t **inputs; /* [n_sources] bytes of each source's element `first` */
    uint8_t *out;           /* [n] stored elements */
};

/* Over the elements of a tensor so far; tasks are added in order. */
struct tensor_sums {
    double squares;         /* of the result as it is stored */
    double *source_squares; /* [n_sources] */
    double *distance;       /* [n_sources] squares of result - source */
    double method[MERGE_MOST_SUMS];
};

struct chunk_worker; /* room for the results of the tasks of a chunk */
bool chunk_worker_new(const struct context *context, const struct merge_plan *plan, size_t most_elements,
                      struct chunk_worker **out, struct error *err);
void chunk_worker_free(struct chunk_worker *worker); /* NULL is fine */
/* Bytes that a worker for chunks of so many elements uses, the pool's scratch included. */
bool chunk_worker_bytes(const struct context *context, const struct merge_plan *plan, size_t most_elements,
                        uint64_t *out);

/* The method's sums over the chunk, added to sums->method. */
bool chunk_add_sums(struct chunk_worker *worker, const struct chunk *chunk, struct tensor_sums *sums,
                    struct error *err);
/* Makes chunk->out and adds to the sums. ERROR_NUMERIC when an input or the result is not finite. */
bool chunk_merge(struct chunk_worker *worker, const struct chunk *chunk, struct tensor_sums *sums,
                 struct error *err);

/* The value of each source for the method's first parameter of PARAMETER_MODEL scope, put into room
 * [n_sources]; NULL when the method has none. */
const double *chunk_weights(const struct merge_method *method, const struct merge_tensor *tensor,
                            double *room);

/* Bytes of an element of the result and of a source; a copied tensor of a dtype without whole bytes counts in
 * bytes. */
size_t chunk_unit(const struct merge_tensor *tensor);
/* Units of the whole tensor. */
uint64_t chunk_units(const struct merge_tensor *tensor);

#endif
