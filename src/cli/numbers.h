/* Lists of numbers on a command line: "1,2,3", with ranges "0,3-5" where they make sense. */
#ifndef LANCET_NUMBERS_H
#define LANCET_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct number_list {
    uint64_t *items; /* released with number_list_release */
    size_t n;
};

/* Numbers up to `limit`, commas or white space between them. `what` is for sentences ("--layers").
 * ERROR_USAGE. */
bool numbers_parse(const char *what, const char *text, bool ranges, uint64_t limit, struct number_list *out,
                   struct error *err);
void number_list_release(struct number_list *list);

/* One number, strictly: "1e3", "-0", "1.0", "0x1" are errors. */
bool number_parse_u64(const char *text, uint64_t *out);
/* Bytes: "1000", "512M", "1.5G" (powers of 1024, "GiB" too), "5GB" (powers of 1000). */
bool number_parse_bytes(const char *text, uint64_t *out);
/* A finite double, all of the text. */
bool number_parse_double(const char *text, double *out);

#endif
