/* Two checkpoints compared tensor by tensor, over any sharding and any dtypes that can be read. Tensors are
 * read from the maps in blocks, so models larger than memory work; figures are the same bits for any number
 * of threads. */
#ifndef LANCET_DIFF_H
#define LANCET_DIFF_H

#include "change_rank.h"
#include "str.h"
#include "tensor_compare.h"

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

struct diff_tensor {
    const char *name;
    const struct tensor *a, *b; /* NULL: there is none */
    enum diff_status status;
    bool has_figures; /* CHANGED and ROUNDED only; not when a dtype cannot be read */
    struct tensor_comparison figures;
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
/* "NaN in B": what of changed elements the norms leave out; NULL: nothing. */
const char *diff_nonfinite_name(const struct tensor_comparison *figures);
/* Whether all tensors are there on both sides with the same values. */
bool diff_identical(const struct diff *diff);
/* What it comes to, in one line for people. */
void diff_verdict(const struct diff *diff, struct str *out);

#endif
