/* What a long operation needs from its caller, passed down so that the library is silent and has no globals. */
#ifndef LANCET_CONTEXT_H
#define LANCET_CONTEXT_H

#include <signal.h>
#include <stdint.h>

#include "error.h"
#include "fs.h"
#include "pool.h"

struct context {
    const struct fs *fs;
    struct pool *pool; /* NULL only where nothing is computed */
    /* Progress of the operation `what`: done of total units (total 0: unknown). May be NULL. */
    void (*progress)(void *user, const char *what, uint64_t done, uint64_t total);
    void *progress_user;
    const volatile sig_atomic_t *cancel; /* non-zero: stop soon, with ERROR_CANCELLED. May be NULL. */
    /* Something that the user should know before it happens. May be NULL. */
    void (*note)(void *user, const char *sentence);
    void *note_user;
};

static inline void context_progress(const struct context *c, const char *what, uint64_t done, uint64_t total)
{
    if (c->progress)
        c->progress(c->progress_user, what, done, total);
}

static inline void context_note(const struct context *c, const char *sentence)
{
    if (c->note)
        c->note(c->note_user, sentence);
}

/* true to go on; false (ERROR_CANCELLED) once the flag is set. */
bool context_continue(const struct context *c, struct error *err);

#endif
