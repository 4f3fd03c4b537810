/* Pre-tokenizers: stages that cut the text into words, which the model never joins. */
#ifndef LANCET_PRETOKENIZE_H
#define LANCET_PRETOKENIZE_H

#include "encoding.h"

/* Appends a Split at a regular expression, matches and gaps being pieces. */
bool pretokenize_add_split(struct stage_list *list, const char *regex, struct error *err);

bool pretokenize(const struct stage_list *stages, struct encoding *e, struct error *err);

#endif
