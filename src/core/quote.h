/* Names from files and from the user, made safe for sentences and terminals. */
#ifndef LANCET_QUOTE_H
#define LANCET_QUOTE_H

#include <stddef.h>

struct quoted {
    char text[256];
};

/* "NAME" with its quotes, escaped; a very long name is cut. Used where it is printed: quote(name).text. */
struct quoted quote(const char *name);
struct quoted quote_bytes(const char *bytes, size_t n);

#endif
