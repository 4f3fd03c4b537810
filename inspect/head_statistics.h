/* Figures that describe the attention map of one head. A[i][j] is the weight that query i gives to key j. */
#ifndef LANCET_HEAD_STATISTICS_H
#define LANCET_HEAD_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct head_map {
    const float *weights; /* A [n, n], masked 0 */
    size_t n;
    bool full;             /* a query sees every key, also those behind it (encoders) */
    size_t window;         /* keys that a query sees, itself included; 0: all before it */
    const uint32_t *ids;   /* [n] */
    const double *entropy; /* [n] of each row, head_row_entropy */
};

struct head_statistic {
    const char *name;    /* as in JSON and for --sort */
    const char *formula; /* in terms of A, H[i] (entropy of a row in nats), n, t (token ids) */
    const char *rows;    /* which queries it is about */
    const char *kind;    /* what a head with much of it is called; NULL: it is not listed by kind */
    double (*of)(const struct head_map *map); /* NAN where there is no such row */
};

enum { HEAD_STATISTICS = 16 };
extern const struct head_statistic head_statistics[HEAD_STATISTICS];

/* The statistic of that name; HEAD_STATISTICS: none. */
size_t head_statistic_named(const char *name);

double head_row_entropy(const float *row, size_t n);

#endif
