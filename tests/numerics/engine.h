/* What the tests of the engine share: a model opened from a folder beside the tests or in the shared data. */
#ifndef LANCET_TEST_ENGINE_H
#define LANCET_TEST_ENGINE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pass.h"

struct engine {
    struct context context;
    struct checkpoint *checkpoint;
    struct model *model;
    struct error err;
};

#define ck_ok(engine, call) ck_assert_msg(call, "%s", (engine)->err.text)

/* The folder `name` under the folder that a variable names; NULL when the variable is unset. */
static inline char *folder_of(const char *variable, const char *name)
{
    const char *base = getenv(variable);

    return base && *base ? path_join(base, name) : NULL;
}

static inline void engine_open_folder(struct engine *e, const char *folder, unsigned threads)
{
    *e = (struct engine){.context = {.fs = fs_real()}};
    ck_ok(e, pool_new(threads, &e->context.pool, &e->err));
    ck_ok(e, checkpoint_open(&e->context, folder, &(struct checkpoint_options){0}, &e->checkpoint, &e->err));
    ck_ok(e, model_open(&e->context, e->checkpoint, &e->model, &e->err));
}

static inline void engine_open(struct engine *e, const char *variable, const char *name, unsigned threads)
{
    char *folder = folder_of(variable, name);

    ck_assert_msg(folder != NULL, "%s is not set", variable);
    engine_open_folder(e, folder, threads);
    free(folder);
}

static inline void engine_close(struct engine *e)
{
    model_close(e->model);
    checkpoint_close(e->checkpoint);
    pool_free(e->context.pool);
}

static inline void *new_array(size_t n, size_t size)
{
    void *block = memory_zeroed(n, size);

    ck_assert_ptr_nonnull(block);
    return block;
}

static inline double largest_difference(const real *a, const real *b, size_t n)
{
    double worst = 0;

    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);

        if (!(d <= worst))
            worst = d;
    }
    return worst;
}

static inline double deviation(const real *x, size_t n)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    return sqrt(squares / (double)n - sum / (double)n * (sum / (double)n));
}

#endif
