#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "utf8.h"

enum { GAP = 2, NARROWEST = 12 };

void table_init(struct table *table, const char *align)
{
    *table = (struct table){.align = align};
}

void table_cell(struct table *table, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof small) {
        str_append_bytes(&table->text, small, (size_t)n + 1);
    } else {
        char *large = NULL;
        va_start(args, format);
        n = vasprintf(&large, format, args);
        va_end(args);
        if (n < 0)
            table->text.failed = true;
        else
            str_append_bytes(&table->text, large, (size_t)n + 1);
        if (n >= 0)
            free(large);
    }
    table->n_cells++;
}

void table_cell_text(struct table *table, const char *bytes, size_t n)
{
    str_append_escaped(&table->text, bytes, n);
    str_append_bytes(&table->text, "", 1);
    table->n_cells++;
}

/* Widest cell of every column; the last column's trailing spaces are never printed. */
static void measure(const struct table *table, size_t n_columns, size_t *widths)
{
    const char *p = table->text.data;
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t n = strlen(p), columns = text_columns(p, n);
        if (columns > widths[i % n_columns])
            widths[i % n_columns] = columns;
        p += n + 1;
    }
}

static void shrink(const struct table *table, size_t n_columns, size_t *widths, size_t limit)
{
    size_t total = GAP * (n_columns - 1), widest = n_columns;
    for (size_t c = 0; c < n_columns; c++) {
        total += widths[c];
        if (table->align[c] != 'r' && (widest == n_columns || widths[c] > widths[widest]))
            widest = c;
    }
    if (total <= limit || widest == n_columns)
        return;
    size_t excess = total - limit;
    widths[widest] = widths[widest] > excess + NARROWEST ? widths[widest] - excess : NARROWEST;
}

/* Moves past the characters at the start that are too many for `columns`. */
static const char *skip_to_fit(const char *cell, size_t *n, size_t columns)
{
    uint32_t code;
    while (*n && text_columns(cell, *n) > columns) {
        size_t length = utf8_decode(cell, *n, &code);
        cell += length;
        *n -= length;
    }
    return cell;
}

static void print_cell(FILE *out, const char *cell, size_t width, char align, bool last, bool utf8)
{
    size_t n = strlen(cell);
    while (last && n && cell[n - 1] == ' ')
        n--;
    size_t columns = text_columns(cell, n);
    const char *mark = "";
    bool at_start = align == 'p', right = align == 'r';
    if (columns > width) {
        mark = utf8 ? "\u2026" : "~";
        if (at_start)
            cell = skip_to_fit(cell, &n, width - 1);
        else
            n = text_fit(cell, n, width - 1);
        columns = text_columns(cell, n) + 1;
    }
    int pad = columns < width ? (int)(width - columns) : 0;
    fprintf(out, "%*s%s%.*s%s%*s", right ? pad : 0, "", at_start ? mark : "", (int)n, cell,
            at_start ? "" : mark, right || last ? 0 : pad, "");
}

bool table_print(struct table *table, FILE *out, const struct terminal *terminal, struct error *err)
{
    size_t n_columns = strlen(table->align);
    size_t *widths = memory_zeroed(n_columns, sizeof *widths);
    if (table->text.failed || !widths) {
        free(widths);
        return error_memory(err, "printing a table");
    }
    measure(table, n_columns, widths);
    if (terminal->is_tty)
        shrink(table, n_columns, widths, terminal->width);
    const char *p = table->text.data;
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t c = i % n_columns;
        bool last = c + 1 == n_columns;
        if (i == 0)
            fputs(terminal_style(terminal, STYLE_BOLD), out);
        print_cell(out, p, widths[c], table->align[c], last, terminal->utf8);
        if (i + 1 == n_columns)
            fputs(terminal_style(terminal, STYLE_PLAIN), out);
        fputs(last ? "\n" : "  ", out);
        p += strlen(p) + 1;
    }
    free(widths);
    return true;
}

void table_release(struct table *table)
{
    if (table)
        str_release(&table->text);
}
