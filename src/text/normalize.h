/* Normalizers: stages that change the text before it is cut into words. */
#ifndef LANCET_NORMALIZE_H
#define LANCET_NORMALIZE_H

#include "encoding.h"

bool normalize(const struct stage_list *stages, struct encoding *e, struct error *err);

#endif
