/*     layer  0 "The"     1 " capital"
 *         0   12 " boy"   55 " of"        probability in per cent, and what
 *         1   31 " man"   98 " of"
 *
 * Columns that do not fit into the width go below, with their layers again. On a terminal with colours a cell
 * has the colour of the square root of its probability. */
#include "lens_grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "colour_map.h"
#include "memory.h"
#include "size.h"

enum { TEXT_COLUMNS = 12, GAP = 2, NUMBER = 4 }; /* NUMBER: "100 " */

struct cell {
    char *text;
    double probability; /* NAN: a heading */
};

struct grid {
    const struct lens *lens;
    const struct opened *opened;
    const struct prompt *prompt;
    const struct terminal *terminal;
    size_t n_rows, n_columns; /* n_rows: with the heading */
    struct cell *cells;       /* [n_rows, n_columns] */
    unsigned *width;          /* [n_columns] without the gap */
};

/* ---- cells ---- */

/* The text of a token, cut where it is long. */
static bool token_cell(const struct grid *grid, uint32_t id, struct str *out, struct error *err)
{
    struct str text = {0};
    bool ok = token_show(grid->opened, id, &text, err);
    if (ok) {
        size_t fit = text_fit(text.data, text.length, TEXT_COLUMNS);
        str_append_bytes(out, text.data, fit);
        if (fit < text.length)
            str_append(out, "~");
    }
    str_release(&text);
    return ok;
}

static bool best_cell(const struct grid *grid, size_t row, size_t column, struct str *out,
                      double *probability, struct error *err)
{
    const struct lens *lens = grid->lens;
    bool one = lens->n_tokens == 1;
    const struct next_token *next = &lens_top(lens, row, one ? 0 : column)[one ? column : 0];
    *probability = next->probability;
    return token_cell(grid, next->id, out, err);
}

static bool target_cell(const struct grid *grid, size_t row, size_t column, struct str *out,
                        double *probability, struct error *err)
{
    const struct lens_target *target = lens_target(grid->lens, row, column);
    (void)err;
    *probability = target->probability;
    str_printf(out, "#%zu", target->rank);
    return true;
}

static bool position_heading(const struct grid *grid, size_t column, struct str *out, struct error *err)
{
    size_t position = grid->lens->first + column;
    str_printf(out, "%zu ", position);
    return token_cell(grid, grid->prompt->ids[position], out, err);
}

static bool rank_heading(const struct grid *grid, size_t column, struct str *out, struct error *err)
{
    (void)grid;
    (void)err;
    str_printf(out, "%*s#%zu", NUMBER, "", column + 1);
    return true;
}

struct grid_kind {
    bool (*heading)(const struct grid *grid, size_t column, struct str *out, struct error *err);
    bool (*cell)(const struct grid *grid, size_t row, size_t column, struct str *out, double *probability,
                 struct error *err);
};

static bool fill_cell(struct grid *grid, const struct grid_kind *kind, size_t row, size_t column,
                      struct error *err)
{
    struct cell *cell = &grid->cells[row * grid->n_columns + column];
    struct str text = {0};
    cell->probability = NAN;
    bool ok = row ? kind->cell(grid, row - 1, column, &text, &cell->probability, err)
                  : kind->heading(grid, column, &text, err);
    cell->text = str_take(&text);
    if (ok && !cell->text)
        ok = error_memory(err, "drawing a lens");
    if (!ok)
        return false;
    unsigned columns = (unsigned)text_columns(cell->text, strlen(cell->text)) + (row ? NUMBER : 0);
    grid->width[column] = columns > grid->width[column] ? columns : grid->width[column];
    return true;
}

static bool fill(struct grid *grid, const struct grid_kind *kind, struct error *err)
{
    size_t n;
    if (size_mul(grid->n_rows, grid->n_columns, &n))
        grid->cells = memory_zeroed(n, sizeof *grid->cells);
    grid->width = memory_zeroed(grid->n_columns, sizeof *grid->width);
    if (!grid->cells || !grid->width)
        return error_memory(err, "drawing a lens");
    for (size_t row = 0; row < grid->n_rows; row++)
        for (size_t column = 0; column < grid->n_columns; column++)
            if (!fill_cell(grid, kind, row, column, err))
                return false;
    return true;
}

