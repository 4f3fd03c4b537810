/* The rank of what changed between two tensors of one shape: an edit by ROME leaves a change of rank 1, a
 * merged LoRA one of its rank, a fine-tune one of full rank, each with the noise of rounding on top. Tensors
 * of more than two axes are matrices of the rows of the last one. */
#ifndef LANCET_CHANGE_RANK_H
#define LANCET_CHANGE_RANK_H

#include "checkpoint.h"

enum change_rank_kind {
    CHANGE_RANK_EXACT,   /* nothing is left beside the components */
    CHANGE_RANK_ROUNDED, /* what is left is no more than rounding leaves */
    CHANGE_RANK_FULL     /* no low rank accounts for it */
};

enum { CHANGE_RANK_VALUES = 8 };

struct change_rank {
    enum change_rank_kind kind;
    uint64_t rank;          /* FULL: the most that the change could have */
    uint64_t rows, columns; /* that hold a changed element */
    double share;           /* of the squared norm of the change in the components (FULL: in the first) */
    double noise;           /* norm of what they leave / what one rounding of every element would leave */
    double stable;          /* stable rank: squared norm / square of the largest singular value */
    double values[CHANGE_RANK_VALUES]; /* the largest singular values */
    size_t n_values;
};

/* Whether it has two sides longer than 1 and numbers that can be read. */
bool change_rank_applies(const struct tensor *a, const struct tensor *b);
/* A and B differ in finite elements. Elements that are not finite on one side count as unchanged. */
bool change_rank(const struct context *context, const struct tensor *a, const struct tensor *b,
                 struct change_rank *out, struct error *err);

#endif
