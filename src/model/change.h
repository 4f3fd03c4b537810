/* The one place that goes from an overlay to rounded rows, to gates that judge exactly those bytes, to a
 * transaction or a new folder. edit, apply and merge call it. */
#ifndef LANCET_CHANGE_H
#define LANCET_CHANGE_H

#include "gate.h"
#include "model.h"
#include "transaction.h"

struct change_site { /* one tensor that changes */
    const struct tensor *tensor;
    bool transposed; /* stored [in, out] */
    const double
        *key; /* [in]: direction along which the change counts, for compensated rounding; NULL: plain */
    double relative_norm; /* out: |W' - W|_F / |W|_F of the rounded bytes */
    double realised;      /* out: share of the intended change at the key, (W' - W) key . a / a . a with
                             a = (wanted - W) key; 1 without a key, or when nothing was intended */
    double noise;         /* out: |W' - wanted|_F / |plain rounding - wanted|_F */
    bool compensated;     /* out: plain rounding missed the intended change at the key by more than 1 % */
};

/* Rounds the model's overlay (factors, deltas) of each site to storage bytes and puts those bytes back into
 * the overlay, so that every later pass reads exactly what would be written. W is what the file holds.
 * ERROR_NUMERIC on NaN or Inf, naming the tensor and the element. */
bool change_round(const struct context *context, struct model *model, struct change_site *sites,
                  size_t n_sites, struct error *err);

/* Writes what change_round made: in place, as one transaction ... */
bool change_commit(const struct context *context, struct checkpoint *checkpoint, const struct model *model,
                   const struct change_site *sites, size_t n_sites, const struct transaction_options *options,
                   uint32_t *number, struct error *err);
/* ... or into a new folder that is otherwise a copy of the checkpoint. */
bool change_output(const struct context *context, const struct checkpoint *checkpoint,
                   const struct model *model, const struct change_site *sites, size_t n_sites,
                   const char *directory, bool force, struct error *err);

#endif
