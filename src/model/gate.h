/* What is checked before a commit, for edits and merges alike. */
#ifndef LANCET_GATE_H
#define LANCET_GATE_H

#include <stdbool.h>
#include <stddef.h>

struct gate {
    const char *name; /* "finite", "target", "realised", "neighbours", "norm", "perplexity" */
    double value, limit;
    bool at_most; /* value <= limit passes; else value >= limit */
    bool passed;
};

enum { GATES_MAX = 32 };
struct gate_list {
    struct gate items[GATES_MAX];
    size_t n;
};

/* Adds a judged gate; NaN never passes. Returns whether it passed. */
bool gate_add(struct gate_list *list, const char *name, double value, double limit, bool at_most);
bool gate_all_passed(const struct gate_list *list);

#endif
