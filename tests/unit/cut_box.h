/* A change in a box whose process dies in the middle, as in a power cut. */
#ifndef LANCET_TEST_CUT_BOX_H
#define LANCET_TEST_CUT_BOX_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model_box.h"
#include "pool.h"

static int cut_calls_left;

/* By SIGKILL: nothing may run after it, neither handlers of the test's process nor valgrind's look at its
 * heap. */
static void cut_count(void)
{
    if (cut_calls_left-- == 0)
        kill(getpid(), SIGKILL);
}

static ssize_t cut_pwrite(void *state, int fd, const void *bytes, size_t n, off_t offset)
{
    cut_count();
    return fs_real()->pwrite(state, fd, bytes, n, offset);
}

static int cut_sync(void *state, int fd)
{
    cut_count();
    return fs_real()->sync(state, fd);
}

static int cut_rename(void *state, const char *from, const char *to)
{
    cut_count();
    return fs_real()->rename(state, from, to);
}

/* Does `work` in a process that dies at the n-th of these calls, from 0. Whether it did; if not, the work
 * must have succeeded. A forked process has none of the threads of the box's pool, so it gets its own. */
static bool box_cut(int n, bool (*work)(const struct context *context, const void *what), const void *what)
{
    pid_t child = fork();
    int status;

    ck_assert(child >= 0);
    if (child == 0) {
        struct fs fs = *fs_real();
        struct context context = box_context;
        fs.pwrite = cut_pwrite;
        fs.sync = cut_sync;
        fs.rename = cut_rename;
        context.fs = &fs;
        cut_calls_left = n;
        if (!pool_new(2, &context.pool, &box_error))
            _exit(2);
        _exit(work(&context, what) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    ck_assert_msg(killed || status == 0, "status %d", status);
    return killed;
}

#endif
