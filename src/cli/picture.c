#include "picture.h"

#include <png.h>
#include <setjmp.h>
#include <utf8proc.h>

#include "font.h"
#include "memory.h"
#include "size.h"
#include "utf8.h"

_Static_assert(sizeof(struct rgb) == 3, "pixels are rows of libpng");

bool picture_init(struct picture *picture, size_t width, size_t height, struct rgb background,
                  struct error *err)
{
    size_t n;
    if (!size_mul(width, height, &n) || n > PICTURE_PIXELS)
        return error_set(err, ERROR_USAGE,
                         "the picture would have %zu x %zu pixels, more than can be looked at: show less",
                         width, height);
    struct rgb *pixels = memory_array(n, sizeof *pixels);
    if (!pixels)
        return error_memory(err, "drawing a picture");
    *picture = (struct picture){.width = width, .height = height, .pixels = pixels};
    picture_fill(picture, 0, 0, width, height, background);
    return true;
}

void picture_release(struct picture *picture)
{
    if (!picture)
        return;
    free(picture->pixels);
    *picture = (struct picture){0};
}

void picture_fill(struct picture *picture, size_t x, size_t y, size_t width, size_t height, struct rgb colour)
{
    if (x >= picture->width || y >= picture->height)
        return;
    size_t end_x = width < picture->width - x ? x + width : picture->width;
    size_t end_y = height < picture->height - y ? y + height : picture->height;
    for (size_t row = y; row < end_y; row++)
        for (size_t column = x; column < end_x; column++)
            picture->pixels[row * picture->width + column] = colour;
}

/* ---- text ---- */

/* A dot `along` the line and `down` from its top, both in pixels, `size` wide. */
static void dot(struct picture *picture, const struct picture_text *how, size_t along, size_t down,
                size_t size)
{
    if (!how->upwards)
        picture_fill(picture, how->x + along, how->y + down, size, size, how->colour);
    else if (how->y >= along + size)
        picture_fill(picture, how->x + down, how->y - along - size, size, size, how->colour);
}

static size_t cells_of(uint32_t code)
{
    struct glyph glyph;
    if (font_glyph(code, &glyph))
        return 1;
    return code > 0xffff || utf8proc_charwidth((utf8proc_int32_t)code) > 1 ? 2 : 1;
}

/* The code point in two lines of digits within a frame; only the frame where dots are one pixel. */
static void put_box(struct picture *picture, const struct picture_text *how, size_t at, uint32_t code)
{
    size_t width = cells_of(code) * FONT_WIDTH * how->scale - how->scale,
           height = (FONT_BODY + 2) * how->scale;
    size_t top = (FONT_TOP - 1) * how->scale;
    unsigned columns = code > 0xffff ? 3 : 2, n = 2 * columns;
    for (size_t i = 0; i < width; i++) {
        dot(picture, how, at + i, top, 1);
        dot(picture, how, at + i, top + height - 1, 1);
    }
    for (size_t i = 0; i < height; i++) {
        dot(picture, how, at, top + i, 1);
        dot(picture, how, at + width - 1, top + i, 1);
    }
    size_t across = columns * (FONT_DIGIT_WIDTH + 1) - 1, down = 2 * FONT_DIGIT_HEIGHT + 1;
    if (width < across + 2 || height < down + 2)
        return;
    size_t left = at + (width - across) / 2;
    top += (height - down) / 2;
    for (unsigned i = 0; i < n; i++) {
        uint16_t bits = font_digit(code >> 4 * (n - 1 - i));
        for (unsigned k = 0; k < FONT_DIGIT_WIDTH * FONT_DIGIT_HEIGHT; k++)
            if (bits >> (FONT_DIGIT_WIDTH * FONT_DIGIT_HEIGHT - 1 - k) & 1)
                dot(picture, how, left + i % columns * (FONT_DIGIT_WIDTH + 1) + k % FONT_DIGIT_WIDTH,
                    top + i / columns * (FONT_DIGIT_HEIGHT + 1) + k / FONT_DIGIT_WIDTH, 1);
    }
}

static void put_glyph(struct picture *picture, const struct picture_text *how, size_t at,
                      const struct glyph *glyph)
{
    for (size_t row = 0; row < FONT_HEIGHT; row++)
        for (size_t column = 0; column < FONT_WIDTH; column++)
            if (glyph->rows[row] >> (FONT_WIDTH - 1 - column) & 1)
                dot(picture, how, at + column * how->scale, row * how->scale, how->scale);
}

void picture_write(struct picture *picture, const struct picture_text *how, const char *bytes, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        struct glyph glyph;
        i += utf8_decode(bytes + i, n - i, &code);
        if (code == UTF8_BAD)
            code = 0xfffd;
        if (font_glyph(code, &glyph))
            put_glyph(picture, how, at, &glyph);
        else
            put_box(picture, how, at, code);
        at += cells_of(code) * FONT_WIDTH * how->scale;
    }
}

size_t picture_text_fit(unsigned scale, const char *bytes, size_t n, size_t length)
{
    size_t i = 0, used = 0;
    while (i < n) {
        uint32_t code;
        size_t bytes_of = utf8_decode(bytes + i, n - i, &code);
        used += cells_of(code == UTF8_BAD ? 0xfffd : code) * FONT_WIDTH * scale;
        if (used > length)
            break;
        i += bytes_of;
    }
    return i;
}

size_t picture_text_length(unsigned scale, const char *bytes, size_t n)
{
    size_t cells = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(bytes + i, n - i, &code);
        cells += cells_of(code == UTF8_BAD ? 0xfffd : code);
    }
    return cells * FONT_WIDTH * scale;
}

/* ---- PNG ---- */

struct png_job {
    const struct picture *picture;
    const struct picture_sink *sink;
    struct error *err;
    png_structp png;
    png_infop info;
    bool told; /* err is set */
};

static void on_error(png_structp png, png_const_charp message)
{
    struct png_job *job = png_get_error_ptr(png);
    if (!job->told)
        error_set(job->err, ERROR_IO, "libpng: %s", message);
    job->told = true;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    struct png_job *job = png_get_io_ptr(png);
    if (job->sink->put(job->sink->user, bytes, n, job->err))
        return;
    job->told = true;
    png_error(png, "cannot write");
}

static void on_flush(png_structp png)
{
    (void)png;
}

static bool write_rows(struct png_job *job)
{
    const struct picture *picture = job->picture;
    if (setjmp(png_jmpbuf(job->png)))
        return false;
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_IHDR(job->png, job->info, (png_uint_32)picture->width, (png_uint_32)picture->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    for (size_t row = 0; row < picture->height; row++)
        png_write_row(job->png, (png_const_bytep)(picture->pixels + row * picture->width));
    png_write_end(job->png, NULL);
    return true;
}

bool picture_png(const struct picture *picture, const struct picture_sink *sink, struct error *err)
{
    struct png_job job = {.picture = picture, .sink = sink, .err = err};
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    bool ok = job.info ? write_rows(&job) : error_memory(err, "drawing a picture");
    png_destroy_write_struct(&job.png, &job.info);
    return ok;
}
