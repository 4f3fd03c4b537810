/* Base64 (RFC 4648, with its padding). */
#ifndef LANCET_BASE64_H
#define LANCET_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the *n_out <= n / 4 * 3 bytes that n characters stand for to `out`; false when they are no base64.
 */
bool base64_decode(const char *text, size_t n, unsigned char *out, size_t *n_out);

#endif
