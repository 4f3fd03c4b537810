#include "suite.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "pool.h"

enum { TASKS = 1000 };

struct job {
    struct pool *pool;
    atomic_int done[TASKS];
    atomic_int wrong;
};

static void count(void *user, size_t task, unsigned worker)
{
    struct job *job = user;
    if (worker >= pool_threads(job->pool) || task >= TASKS)
        atomic_fetch_add(&job->wrong, 1);
    else
        atomic_fetch_add(&job->done[task], 1);
    /* The scratch of a worker is its own during a task. */
    unsigned char *scratch = pool_scratch(job->pool, worker);
    memset(scratch, (int)(task & 255), 64);
    memset(scratch + POOL_SCRATCH - 64, (int)(task & 255), 64);
    for (int i = 0; i < 64; i++)
        if (scratch[i] != (task & 255) || scratch[POOL_SCRATCH - 64 + i] != (task & 255))
            atomic_fetch_add(&job->wrong, 1);
}

START_TEST(each_task_runs_once)
{
    static struct job job;
    struct error err = {0};
    for (size_t t = 0; t < TASKS; t++)
        atomic_init(&job.done[t], 0);
    atomic_init(&job.wrong, 0);
    ck_assert_msg(pool_new((unsigned)_i, &job.pool, &err), "%s", err.text);
    if (_i)
        ck_assert_uint_eq(pool_threads(job.pool), (unsigned)_i);
    else
        ck_assert_uint_ge(pool_threads(job.pool), 1);
    static const size_t sizes[] = {0, 1, 2, 3, 17, TASKS};
    int expected[TASKS] = {0};
    for (int round = 0; round < 20; round++)
        for (size_t k = 0; k < 6; k++) {
            pool_run(job.pool, sizes[k], count, &job);
            for (size_t t = 0; t < sizes[k]; t++)
                expected[t]++;
            for (size_t t = 0; t < TASKS; t++) /* all done when pool_run returns */
                if (atomic_load(&job.done[t]) != expected[t])
                    ck_abort_msg("task %zu ran %d times, expected %d", t, atomic_load(&job.done[t]),
                                 expected[t]);
        }
    ck_assert_int_eq(atomic_load(&job.wrong), 0);
    for (unsigned w = 0; w < pool_threads(job.pool); w++)
        ck_assert_uint_eq((uintptr_t)pool_scratch(job.pool, w) % 64, 0);
    pool_free(job.pool);
    pool_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, each_task_runs_once, 0, 6);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
