/* Shell patterns on a command line that pick names: *, ? and [...]. */
#ifndef LANCET_GLOBS_H
#define LANCET_GLOBS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a name is like one of the patterns; without patterns every name is. */
bool globs_match(const char *const *globs, size_t n, const char *name);

#endif
