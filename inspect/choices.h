/* Which layers, heads and tokens of a model and a prompt a command shows. */
#ifndef LANCET_CHOICES_H
#define LANCET_CHOICES_H

#include <stddef.h>

#include "error.h"

/* "0,3-5" to ascending numbers below `n`, each once, malloc'ed; NULL: all of them. `option` and `thing`
 * ("--layers", "layer") are for sentences. ERROR_USAGE names what does not exist, and the range that does. */
bool choose_numbers(const char *option, const char *thing, const char *text, size_t n, size_t **out,
                    size_t *n_out, struct error *err);

/* "A:B" of n tokens, positions A to B - 1, either may be left out; NULL: all of them. */
bool choose_tokens(const char *text, size_t n, size_t *first, size_t *count, struct error *err);

#endif
