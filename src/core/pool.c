#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "memory.h"

/* A run is published under the lock with a new generation; workers that wake in time join it, claim task
 * numbers from an atomic counter, and leave. The caller works too, then closes the run and waits for those
 * who joined: a worker that wakes late finds it closed and costs nothing.
 *
 * A model that writes a token makes hundreds of short runs in a row, and a thread that sleeps takes longer to
 * wake than some of them: so both sides look for a while before they sleep. */

enum { LOOKS = 2000 }; /* tens of microseconds */

struct worker {
    struct pool *pool;
    pthread_t thread;
    unsigned index;
};

struct pool {
    unsigned n_threads, n_started; /* n_started: threads to join, without the caller */
    struct worker *workers;        /* [n_threads] */
    unsigned char *scratch;        /* [n_threads, POOL_SCRATCH] */
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    bool has_lock;
    /* Changed under the lock, looked at without it too. */
    atomic_bool open, quit;
    atomic_uint joined;
    atomic_ulong generation;
    void (*run)(void *user, size_t task, unsigned worker);
    void *user;
    size_t n_tasks;
    atomic_size_t next;
};

static void work(struct pool *pool, unsigned index)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (task >= pool->n_tasks)
            return;
        pool->run(pool->user, task, index);
    }
}

static void breathe(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

static bool is_called(struct pool *pool, unsigned long seen)
{
    return pool->quit || (pool->open && pool->generation != seen);
}

/* Waits for a run after the one that was seen; false when it was over before this worker came. */
static bool join_run(struct pool *pool, unsigned long *seen)
{
    bool called = false;

    for (unsigned i = 0; i < LOOKS && !called; i++) {
        called = is_called(pool, *seen);
        breathe();
    }
    pthread_mutex_lock(&pool->lock);
    while (!called && !is_called(pool, *seen))
        pthread_cond_wait(&pool->wake, &pool->lock);
    called = !pool->quit && is_called(pool, *seen);
    if (called) {
        *seen = pool->generation;
        pool->joined++;
    }
    pthread_mutex_unlock(&pool->lock);
    return called;
}

static void leave_run(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (--pool->joined == 0)
        pthread_cond_signal(&pool->idle);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    unsigned long seen = 0;

    while (!pool->quit)
        if (join_run(pool, &seen)) {
            work(pool, worker->index);
            leave_run(pool);
        }
    return NULL;
}

/* Closes the run; those who joined it finish. */
static void end_run(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < LOOKS && pool->joined; i++)
        breathe();
    if (!pool->joined)
        return;
    pthread_mutex_lock(&pool->lock);
    while (pool->joined)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* Signals that ask the program to stop are the main thread's; faults stay with the thread that made them. */
static int start_worker(struct worker *worker)
{
    sigset_t blocked, old;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    int failure = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failure;
}

static bool pool_lock_init(struct pool *pool)
{
    if (pthread_mutex_init(&pool->lock, NULL))
        return false;
    if (pthread_cond_init(&pool->wake, NULL)) {
        pthread_mutex_destroy(&pool->lock);
        return false;
    }
    if (pthread_cond_init(&pool->idle, NULL)) {
        pthread_cond_destroy(&pool->wake);
        pthread_mutex_destroy(&pool->lock);
        return false;
    }
    pool->has_lock = true;
    return true;
}

bool pool_new(unsigned n_threads, struct pool **out, struct error *err)
{
    if (n_threads == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n_threads = online > 0 ? (unsigned)online : 1;
    }
    struct pool *pool = memory_zeroed(1, sizeof *pool);
    if (!pool)
        return error_memory(err, "starting threads");
    pool->n_threads = n_threads;
    pool->workers = memory_zeroed(n_threads, sizeof *pool->workers);
    pool->scratch = memory_aligned(n_threads, POOL_SCRATCH);
    if (!pool->workers || !pool->scratch || !pool_lock_init(pool)) {
        pool_free(pool);
        return error_memory(err, "starting threads");
    }
    for (unsigned i = 1; i < n_threads; i++) {
        pool->workers[i] = (struct worker){.pool = pool, .index = i};
        if (start_worker(&pool->workers[i])) {
            pool_free(pool);
            return error_set(err, ERROR_IO, "cannot start thread %u of %u", i + 1, n_threads);
        }
        pool->n_started++;
    }
    *out = pool;
    return true;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    if (pool->has_lock) {
        pthread_mutex_lock(&pool->lock);
        pool->quit = true;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
        for (unsigned i = 1; i <= pool->n_started; i++)
            pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->idle);
        pthread_cond_destroy(&pool->wake);
        pthread_mutex_destroy(&pool->lock);
    }
    free(pool->scratch);
    free(pool->workers);
    free(pool);
}

unsigned pool_threads(const struct pool *pool)
{
    return pool->n_threads;
}

void pool_run(struct pool *pool, size_t n_tasks, void (*run)(void *user, size_t task, unsigned worker),
              void *user)
{
    if (pool->n_threads == 1 || n_tasks < 2) {
        for (size_t task = 0; task < n_tasks; task++)
            run(user, task, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->run = run;
    pool->user = user;
    pool->n_tasks = n_tasks;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->generation++;
    pool->open = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    work(pool, 0);
    end_run(pool);
}

void *pool_scratch(struct pool *pool, unsigned worker)
{
    return pool->scratch + (size_t)worker * POOL_SCRATCH;
}
