/* One rank-one edit of one layer, in memory: rows -> keys and values -> target vector -> update -> overlay.
 */
#ifndef LANCET_RANK_ONE_H
#define LANCET_RANK_ONE_H

#include "objective.h"
#include "solve.h"

struct rank_one {
    size_t layer;
    struct subject_states states;
    struct target target;
    struct update update;
    double v0_norm, weight_norm; /* |v0|, |W|_F before this edit */
};

/* Computes; changes nothing. solver: of this layer. */
bool rank_one_compute(const struct context *context, const struct model *model, const struct edit_rows *rows,
                      size_t layer, const struct edit_method *method, const struct settings *settings,
                      const struct solver *solver, struct rank_one *out, struct error *err);
void rank_one_release(struct rank_one *edit);

/* Adds the update to the model's overlay. */
bool rank_one_apply(struct model *model, const struct rank_one *edit, struct error *err);

/* |W|_F of a layer's down projection, seen through `overlay` (NULL: as stored). */
bool site_norm(const struct model *model, size_t layer, const struct overlay *overlay, double *out,
               struct error *err);
/* (W' - W) k of a layer's down projection, [width], W' being seen through the model's overlay and W stored.
 */
bool site_change_along(const struct model *model, size_t layer, const double *key, double *out,
                       struct error *err);

#endif
