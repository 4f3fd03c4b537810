/* The most likely next tokens of a row of logits. */
#ifndef LANCET_NEXT_H
#define LANCET_NEXT_H

#include <stddef.h>
#include <stdint.h>

#include "real.h"

struct next_token {
    uint32_t id;
    double logit, probability; /* softmax over the whole row, in f64 */
};

/* The k largest of logits [n], largest first, lowest id first among equals. out [k]; returns min(k, n). */
size_t next_tokens(const real *logits, size_t n, size_t k, struct next_token *out);

#endif
