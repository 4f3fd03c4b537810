/* What every head of a prompt looks at: its statistics, and how much it sends from one word to another. */
#ifndef LANCET_HEADS_H
#define LANCET_HEADS_H

#include "attention_dump.h"
#include "head_statistics.h"

struct word {           /* a word of the prompt and the tokens that cover it */
    size_t start, end;  /* bytes */
    size_t first, last; /* tokens */
};

/* "it->book": where both are in the prompt. The word that looks is the last occurrence, the other one the
 * last before it; whole words are preferred to parts of words. ERROR_USAGE when there is none. */
struct word_pair {
    struct word from, to;
};
bool word_pair_find(const struct prompt *prompt, const char *text, struct word_pair *out, struct error *err);

struct head_report {
    size_t layer, head;
    double values[HEAD_STATISTICS];
    double sent; /* from the last token of `from` to all tokens of `to`; NAN without them */
};

struct head_reports {
    struct head_report *items; /* by layer and head */
    size_t n;
};

/* Of the layers and heads that are shown. `pair` may be NULL. */
bool heads_run(const struct context *context, const struct attention_shown *shown,
               const struct word_pair *pair, struct head_reports *out, struct error *err);
void head_reports_release(struct head_reports *reports);

/* *out: indices of all reports [n] by a statistic (HEAD_STATISTICS: by `sent`), largest first, equal ones by
 * layer and head, NAN last. Freed with free(). */
bool heads_rank(const struct head_reports *reports, size_t statistic, size_t **out, struct error *err);

#endif
