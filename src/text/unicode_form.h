/* The Unicode normalization forms (UAX 15), cluster by cluster so that origins stay fine-grained. */
#ifndef LANCET_UNICODE_FORM_H
#define LANCET_UNICODE_FORM_H

#include "aligned.h"

enum unicode_form { FORM_NFD = 0, FORM_NFC = 1, FORM_NFKD = 2, FORM_NFKC = 3 };

/* Appends bytes [start, end) of `from` in that form to `to`. */
bool unicode_form_append(enum unicode_form form, const struct aligned *from, size_t start, size_t end,
                         struct aligned *to, struct error *err);

#endif
