/* Tables for people: columns as wide as their widest cell, wide characters counted as two. */
#ifndef LANCET_TABLE_H
#define LANCET_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "error.h"
#include "terminal.h"

struct table {
    const char *align; /* one letter a column: l left, p left and cut at its start (names that say
                          most at their end), r right; its length is the number of columns */
    struct str text;   /* cells, each with its NUL */
    size_t n_cells;
};

/* table_init(&t, "lrr"), then cells row by row, the first row being the heading. Memory running out is
 * remembered and told by table_print. */
void table_init(struct table *table, const char *align);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Foreign text: escaped for the terminal. */
void table_cell_text(struct table *table, const char *bytes, size_t n);
/* On a terminal the widest left column is cut where a line would not fit. */
bool table_print(struct table *table, FILE *out, const struct terminal *terminal, struct error *err);
void table_release(struct table *table);

#endif
