/* What a delta is judged by, on a model: the loss of target.h over the rows of an edit.
 *
 *     nll = mean over contexts and target tokens of -log p(target token)
 *     kl  = factor * sum p (log p - log p0)   at the subject's last token of the KL row, p0 the unedited
 * model's
 *
 * delta is added to the raw output of the MLP of `layer` at the subject's last token of every row, the KL row
 * included. Only positions from there on and layers from there up are run again, only the
 * scored logits are made. */
#ifndef LANCET_OBJECTIVE_H
#define LANCET_OBJECTIVE_H

#include "edit_rows.h"
#include "target.h"

struct objective;

/* Runs the unedited rows once. The rows must outlive it. */
bool objective_open(const struct context *context, const struct model *model, const struct edit_rows *rows,
                    size_t layer, double kl_factor, struct objective **out, struct error *err);
void objective_close(struct objective *objective);

/* For target_optimise. */
struct target_problem objective_problem(struct objective *objective);

/* Keys [n_contexts, f] and values [n_contexts, width] at the subject's last token; row 0 is the bare prompt.
 */
struct subject_states {
    size_t n_contexts, n_key, n_value;
    double *keys, *values;
    double *key_mean, *value_mean;
};
bool objective_states(const struct objective *objective, struct subject_states *out, struct error *err);
void subject_states_release(struct subject_states *states);

/* Mean -log p of the target under the model as it is: of the bare prompt, and the mean over all contexts. */
bool objective_nll(const struct context *context, const struct model *model, const struct edit_rows *rows,
                   double *bare, double *mean, struct error *err);

#endif
