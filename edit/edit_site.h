/* Which layers can be edited. */
#ifndef LANCET_EDIT_SITE_H
#define LANCET_EDIT_SITE_H

#include "pass.h"

/* The layers that have one such tensor; returns how many. */
size_t edit_site_layers(const struct model *model, size_t out[CONFIG_MAX_LAYERS]);

/* A layer with experts has no one tensor that answers for a token: ERROR_UNSUPPORTED, naming the experts that
 * the token at `position` of the row goes to, with their weights and tensors. */
bool edit_site_check(const struct context *context, const struct model *model, const struct sequence *row,
                     size_t position, size_t layer, struct error *err);

#endif
