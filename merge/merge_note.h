/* Whether a merge that was cut and the one that is to go on are the same. */
#ifndef LANCET_MERGE_NOTE_H
#define LANCET_MERGE_NOTE_H

#include "execute.h"

/* `then`: the record's (NULL: it has none), `now`: of this run, both by merge_note. ERROR_MISMATCH. */
bool merge_same_note(const char *then, const char *now, struct error *err);

#endif
