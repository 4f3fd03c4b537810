/* One map as text: a line for each query with its token, a cell for each key.
 *
 *     layer 0, head 1
 *                 0   1   2
 *     0 "The"   100             weights in per cent where there is room for them,
 *     1 " boy"   68  32         else shades alone, else cells of several tokens
 *     2 " took"  86   5   9
 *
 * Colours go with the square root of a weight, so that small ones are told apart; scores go from the least to
 * the largest. What the mask hides is left empty.
 */
#include <math.h>
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "colour_map.h"
#include "memory.h"
#include "size.h"

enum { LABEL_COLUMNS = 20, LEGEND = 28 };

struct terminal_state {
    const struct attention_shown *shown;
    struct out_file *out;
    float *map;       /* [n, n] masked: NAN */
    size_t pool;      /* tokens a side that a cell stands for */
    size_t n;         /* cells a side */
    unsigned cell;    /* columns of a cell */
    unsigned label;   /* columns of a label, its space included */
    bool stacked;     /* two rows a line, in half blocks */
    double low, high; /* of scores */
    struct str text;
};

/* ---- geometry ---- */

static size_t columns_of(const struct attention_shown *shown, size_t i)
{
    return text_columns(shown->labels[i], strlen(shown->labels[i]));
}

static unsigned digits_of(size_t n)
{
    unsigned digits = 1;
    while (n >= 10) {
        n /= 10;
        digits++;
    }
    return digits;
}

static size_t room(const struct terminal_state *s)
{
    size_t width = s->shown->terminal->width, used = s->label + 1;
    return width > used + 8 ? width - used : 8;
}

static void lay_out(struct terminal_state *s)
{
    const struct attention_shown *shown = s->shown;
    size_t n = shown->n_tokens, longest = 0, last = shown->first + n - 1;
    for (size_t i = 0; i < n; i++) {
        size_t columns = columns_of(shown, i);
        longest = columns > longest ? columns : longest;
    }
    s->label = digits_of(last) + 4 + (unsigned)(longest < LABEL_COLUMNS ? longest : LABEL_COLUMNS);
    unsigned numbers = shown->scores ? 6 : 4 > digits_of(last) + 1 ? 4 : digits_of(last) + 1;
    const unsigned cells[] = {numbers, 2, 1};
    for (size_t i = 0; i < 3; i++) {
        s->cell = cells[i];
        if (n * s->cell <= room(s))
            break;
    }
    s->pool = (n * s->cell + room(s) - 1) / room(s);
    s->n = (n + s->pool - 1) / s->pool;
    s->stacked = s->cell == 1 && shown->terminal->color && shown->terminal->utf8;
}

/* ---- values ---- */

/* The largest value of a cell; NAN where all of it is masked. */
static double value_of(const struct terminal_state *s, size_t row, size_t column)
{
    size_t n = s->shown->n_tokens;
    double most = NAN;
    for (size_t i = row * s->pool; i < (row + 1) * s->pool && i < n; i++)
        for (size_t j = column * s->pool; j < (column + 1) * s->pool && j < n; j++)
            most = fmax(most, (double)s->map[i * n + j]);
    return most;
}

static double fraction_of(const struct terminal_state *s, double value)
{
    if (!s->shown->scores)
        return sqrt(value);
    return s->high > s->low ? (value - s->low) / (s->high - s->low) : 1;
}

/* ---- drawing ---- */

static void put_background(struct str *text, double level)
{
    struct terminal_colour c = colour_of_terminal(level);
    str_printf(text, "\x1b[48;5;%u;38;5;%um", c.colour, c.text);
}

static const char *shade_of(const struct terminal *terminal, double level)
{
    static const char *const blocks[] = {"\u00b7", "\u2591", "\u2592", "\u2593", "\u2588"};
    static const char *const letters[] = {".", ":", "-", "=", "+", "*", "#", "%", "@"};
    size_t n = terminal->utf8 ? sizeof blocks / sizeof *blocks : sizeof letters / sizeof *letters;
    const char *const *shades = terminal->utf8 ? blocks : letters;
    return shades[(size_t)(level * (double)(n - 1) + .5)];
}

