/* What a stage looks for in a text: a string, or a regular expression (PCRE2 with its compiler). */
#ifndef LANCET_PATTERN_H
#define LANCET_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct match {
    uint32_t start, end;
    bool hit; /* false: the text between two matches */
};

struct match_list { /* a zeroed one is empty */
    struct match *items;
    size_t n, capacity;
};
bool match_list_add(struct match_list *list, size_t start, size_t end, bool hit, struct error *err);
void match_list_release(struct match_list *list);

struct pattern; /* immutable: several threads may use one */

/* `regex`: in Oniguruma's syntax. ERROR_UNSUPPORTED when it cannot be taken over, ERROR_FORMAT when it does
 * not compile. */
bool pattern_new(const char *text, size_t n, bool regex, struct pattern **out, struct error *err);
void pattern_free(struct pattern *pattern);

/* Puts matches and the gaps between them in order into *out (emptied first); together they are the whole
 * text, valid UTF-8. A match that takes too many steps is ERROR_UNSUPPORTED. */
bool pattern_find(const struct pattern *pattern, const char *text, size_t n, struct match_list *out,
                  struct error *err);

#endif
