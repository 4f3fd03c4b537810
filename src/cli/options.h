/* From a table of option rows and a command line to checked values; popt does the parsing. */
#ifndef LANCET_OPTIONS_H
#define LANCET_OPTIONS_H

#include "arena.h"
#include "command.h"

struct option_value {
    const struct option_row *row;
    bool given;
    const char *text;  /* the last one given */
    const char **list; /* OPTION_LIST: all of them */
    size_t n_list, capacity;
};

struct option_values {
    const struct option_row *rows;
    struct option_value *items; /* one a row */
    size_t n;
    struct arena arena;
};

size_t option_rows_count(const struct option_row *rows); /* rows may be NULL */

bool option_values_new(const struct option_row *rows, struct option_values **out, struct error *err);
void option_values_free(struct option_values *values);

/* Reads argv[1 ..]. An option is looked for in the first set, then in the second (NULL: none). `stop`: the
 * first word that is no option ends the options, and everything from it on is left over, untouched. Leftovers
 * go to *args (in the arena of the first set), *n_args of them. ERROR_USAGE without a command's name: the
 * caller knows it. */
bool options_read(struct option_values *first, struct option_values *second, int argc, const char **argv,
                  bool stop, const char *const **args, unsigned *n_args, struct error *err);

/* The row must exist. */
const struct option_value *option_values_find(const struct option_values *values, const char *name);
/* What an option is worth: the text given, else the row's standard, else NULL. */
const char *option_value_text(const struct option_value *value);

/* "-k, --top K" */
void option_spelling(const struct option_row *row, struct str *out);

#endif