static void put_number(struct terminal_state *s, double value, unsigned columns)
{
    if (s->shown->scores)
        str_printf(&s->text, "%*.1f", (int)columns, value);
    else
        str_printf(&s->text, "%*.0f", (int)columns, 100 * value);
}

static void put_cell(struct terminal_state *s, size_t row, size_t column)
{
    const struct terminal *terminal = s->shown->terminal;
    double value = value_of(s, row, column);
    if (isnan(value)) {
        str_printf(&s->text, "%*s", (int)s->cell, "");
        return;
    }
    double level = fraction_of(s, value);
    unsigned number = s->cell > 2 ? s->cell - 1 : 0;
    if (terminal->color)
        put_background(&s->text, level);
    if (number)
        put_number(s, value, number);
    for (unsigned i = number; i < s->cell; i++)
        str_append(&s->text, terminal->color ? " " : number ? " " : shade_of(terminal, level));
    str_append(&s->text, terminal_style(terminal, STYLE_PLAIN));
}

/* Two cells over one another: the upper one is the block, the lower one what is behind it. */
static void put_stacked(struct terminal_state *s, size_t row, size_t column)
{
    double upper = value_of(s, row, column), lower = row + 1 < s->n ? value_of(s, row + 1, column) : NAN;
    if (isnan(upper) && isnan(lower)) {
        str_append(&s->text, " ");
        return;
    }
    if (!isnan(upper))
        str_printf(&s->text, "\x1b[38;5;%um", colour_of_terminal(fraction_of(s, upper)).colour);
    if (!isnan(lower))
        str_printf(&s->text, isnan(upper) ? "\x1b[38;5;%um" : "\x1b[48;5;%um",
                   colour_of_terminal(fraction_of(s, lower)).colour);
    str_append(&s->text, isnan(upper) ? "\u2584" : "\u2580");
    str_append(&s->text, terminal_style(s->shown->terminal, STYLE_PLAIN));
}

static void put_label(struct terminal_state *s, size_t row)
{
    const struct attention_shown *shown = s->shown;
    size_t i = row * s->pool, n = strlen(shown->labels[i]),
           fit = text_fit(shown->labels[i], n, LABEL_COLUMNS);
    const char *mark = fit == n ? "\"" : "~";
    bool quoted = shown->opened->tokenizer;
    struct str label = {0};
    str_printf(&label, "%*zu %s", (int)digits_of(shown->first + shown->n_tokens - 1), shown->first + i,
               quoted ? "\"" : "");
    str_append_bytes(&label, shown->labels[i], fit);
    str_append(&label, quoted ? mark : "");
    size_t columns = text_columns(label.failed || !label.data ? "" : label.data, label.length);
    str_append_bytes(&s->text, label.data, label.length);
    str_printf(&s->text, "%*s", columns < s->label ? (int)(s->label - columns) : 0, "");
    if (label.failed)
        s->text.failed = true;
    str_release(&label);
}

/* Positions of keys over their cells, where they fit; else of every tenth one. */
static void put_heading(struct terminal_state *s)
{
    const struct attention_shown *shown = s->shown;
    unsigned wide = digits_of(shown->first + shown->n_tokens - 1) + 1;
    size_t step = s->cell >= wide ? 1 : s->cell == 2 && wide <= 3 ? 2 : 10;
    size_t at = 0;
    str_printf(&s->text, "%*s", (int)s->label, "");
    for (size_t column = 0; column < s->n; column += step) {
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", shown->first + column * s->pool);
        size_t end = column * s->cell + (s->cell > 2 ? s->cell - 1 : (size_t)n);
        if (end > s->n * s->cell)
            break;
        str_printf(&s->text, "%*s", (int)(end - at), number);
        at = end;
    }
    str_append(&s->text, "\n");
}

