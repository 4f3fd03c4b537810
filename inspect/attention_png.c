/* A picture. Of one map: a large one, with the text of the tokens on both sides. Of several: a grid of small
 * ones, layers down, heads across.
 *
 * Colours go with the square root of a weight from 0 to 1, the same in every picture; scores go from the
 * least to the largest that is shown. What the mask hides is grey. Where a map has more tokens than pixels,
 * each pixel is the largest of several.
 */
#include <math.h>
#include <string.h>

#include "attention_head.h"
#include "attention_writers.h"
#include "font.h"
#include "memory.h"
#include "picture.h"
#include "size.h"

enum {
    MARGIN = 16,
    GAP = 6,
    BAR = 18,       /* width of the colour bar */
    BAR_MOST = 320, /* its height */
    TICK = 5,
    LARGEST_CELL = 44, /* one map */
    MAP_SIDE = 880,    /* ... with as large cells as this allows */
    MAP_MOST = 2048,
    LABEL_LETTERS = 16,
    GRID_SIDE = 72, /* a small map, about */
    GRID_GAP = 4,
    AXIS_SCALE = 2,
    AXIS = AXIS_SCALE * FONT_HEIGHT + GAP /* its name and what is free behind it */
};
static const struct rgb WHITE = {255, 255, 255}, INK = {32, 32, 36}, FAINT = {120, 120, 126},
                        MASKED = {232, 232, 235};

struct png_state {
    const struct attention_shown *shown;
    struct out_file *out;
    float *maps; /* [groups, maps, side, side] the largest of each square of `pool` tokens; masked: NAN */
    size_t pool, side;
    double low, high;
    struct picture picture;
};

static bool is_grid(const struct attention_shown *shown)
{
    return shown->n_groups * shown->n_maps > 1;
}

/* ---- values ---- */

static float *map_of(const struct png_state *s, size_t group, size_t map)
{
    return s->maps + (group * s->shown->n_maps + map) * s->side * s->side;
}

static struct rgb colour_of(const struct png_state *s, float value)
{
    if (isnan(value))
        return MASKED;
    if (!s->shown->scores)
        return colour_map(sqrt((double)value));
    return colour_map(s->high > s->low ? ((double)value - s->low) / (s->high - s->low) : 1);
}

static double estimate(const struct attention_shown *shown)
{
    double side =
        is_grid(shown) ? 80 : (double)(shown->n_tokens < MAP_MOST ? shown->n_tokens : MAP_MOST) + 400;
    return (double)shown->n_groups * (double)shown->n_maps * side * side;
}

static bool begin(const struct attention_shown *shown, struct out_file *out, void **state, struct error *err)
{
    size_t most = is_grid(shown) ? GRID_SIDE : MAP_MOST, n = shown->n_tokens, cells;
    struct png_state *s = memory_zeroed(1, sizeof *s);
    if (!s)
        return error_memory(err, "drawing attention");
    *state = s;
    *s = (struct png_state){.shown = shown, .out = out, .low = INFINITY, .high = -INFINITY};
    if (is_grid(shown) &&
        (double)shown->n_groups * (double)shown->n_maps * GRID_SIDE * GRID_SIDE > PICTURE_PIXELS)
        return error_set(err, ERROR_USAGE,
                         "a picture of %zu heads in %zu layers is too large: choose fewer "
                         "--layers or --heads",
                         shown->n_maps, shown->n_groups);
    s->pool = (n + most - 1) / most;
    s->side = (n + s->pool - 1) / s->pool;
    if (size_mul(s->side * s->side, shown->n_groups * shown->n_maps, &cells))
        s->maps = memory_array(cells, sizeof *s->maps);
    if (!s->maps)
        return error_memory(err, "drawing attention");
    for (size_t i = 0; i < cells; i++)
        s->maps[i] = NAN;
    return true;
}

static bool put_row(void *state, const struct attention_row *row, struct error *err)
{
    struct png_state *s = state;
    float *cells = map_of(s, row->group, row->map) + row->query / s->pool * s->side;
    (void)err;
    for (size_t key = row->begin; key < row->end; key++) {
        float value = row->weights[key], *cell = &cells[key / s->pool];
        if (!isfinite(value))
            continue;
        *cell = fmaxf(*cell, value);
        s->low = fmin(s->low, (double)value);
        s->high = fmax(s->high, (double)value);
    }
    return true;
}

/* ---- parts of a picture ---- */

static void write_text(struct png_state *s, const struct picture_text *how, const char *text)
{
    picture_write(&s->picture, how, text, strlen(text));
}

static size_t length_of(unsigned scale, const char *text)
{
    return picture_text_length(scale, text, strlen(text));
}

