/* A corpus in token ids: {"rows": [[ids], ...]}, used as they are (BOS, where there is one, is in them). */
#ifndef LANCET_ID_CORPUS_H
#define LANCET_ID_CORPUS_H

#include <stdint.h>

#include "context.h"

struct id_corpus {
    uint32_t **rows; /* [n] */
    size_t *lengths; /* [n] */
    size_t n, capacity;
};

/* Whether a file name asks for one: it ends in .json. */
bool id_corpus_named(const char *path);
bool id_corpus_read(const struct context *context, const char *path, struct id_corpus *out,
                    struct error *err);
void id_corpus_release(struct id_corpus *corpus);

#endif