static void grid_release(struct grid *grid)
{
    for (size_t i = 0; grid->cells && i < grid->n_rows * grid->n_columns; i++)
        free(grid->cells[i].text);
    free(grid->cells);
    free(grid->width);
}

/* ---- drawing ---- */

static void draw_cell(const struct grid *grid, const struct cell *cell, size_t width, bool last,
                      struct str *out)
{
    size_t used = text_columns(cell->text, strlen(cell->text));
    bool painted = grid->terminal->color && !isnan(cell->probability);
    if (painted) {
        struct terminal_colour c = colour_of_terminal(sqrt(cell->probability));
        str_printf(out, "\x1b[48;5;%u;38;5;%um", c.colour, c.text);
    }
    if (!isnan(cell->probability)) {
        str_printf(out, "%*.0f ", NUMBER - 1, 100 * cell->probability);
        used += NUMBER;
    }
    str_append(out, cell->text);
    if (!last || painted)
        str_printf(out, "%*s", (int)(width - used), "");
    if (painted)
        str_append(out, terminal_style(grid->terminal, STYLE_PLAIN));
    if (!last)
        str_printf(out, "%*s", GAP, "");
}

/* How many columns from `first` on fit beside the layers; at least one. */
static size_t columns_that_fit(const struct grid *grid, size_t first, unsigned label)
{
    size_t used = label, n = 0;
    while (first + n < grid->n_columns) {
        used += GAP + grid->width[first + n];
        if (n && used > grid->terminal->width)
            break;
        n++;
    }
    return n;
}

static void draw(const struct grid *grid, struct str *out)
{
    static const char heading[] = "layer";
    unsigned label = sizeof heading - 1;
    for (size_t first = 0, n; first < grid->n_columns; first += n) {
        n = columns_that_fit(grid, first, label);
        if (first)
            str_append(out, "\n");
        for (size_t row = 0; row < grid->n_rows; row++) {
            if (row)
                str_printf(out, "%*zu", (int)label, grid->lens->layers[row - 1]);
            else
                str_append(out, heading);
            str_printf(out, "%*s", GAP, "");
            for (size_t column = first; column < first + n; column++)
                draw_cell(grid, &grid->cells[row * grid->n_columns + column], grid->width[column],
                          column + 1 == first + n, out);
            str_append(out, "\n");
        }
    }
}

static bool draw_kind(struct grid grid, const struct grid_kind *kind, struct str *out, struct error *err)
{
    bool ok = fill(&grid, kind, err);
    if (ok)
        draw(&grid, out);
    grid_release(&grid);
    return ok;
}

static bool draw_all(const struct grid *grid, struct str *out, struct error *err)
{
    static const struct grid_kind best = {position_heading, best_cell}, ranked = {rank_heading, best_cell},
                                  target = {position_heading, target_cell};
    const struct lens *lens = grid->lens;
    bool one = lens->n_tokens == 1;
    struct grid first = *grid, second = *grid;
    first.n_columns = one ? lens->n_top : lens->n_tokens;
    second.n_columns = lens->n_tokens;
    if (one)
        str_printf(out, "what comes after token %zu, after each layer; probability in per cent\n",
                   lens->first);
    else
        str_append(out, "the most likely next token after each layer; probability in per cent\n");
    if (!draw_kind(first, one ? &ranked : &best, out, err))
        return false;
    if (!lens->targets)
        return true;
    str_append(out, "\nplace of ");
    if (!token_show(grid->opened, lens->target, out, err))
        return false;
    str_printf(out, " among %zu tokens; probability in per cent\n", grid->opened->model->config.vocabulary);
    return draw_kind(second, &target, out, err);
}

bool lens_draw(const struct lens *lens, const struct opened *opened, const struct prompt *prompt,
               const struct terminal *terminal, FILE *out, struct error *err)
{
    struct grid grid = {
        .lens = lens, .opened = opened, .prompt = prompt, .terminal = terminal, .n_rows = lens->n_layers + 1};
    struct str text = {0};
    bool ok = draw_all(&grid, &text, err);
    if (ok && text.failed)
        ok = error_memory(err, "drawing a lens");
    if (ok)
        fwrite(text.data, 1, text.length, out);
    str_release(&text);
    return ok;
}