static void put_title(struct png_state *s, const char *title, const char *note)
{
    write_text(s, &(struct picture_text){.x = MARGIN, .y = MARGIN, .scale = 2, .colour = INK}, title);
    write_text(
        s,
        &(struct picture_text){.x = MARGIN, .y = MARGIN + 2 * FONT_HEIGHT + 2, .scale = 1, .colour = FAINT},
        note);
}

static size_t title_width(const char *title, const char *note)
{
    size_t large = length_of(2, title), small = length_of(1, note);
    return (large > small ? large : small) + 2 * MARGIN;
}
enum { TITLE_HEIGHT = MARGIN + 3 * FONT_HEIGHT + 2 + GAP };

static size_t bar_height(size_t map_height)
{
    return map_height < BAR_MOST ? map_height : BAR_MOST;
}

static void put_tick(struct png_state *s, size_t x, size_t y, size_t height, double fraction,
                     const char *text)
{
    size_t at = y + (size_t)((1 - fraction) * (double)(height - 1) + .5);
    picture_fill(&s->picture, x + BAR, at, TICK, 1, INK);
    write_text(s,
               &(struct picture_text){
                   .x = x + BAR + TICK + 3, .y = at - FONT_TOP - FONT_BODY / 2, .scale = 1, .colour = INK},
               text);
}
enum { BAR_WIDTH = BAR + TICK + 3 + 8 * FONT_WIDTH };

/* What colours mean. */
static void put_bar(struct png_state *s, size_t x, size_t y, size_t height)
{
    static const struct {
        double weight;
        const char *text;
    } ticks[] = {{0, "0"},      {.01, "1 %"}, {.05, "5 %"}, {.1, "10 %"},
                 {.25, "25 %"}, {.5, "50 %"}, {1, "100 %"}};
    for (size_t i = 0; i < height; i++)
        picture_fill(&s->picture, x, y + i, BAR, 1, colour_map(1 - (double)i / (double)(height - 1)));
    if (!s->shown->scores) {
        for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++)
            put_tick(s, x, y, height, sqrt(ticks[i].weight), ticks[i].text);
        return;
    }
    for (int i = 0; i <= 2; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.2f", s->low + i * (s->high - s->low) / 2);
        put_tick(s, x, y, height, i / 2., text);
    }
}

static void put_map(struct png_state *s, const float *map, size_t x, size_t y, size_t cell)
{
    for (size_t row = 0; row < s->side; row++)
        for (size_t column = 0; column < s->side; column++)
            picture_fill(&s->picture, x + column * cell, y + row * cell, cell, cell,
                         colour_of(s, map[row * s->side + column]));
}

static const char *model_name(const struct attention_shown *shown)
{
    return path_base(shown->opened->checkpoint->path);
}

/* ---- one map ---- */

struct sheet {               /* where the parts of one map are */
    size_t cell, x, y, side; /* pixels; the map's corner and width */
    unsigned scale;          /* of labels */
    size_t step;             /* every so many cells have one */
    size_t label;            /* pixels of the longest */
};

/* A token's text as a label: spaces at its ends are dots, the rest of a long one is "...". */
static void label_text(const struct attention_shown *shown, size_t token, struct str *out)
{
    const char *text = shown->labels[token];
    size_t n = strlen(text), room = LABEL_LETTERS * FONT_WIDTH, fit = picture_text_fit(1, text, n, room);
    if (fit < n)
        fit = picture_text_fit(1, text, n, room - FONT_WIDTH);
    for (size_t i = 0; i < fit; i++) {
        bool border = strspn(text, " ") > i || strspn(text + i, " ") == n - i;
        if (text[i] == ' ' && border)
            str_append(out, "\u00b7");
        else
            str_append_bytes(out, text + i, 1);
    }
    str_append(out, fit < n ? "\u2026" : "");
}

static size_t cell_pixels(const struct png_state *s)
{
    size_t cell = MAP_SIDE / s->side;
    return cell > LARGEST_CELL ? LARGEST_CELL : cell < 1 ? 1 : cell;
}

/* Every so many cells there is room for a label. */
static size_t label_step(size_t cell)
{
    return (FONT_HEIGHT - 1 + cell - 1) / cell;
}

