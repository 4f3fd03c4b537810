/* What the benchmarks of a model share: the model, the clock, and giving up. */
#ifndef LANCET_BENCH_MODEL_H
#define LANCET_BENCH_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "memory.h"
#include "pass.h"

struct bench_model {
    struct context context;
    struct checkpoint *checkpoint;
    struct model *model;
};

static inline void bench_fail(const struct error *err)
{
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

/* Seconds. */
static inline double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* For qsort of doubles. */
static inline int bench_by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static inline void bench_open(const char *path, const char *threads, struct bench_model *out)
{
    struct error err;

    *out = (struct bench_model){.context = {.fs = fs_real()}};
    if (!pool_new((unsigned)strtoul(threads, NULL, 10), &out->context.pool, &err) ||
        !checkpoint_open(&out->context, path, &(struct checkpoint_options){0}, &out->checkpoint, &err) ||
        !model_open(&out->context, out->checkpoint, &out->model, &err))
        bench_fail(&err);
}

static inline void bench_close(struct bench_model *b)
{
    model_close(b->model);
    checkpoint_close(b->checkpoint);
    pool_free(b->context.pool);
}

#endif
