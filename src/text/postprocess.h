/* Post-processors: the tokens that go in front of a text and behind it. */
#ifndef LANCET_POSTPROCESS_H
#define LANCET_POSTPROCESS_H

#include "stage.h"

struct affix_ids {
    uint32_t *ids; /* [n], in the arena */
    size_t n;
};

/* What all stages together put before and after a text: each goes around what those before it made. */
bool postprocess_collect(const struct stage_list *stages, struct arena *arena, struct affix_ids *before,
                         struct affix_ids *after, struct error *err);

#endif