static bool sheet_of(const struct png_state *s, struct sheet *out, struct error *err)
{
    struct sheet sheet = {.cell = cell_pixels(s)};
    bool ok = true;
    sheet.scale = sheet.cell >= 2 * (FONT_HEIGHT - 2) ? 2 : 1;
    sheet.step = label_step(sheet.cell);
    sheet.side = s->side * sheet.cell;
    for (size_t i = 0; ok && i < s->side; i += sheet.step) {
        struct str text = {0};
        label_text(s->shown, i * s->pool, &text);
        ok = !text.failed || error_memory(err, "drawing attention");
        size_t length = picture_text_length(sheet.scale, text.data ? text.data : "", text.length);
        sheet.label = length > sheet.label ? length : sheet.label;
        str_release(&text);
    }
    sheet.x = MARGIN + AXIS + sheet.label + GAP;
    sheet.y = TITLE_HEIGHT + AXIS + sheet.label + GAP;
    *out = sheet;
    return ok;
}

static bool put_labels(struct png_state *s, const struct sheet *sheet, struct error *err)
{
    size_t middle = (FONT_TOP + FONT_BODY / 2) * sheet->scale;
    bool ok = true;
    for (size_t i = 0; ok && i < s->side; i += sheet->step) {
        struct str text = {0};
        size_t centre = i * sheet->cell + sheet->cell / 2;
        label_text(s->shown, i * s->pool, &text);
        ok = !text.failed || error_memory(err, "drawing attention");
        size_t length = ok && text.data ? length_of(sheet->scale, text.data) : 0;
        if (length) {
            write_text(s,
                       &(struct picture_text){.x = sheet->x - GAP - length,
                                              .y = sheet->y + centre - middle,
                                              .scale = sheet->scale,
                                              .colour = INK},
                       text.data);
            write_text(s,
                       &(struct picture_text){.x = sheet->x + centre - middle,
                                              .y = sheet->y - GAP,
                                              .scale = sheet->scale,
                                              .upwards = true,
                                              .colour = INK},
                       text.data);
        }
        str_release(&text);
    }
    return ok;
}

/* Per cent in the cells, where they are large; what rounds to nothing is left out. */
static void put_numbers(struct png_state *s, const struct sheet *sheet)
{
    unsigned scale = sheet->cell >= 3 * 2 * FONT_WIDTH + 2 ? 2 : 1;
    if (sheet->cell < 4 * FONT_WIDTH)
        return;
    for (size_t i = 0; i < s->side * s->side; i++) {
        char text[32];
        float value = map_of(s, 0, 0)[i];
        if (isnan(value) || (!s->shown->scores && value < .005f))
            continue;
        if (s->shown->scores)
            snprintf(text, sizeof text, "%.1f", fabsf(value) < .05f ? 0. : (double)value); /* no "-0.0" */
        else
            snprintf(text, sizeof text, "%.0f", 100 * (double)value);
        unsigned fitting = s->shown->scores ? 1 : scale;
        size_t length = length_of(fitting, text) - fitting, height = FONT_BODY * fitting;
        if (length >= sheet->cell)
            continue;
        write_text(
            s,
            &(struct picture_text){.x = sheet->x + i % s->side * sheet->cell + (sheet->cell - length) / 2,
                                   .y = sheet->y + i / s->side * sheet->cell + (sheet->cell - height) / 2 -
                                        FONT_TOP * fitting,
                                   .scale = fitting,
                                   .colour = colour_of_text(colour_of(s, value))},
            text);
    }
}

/* The name of an axis, in the middle of `room` pixels from (x, y) on, to the right or downwards. */
static void put_axis(struct png_state *s, size_t x, size_t y, size_t room, bool down, const char *name)
{
    size_t length = length_of(AXIS_SCALE, name), start = room > length ? (room - length) / 2 : 0;
    write_text(s,
               &(struct picture_text){.x = down ? x : x + start,
                                      .y = down ? y + start + length : y,
                                      .scale = AXIS_SCALE,
                                      .upwards = down,
                                      .colour = FAINT},
               name);
}

static bool draw_one(struct png_state *s, const char *title, const char *note, struct error *err)
{
    struct sheet sheet;
    if (!sheet_of(s, &sheet, err))
        return false;
    size_t width = sheet.x + sheet.side + 2 * MARGIN + BAR_WIDTH, words = title_width(title, note);
    size_t bar = bar_height(sheet.side < 120 ? 120 : sheet.side);
    size_t height = sheet.y + (sheet.side > bar ? sheet.side : bar) + MARGIN;
    if (!picture_init(&s->picture, width > words ? width : words, height, WHITE, err))
        return false;
    put_title(s, title, note);
    put_map(s, map_of(s, 0, 0), sheet.x, sheet.y, sheet.cell);
    put_numbers(s, &sheet);
    put_bar(s, sheet.x + sheet.side + MARGIN, sheet.y, bar);
    put_axis(s, sheet.x, TITLE_HEIGHT, sheet.side, false, "key");
    put_axis(s, MARGIN, sheet.y, sheet.side, true, "query");
    return put_labels(s, &sheet, err);
}

