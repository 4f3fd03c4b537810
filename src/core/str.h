/* A growing string. The first failure is remembered in `failed`, so callers append freely and test once. */
#ifndef LANCET_STR_H
#define LANCET_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    char *data; /* NUL-terminated once anything was appended; NULL before */
    size_t length, capacity;
    bool failed; /* out of memory */
};

void str_append(struct str *s, const char *text);
void str_append_bytes(struct str *s, const void *bytes, size_t n);
void str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For terminals: control characters, DEL, invalid UTF-8, and bidirectional overrides as \n, \x1b, \u202e ...
 */
void str_append_escaped(struct str *s, const char *bytes, size_t n);
/* The same for the first character of n >= 1 bytes: how many of them it covers; *n_out bytes of `out` are
 * set. */
enum { ESCAPED_LONGEST = 16 };
size_t escape_character(const char *bytes, size_t n, char out[ESCAPED_LONGEST], size_t *n_out);
/* Characters that move the cursor, change the terminal, or reorder what the reader sees. */
bool character_is_harmful(uint32_t code);
void str_clear(struct str *s); /* keeps the memory */
void str_release(struct str *s);
/* The string (at least ""), owned by the caller from now on; NULL when it failed. s is empty afterwards. */
char *str_take(struct str *s);

#endif
