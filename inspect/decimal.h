/* Floats as decimal text, fast: what printf("%.*g") writes, digit for digit. */
#ifndef LANCET_DECIMAL_H
#define LANCET_DECIMAL_H

#include <stddef.h>

enum {
    DECIMAL_DIGITS = 9, /* significant ones at most; with 9 the text reads back as the same float */
    DECIMAL_LONGEST = 24
};

/* Writes a finite value with 1 to DECIMAL_DIGITS significant digits and without trailing zeros; returns the
 * length. `out` has DECIMAL_LONGEST bytes. There is no NUL at the end. */
size_t decimal_write(float value, unsigned digits, char *out);

#endif
