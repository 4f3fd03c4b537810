/* Pre-tokenizers: stages that cut the text into words, which the model never joins. */
#ifndef LANCET_PRETOKENIZE_H
#define LANCET_PRETOKENIZE_H

#include "encoding.h"

bool pretokenize(const struct stage_list *stages, struct encoding *e, struct error *err);

#endif
