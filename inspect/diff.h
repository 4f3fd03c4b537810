/* Two checkpoints compared tensor by tensor, over any sharding and any dtypes that can be read. Tensors are
 * read from the maps in blocks, so models larger than memory work; figures are the same bits for any number
 * of threads. */
#ifndef LANCET_DIFF_H
#define LANCET_DIFF_H

#include "change_rank.h"
#include "str.h"

enum diff_status {
    DIFF_SAME_BYTES,  /* dtype and bytes are the same */
    DIFF_SAME_VALUES, /* the same numbers: another dtype, -0 for 0, another spelling of NaN */
    DIFF_ROUNDED,     /* one is the other, rounded to its dtype */
    DIFF_CHANGED,
    DIFF_SHAPE,
    DIFF_ONLY_A,
    DIFF_ONLY_B,
    DIFF_STATUSES
};

/* An element of which one side is NaN or infinite and the other side something else counts as changed, and is
 * left out of the norms and of the largest change. */
struct diff_figures {
    double norm_a, norm_b, norm_change; /* Frobenius norms of A, B, B - A */
    double relative_norm;               /* |B - A| / |A|; infinite where A is zero */
    double cosine;                      /* NaN where one of them is zero */
    double max_abs;                     /* largest |b - a| ... */
    uint64_t max_at;                    /* ... and its element, the first one */
    uint64_t changed;                   /* elements with b != a */
    uint64_t flips;                     /* of which the sign is another */
    uint64_t both_nan;                  /* elements that are NaN on both sides: taken for the same */
    uint64_t nonfinite;                 /* changed elements with a NaN or an infinity */
};

struct diff_tensor {
    const char *name;
    const struct tensor *a, *b; /* NULL: there is none */
    enum diff_status status;
    bool has_figures; /* CHANGED and ROUNDED only; not when a dtype cannot be read */
    struct diff_figures figures;
    bool has_rank; /* when it was asked for, CHANGED, and a matrix */
    struct change_rank rank;
};

struct diff {
    const struct checkpoint *a, *b;
    struct diff_tensor *tensors; /* sorted by name */
    size_t n;
    size_t counts[DIFF_STATUSES];
};

struct diff_options {
    bool (*wanted)(void *user, const char *name); /* NULL: every tensor */
    void *user;
    bool rank; /* find the rank of each change */
};

bool diff_run(const struct context *context, const struct checkpoint *a, const struct checkpoint *b,
              const struct diff_options *options, struct diff *out, struct error *err);
void diff_release(struct diff *diff);

/* "changed", "only in A": as the JSON spells it. */
const char *diff_status_name(enum diff_status status);
/* Whether all tensors are there on both sides with the same values. */
bool diff_identical(const struct diff *diff);
/* What it comes to, in one line for people. */
void diff_verdict(const struct diff *diff, struct str *out);

#endif
