/* /proc/self/status, whose lines are "NAME:\t   VALUE kB". */
#include "resident.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

enum { INTERVAL = 10 * 1000 * 1000 }; /* ns */

struct resident_watch {
    int status; /* -1: there is none */
    uint64_t peak;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool started, quit;
};

static uint64_t line_bytes(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

/* With the lock held. */
static void look(struct resident_watch *watch)
{
    char status[4096];
    ssize_t n = watch->status < 0 ? 0 : pread(watch->status, status, sizeof status - 1, 0);
    status[n > 0 ? n : 0] = '\0';
    uint64_t now = line_bytes(status, "\nRssAnon:") + line_bytes(status, "\nRssShmem:");
    if (now > watch->peak)
        watch->peak = now;
}

static void *watch_main(void *argument)
{
    struct resident_watch *watch = argument;
    struct timespec next;
    pthread_mutex_lock(&watch->lock);
    while (!watch->quit) {
        look(watch);
        clock_gettime(CLOCK_REALTIME, &next);
        next.tv_nsec += INTERVAL;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&watch->wake, &watch->lock, &next);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

/* Signals are for the main thread. */
static bool start(struct resident_watch *watch)
{
    sigset_t blocked, old;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    watch->started = pthread_create(&watch->thread, NULL, watch_main, watch) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return watch->started;
}

bool resident_watch_new(struct resident_watch **out, struct error *err)
{
    struct resident_watch *watch = memory_zeroed(1, sizeof *watch);
    if (!watch)
        return error_memory(err, "watching memory");
    pthread_mutex_init(&watch->lock, NULL); /* these two cannot fail without attributes */
    pthread_cond_init(&watch->wake, NULL);
    watch->status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (watch->status >= 0 && !start(watch)) {
        resident_watch_free(watch);
        return error_set(err, ERROR_IO, "cannot start a thread");
    }
    *out = watch;
    return true;
}

uint64_t resident_watch_peak(struct resident_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    look(watch);
    uint64_t peak = watch->peak;
    pthread_mutex_unlock(&watch->lock);
    return peak;
}

void resident_watch_free(struct resident_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->quit = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
    if (watch->started)
        pthread_join(watch->thread, NULL);
    if (watch->status >= 0)
        close(watch->status);
    pthread_cond_destroy(&watch->wake);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}
