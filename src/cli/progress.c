#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double silence = 2, redraw_every = 0.1, line_every = 10;

struct progress progress_new(enum progress_choice choice, bool quiet, const struct terminal *terminal)
{
    bool is_tty = isatty(STDERR_FILENO);
    return (struct progress){
        .enabled = !quiet && (choice == PROGRESS_ALWAYS || (choice == PROGRESS_AUTO && is_tty)),
        .redraw = is_tty,
        .terminal = *terminal,
    };
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void append_duration(struct str *s, double seconds)
{
    unsigned long total = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 1000000000;
    if (total >= 3600)
        str_printf(s, "%lu:%02lu:%02lu", total / 3600, total / 60 % 60, total % 60);
    else
        str_printf(s, "%lu:%02lu", total / 60, total % 60);
}

static void draw(struct progress *p, uint64_t done, uint64_t total, double elapsed)
{
    struct str s = {0};
    double rate = (double)done / elapsed;
    str_append(&s, p->what);
    if (total) {
        double fraction = (double)done / (double)total;
        str_printf(&s, "  %3.0f %% ", 100 * (fraction < 1 ? fraction : 1));
        if (p->redraw && p->terminal.width >= 70) {
            str_append(&s, "[");
            text_bar(&s, &p->terminal, fraction, 20);
            str_append(&s, "]");
        }
    }
    str_printf(&s, "  %.3g/s", rate);
    if (total > done && done) {
        str_append(&s, "  ");
        append_duration(&s, (double)(total - done) / rate);
        str_append(&s, " left");
    }
    if (!s.failed)
        fprintf(stderr, p->redraw ? "\r\x1b[K%s" : "%s\n", s.data);
    p->shown = p->redraw;
    str_release(&s);
}

void progress_report(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct progress *p = user;
    if (!p->enabled)
        return;
    double t = now();
    if (strncmp(p->what, what, sizeof p->what - 1) != 0 || done < p->last_done) {
        progress_clear(p);
        snprintf(p->what, sizeof p->what, "%s", what);
        p->start = t;
        p->last = 0;
    }
    p->last_done = done;
    if (t - p->start < silence || t - p->last < (p->redraw ? redraw_every : line_every))
        return;
    p->last = t;
    draw(p, done, total, t - p->start);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\x1b[K", stderr);
    progress->shown = false;
}
