/* Our own thread pool. Work is cut into numbered tasks whose borders depend on the problem only, never on the number
 * of threads; tasks are claimed in any order, so a task must not depend on another of the same run. Results are then
 * the same bits for any number of threads. */
#ifndef LANCET_POOL_H
#define LANCET_POOL_H

#include <stddef.h>

#include "error.h"

struct pool;

/* n_threads 0: one per online processor. The calling thread is worker 0 and works too. */
bool pool_new(unsigned n_threads, struct pool **out, struct error *err);
void pool_free(struct pool *pool);
unsigned pool_threads(const struct pool *pool);

/* Calls run(user, task, worker) for task = 0 .. n_tasks - 1 and returns when all are done. Not re-entrant: a task
 * must not call pool_run. */
void pool_run(struct pool *pool, size_t n_tasks, void (*run)(void *user, size_t task, unsigned worker), void *user);

/* POOL_SCRATCH bytes, 64-byte aligned, private to a worker during a task: so kernels need no allocation. */
enum { POOL_SCRATCH = 8 << 20 };
void *pool_scratch(struct pool *pool, unsigned worker);

#endif