static void put_title(struct terminal_state *s)
{
    const struct terminal *terminal = s->shown->terminal;
    str_append(&s->text, terminal_style(terminal, STYLE_BOLD));
    attention_title(s->shown, 0, 0, &s->text);
    str_append(&s->text, terminal_style(terminal, STYLE_PLAIN));
    str_append(&s->text, s->shown->scores ? ": scores before softmax"
                         : s->cell > 2    ? ": weights in per cent"
                                          : ": weights");
    str_append(&s->text, "; rows look at columns\n");
    if (s->pool > 1)
        str_printf(&s->text, "Each cell is the largest of %zu x %zu tokens.\n", s->pool, s->pool);
}

static void put_legend(struct terminal_state *s)
{
    const struct terminal *terminal = s->shown->terminal;
    char low[32] = "0", high[32] = "100 %";
    if (s->shown->scores) {
        snprintf(low, sizeof low, "%.1f", s->low);
        snprintf(high, sizeof high, "%.1f", s->high);
    }
    str_printf(&s->text, "\n%*s%s ", (int)s->label, "", low);
    for (unsigned i = 0; i < LEGEND; i++) {
        double level = (double)i / (LEGEND - 1);
        if (terminal->color)
            put_background(&s->text, level);
        str_append(&s->text, terminal->color ? " " : shade_of(terminal, level));
    }
    str_printf(&s->text, "%s %s%s\n", terminal_style(terminal, STYLE_PLAIN), high,
               s->shown->scores ? "" : " (a quarter of the way is 6 %, half 25 %)");
}

static void find_range(struct terminal_state *s)
{
    size_t n = s->shown->n_tokens;
    s->low = INFINITY;
    s->high = -INFINITY;
    for (size_t i = 0; i < n * n; i++)
        if (!isnan(s->map[i])) {
            s->low = fmin(s->low, (double)s->map[i]);
            s->high = fmax(s->high, (double)s->map[i]);
        }
}

/* ---- the writer ---- */

static double estimate(const struct attention_shown *shown)
{
    double width = shown->terminal->width;
    return width * width * 30;
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    size_t cells;
    struct terminal_state *s = memory_zeroed(1, sizeof *s);
    if (!s)
        return error_memory(err, "drawing attention");
    *state = s;
    *s = (struct terminal_state){.shown = shown, .out = out};
    if (size_mul(shown->n_tokens, shown->n_tokens, &cells))
        s->map = memory_array(cells, sizeof *s->map);
    return s->map || error_memory(err, "drawing attention");
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct terminal_state *s = state;
    size_t n = s->shown->n_tokens;
    (void)err;
    for (size_t key = 0; key < n; key++) {
        bool seen = key >= row->begin && key < row->end && isfinite(row->weights[key]);
        s->map[row->query * n + key] = seen ? row->weights[key] : NAN;
    }
    return true;
}

static void end_line(struct str *text)
{
    while (text->length && text->data[text->length - 1] == ' ')
        text->data[--text->length] = '\0';
    str_append(text, "\n");
}

static bool end(void *state, struct error *err)
{
    struct terminal_state *s = state;
    lay_out(s);
    find_range(s);
    put_title(s);
    put_heading(s);
    for (size_t row = 0; row < s->n; row += s->stacked ? 2 : 1) {
        put_label(s, row);
        for (size_t column = 0; column < s->n; column++)
            (s->stacked ? put_stacked : put_cell)(s, row, column);
        end_line(&s->text);
    }
    if (s->cell <= 2 || s->shown->terminal->color)
        put_legend(s);
    return s->text.failed ? error_memory(err, "drawing attention")
                          : out_file_put(s->out, s->text.data, s->text.length, err);
}

static void release(void *state)
{
    struct terminal_state *s = state;
    free(s->map);
    str_release(&s->text);
    free(s);
}

const struct attention_writer attention_terminal = {
    .name = "terminal",
    .extension = ".txt",
    .summary = "a heat map as text: of one head, or the mean of all that are chosen",
    .one_map = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = release,
};
