/* A lens as text: layers downwards; across, the positions with the token that is most likely there, or of one
 * position the most likely tokens. */
#ifndef LANCET_LENS_GRID_H
#define LANCET_LENS_GRID_H

#include <stdio.h>

#include "lens.h"
#include "terminal.h"

/* With a target, its place at every position is drawn below. */
bool lens_draw(const struct lens *lens, const struct opened *opened, const struct prompt *prompt,
               const struct terminal *terminal, FILE *out, struct error *err);

#endif
