/* Progress on stderr of anything that takes longer than two seconds, with rate and time left: one line drawn
 * again and again on a terminal, a line now and then elsewhere. */
#ifndef LANCET_PROGRESS_H
#define LANCET_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "terminal.h"

enum progress_choice { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

struct progress {
    bool enabled, redraw; /* redraw: stderr is a terminal */
    bool shown;           /* a line stands there now */
    struct terminal terminal;
    char what[64];
    uint64_t last_done;
    double start, last; /* seconds: of this operation, of the last line */
};

/* AUTO: only when stderr is a terminal. */
struct progress progress_new(enum progress_choice choice, bool quiet, const struct terminal *terminal);
/* The callback of struct context; user is the struct progress. */
void progress_report(void *user, const char *what, uint64_t done, uint64_t total);
/* Takes the line away. */
void progress_clear(struct progress *progress);

#endif