/* ---- a grid ---- */

static void put_grid_labels(struct png_state *s, size_t x, size_t y, size_t side)
{
    const struct attention_shown *shown = s->shown;
    unsigned scale = side >= 40 ? 2 : 1;
    size_t middle = (FONT_TOP + FONT_BODY / 2) * scale;
    for (size_t i = 0; i < shown->n_groups; i++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", shown->layers[i]);
        write_text(s,
                   &(struct picture_text){.x = x - GAP - length_of(scale, text),
                                          .y = y + i * (side + GRID_GAP) + side / 2 - middle,
                                          .scale = scale,
                                          .colour = INK},
                   text);
    }
    for (size_t i = 0; i < shown->n_maps; i++) {
        char text[24];
        snprintf(text, sizeof text, "%zu", shown->heads[i]);
        const char *name = shown->average == AVERAGE_NONE ? text : "mean";
        size_t length = length_of(scale, name);
        write_text(
            s,
            &(struct picture_text){.x = x + i * (side + GRID_GAP) + (side > length ? (side - length) / 2 : 0),
                                   .y = y - GAP - FONT_HEIGHT * scale,
                                   .scale = scale,
                                   .colour = INK},
            name);
    }
}

static bool draw_grid(struct png_state *s, const char *title, const char *note, struct error *err)
{
    const struct attention_shown *shown = s->shown;
    size_t cell = GRID_SIDE / s->side, side = cell * s->side, pitch = side + GRID_GAP;
    size_t wide = shown->n_maps * pitch - GRID_GAP, tall = shown->n_groups * pitch - GRID_GAP;
    size_t x = MARGIN + AXIS + 4 * 2 * FONT_WIDTH, y = TITLE_HEIGHT + AXIS + 2 * FONT_HEIGHT + GAP;
    size_t bar = bar_height(tall < 120 ? 120 : tall);
    size_t width = x + wide + 2 * MARGIN + BAR_WIDTH, words = title_width(title, note);
    if (!picture_init(&s->picture, width > words ? width : words, y + (tall > bar ? tall : bar) + MARGIN,
                      WHITE, err))
        return false;
    put_title(s, title, note);
    put_grid_labels(s, x, y, side);
    put_axis(s, x, TITLE_HEIGHT, wide, false, "head");
    put_axis(s, MARGIN, y, tall, true, "layer");
    for (size_t group = 0; group < shown->n_groups; group++)
        for (size_t map = 0; map < shown->n_maps; map++)
            put_map(s, map_of(s, group, map), x + map * pitch, y + group * pitch, cell);
    put_bar(s, x + wide + MARGIN, y, bar);
    return true;
}

/* ---- */

static bool put_bytes(void *user, const void *bytes, size_t n, struct error *err)
{
    return out_file_put(user, bytes, n, err);
}

static bool end(void *state, struct error *err)
{
    struct png_state *s = state;
    const struct attention_shown *shown = s->shown;
    struct str title = {0}, note = {0}, name = {0};
    const struct picture_sink sink = {.put = put_bytes, .user = s->out};
    const char *model = model_name(shown);
    str_append_escaped(&name, model, strlen(model));
    str_printf(&title, "%s: ", name.data && !name.failed ? name.data : "");
    if (is_grid(shown))
        str_printf(&title, "%zu token%s", shown->n_tokens, shown->n_tokens == 1 ? "" : "s");
    else
        attention_title(shown, 0, 0, &title);
    str_append(&note, shown->scores ? "scores before softmax" : "attention weights");
    str_append(&note, " of queries (rows) to keys (columns); grey: masked");
    if (s->pool > 1)
        str_printf(&note, "; each dot is the largest of %zu x %zu tokens", s->pool, s->pool);
    size_t step = label_step(cell_pixels(s)) * s->pool;
    if (!is_grid(shown) && step > 1)
        str_printf(&note, "; one token in %zu has a label", step);
    bool ok = !(title.failed || note.failed || name.failed) || error_memory(err, "drawing attention");
    ok = ok && (is_grid(shown) ? draw_grid : draw_one)(s, title.data, note.data, err) &&
         picture_png(&s->picture, &sink, err);
    str_release(&title);
    str_release(&note);
    str_release(&name);
    return ok;
}

static void release(void *state)
{
    struct png_state *s = state;
    picture_release(&s->picture);
    free(s->maps);
    free(s);
}

const struct attention_writer attention_png = {
    .name = "png",
    .extension = ".png",
    .summary =
        "a picture: of one map with the text of the tokens, of several a grid, layers down and heads across",
    .binary = true,
    .estimate = estimate,
    .begin = begin,
    .row = put_row,
    .end = end,
    .free = release,
};
