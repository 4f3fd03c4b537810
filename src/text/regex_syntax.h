/* Patterns in tokenizer files are written for Oniguruma (Ruby's syntax); this turns one into PCRE2's.
 *
 * What differs, and what becomes of it:
 *     \s \S           White_Space, without U+180E       explicit class
 *     \w \W           alphabetic, marks, Nd, Pc         explicit class
 *     \h \H           hexadecimal digits                explicit class
 *     (?m)            the dot matches newlines          (?s)
 *     ^ $             at every line                     PCRE2_MULTILINE
 *     X{n,m}+         the greedy repeat of a repeat     X+ for n = 1, X* for n = 0
 *     X{,n}           at most n                         X{0,n}
 *     \b              between \w and not \w             look-arounds
 *     [a[bc]]         union                             [abc]
 * ERROR_UNSUPPORTED: && in a class, a negated class or negated shorthand inside a class where PCRE2 has no
 * spelling, POSIX classes, callouts and verbs, other counts before +. */
#ifndef LANCET_REGEX_SYNTAX_H
#define LANCET_REGEX_SYNTAX_H

#include "error.h"
#include "str.h"

/* Appends the PCRE2 spelling of `pattern` to *out. */
bool regex_from_oniguruma(const char *pattern, size_t n, struct str *out, struct error *err);

#endif
