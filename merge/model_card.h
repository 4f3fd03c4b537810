/* The README.md of a merged model: front matter as Hugging Face reads it, the models with the SHA-256 of the
 * headers of their files, the recipe. */
#ifndef LANCET_MODEL_CARD_H
#define LANCET_MODEL_CARD_H

#include "plan.h"

/* `title`: the name of the output folder. *out is freed with free(). */
bool model_card(const struct merge_plan *plan, const struct recipe *recipe, const char *title, char **out,
                struct error *err);

#endif
