/* The table of edit methods. All are rank-one updates of the down projection W [d, f] of one layer:
 *
 *     u = C^-1 k / |C^-1 k|        r = e / (k' . u)        W += r u^T
 *
 * and differ in which key is k, which is k', and which change e of the output is asked for (docs/editing.md
 * 3). */
#ifndef LANCET_METHOD_H
#define LANCET_METHOD_H

#include <stdbool.h>
#include <stddef.h>

enum edit_key { EDIT_KEY_MEAN, EDIT_KEY_BARE };

struct edit_method {
    const char *name;
    const char *summary;
    const char *source;
    enum edit_key direction; /* k: gives u */
    enum edit_key division;  /* k': in the division */
    bool from_mean_value;    /* e = v* - mean value (else e = delta) */
    double least_cosine;     /* refuse when cos_C of the bare and the mean key is below; 0: never */
};

/* The first is the default. */
extern const struct edit_method edit_methods[];
extern const size_t n_edit_methods;
/* NULL when there is none. */
const struct edit_method *edit_method_find(const char *name);

#endif
