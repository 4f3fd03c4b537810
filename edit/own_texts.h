/* Texts of lancet's own, by script: what edits are made with and judged by. Versioned: a change of a list
 * changes what an edit writes, so it gets a new name. */
#ifndef LANCET_OWN_TEXTS_H
#define LANCET_OWN_TEXTS_H

#include "script.h"

struct own_texts {
    enum script script;
    const char *name;            /* "en/1" */
    const char *const *contexts; /* NULL-terminated; the first is empty */
    const char *const *held_out; /* other prefixes, NULL-terminated */
    const char *const *subjects; /* of many kinds, for the template of a request, NULL-terminated */
    const char *anchor;          /* what follows the subject in the row that the divergence is read from */
    const char *prose;           /* a few sentences, for perplexity */
};

const struct own_texts *own_texts_for(enum script script);

#endif
