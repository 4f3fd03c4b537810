#include "suite.h"

#include <png.h>
#include <string.h>

#include "font.h"
#include "picture.h"

static struct error err;
static const struct rgb white = {255, 255, 255}, black = {0, 0, 0}, red = {255, 0, 0};

static bool same(struct rgb a, struct rgb b)
{
    return a.red == b.red && a.green == b.green && a.blue == b.blue;
}

static size_t count(const struct picture *p, struct rgb colour)
{
    size_t n = 0;
    for (size_t i = 0; i < p->width * p->height; i++)
        n += same(p->pixels[i], colour);
    return n;
}

START_TEST(every_letter_is_drawn_and_no_two_alike)
{
    struct glyph seen[0x180];
    size_t n = 0;
    for (uint32_t code = ' '; code <= 0x17f; code++) {
        struct glyph glyph;
        bool there = font_glyph(code, &glyph);
        if (code < 0x7f)
            ck_assert(there);
        if (!there || code == 0xa0 || code == 0x131)
            continue;
        for (size_t i = 0; i < n; i++)
            ck_each(memcmp(&seen[i], &glyph, sizeof glyph) != 0, "U+%04X looks like another", (unsigned)code);
        for (size_t row = 0; row < FONT_HEIGHT; row++)
            ck_each(glyph.rows[row] < 1 << FONT_WIDTH && !(glyph.rows[row] & 1), "U+%04X fills its gap",
                    (unsigned)code);
        seen[n++] = glyph;
    }
    ck_assert_uint_gt(n, 180);
}
END_TEST

START_TEST(other_letters_are_not)
{
    static const uint32_t codes[] = {0x416, 0x4e16, 0x1f600, 0xac00, 0x1e69, 0};
    struct glyph glyph;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        ck_assert_msg(!font_glyph(codes[i], &glyph) || codes[i] == 0x1e69, "U+%04X", (unsigned)codes[i]);
}
END_TEST

START_TEST(digits_of_boxes_differ)
{
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < i; k++)
            ck_assert_uint_ne(font_digit(i), font_digit(k));
}
END_TEST

START_TEST(rectangles_are_cut_off)
{
    struct picture p;
    ck_assert(picture_init(&p, 10, 6, white, &err));
    picture_fill(&p, 8, 4, 100, SIZE_MAX, red);
    ck_assert_uint_eq(count(&p, red), 4);
    picture_fill(&p, 10, 0, 1, 1, red);
    picture_fill(&p, 0, 6, 1, 1, red);
    ck_assert_uint_eq(count(&p, red), 4);
    ck_assert(same(p.pixels[5 * 10 + 9], red) && same(p.pixels[3 * 10 + 9], white));
    picture_release(&p);
    ck_assert(!picture_init(&p, 1 << 20, 1 << 20, white, &err));
    ck_assert_int_eq(err.kind, ERROR_USAGE);
}
END_TEST

/* Turned text has as many dots, each at its place. */
START_TEST(text_runs_upwards)
{
    enum { SIDE = 40 };
    static const char text[] = "Lj\xc3\xa9\xe4\xb8\x96"; /* the last is a box */
    struct picture along, up;
    ck_assert(picture_init(&along, SIDE, SIDE, white, &err) && picture_init(&up, SIDE, SIDE, white, &err));
    picture_write(&along, &(struct picture_text){.x = 0, .y = 3, .scale = 1, .colour = black}, text,
                  strlen(text));
    picture_write(&up,
                  &(struct picture_text){.x = 3, .y = SIDE, .scale = 1, .upwards = true, .colour = black},
                  text, strlen(text));
    ck_assert_uint_gt(count(&along, black), 30);
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++)
            ck_each(same(along.pixels[y * SIDE + x], up.pixels[(SIDE - 1 - x) * SIDE + y]), "%zu, %zu", x, y);
    picture_release(&along);
    picture_release(&up);
}
END_TEST

START_TEST(lengths)
{
    static const char wide[] = "a\xe4\xb8\x96z"; /* a wide character takes two cells */
    ck_assert_uint_eq(picture_text_length(2, "abc", 3), 3 * 2 * FONT_WIDTH);
    ck_assert_uint_eq(picture_text_length(1, wide, 5), 4 * FONT_WIDTH);
    ck_assert_uint_eq(picture_text_length(1, "\xff", 1), FONT_WIDTH);
    ck_assert_uint_eq(picture_text_fit(1, wide, 5, 2 * FONT_WIDTH), 1);
    ck_assert_uint_eq(picture_text_fit(1, wide, 5, 3 * FONT_WIDTH), 4);
    ck_assert_uint_eq(picture_text_fit(1, wide, 5, 100), 5);
}
END_TEST

/* ---- PNG ---- */

struct file {
    unsigned char bytes[1 << 16];
    size_t n, limit;
};

static bool put(void *user, const void *bytes, size_t n, struct error *e)
{
    struct file *file = user;
    if (file->n + n > file->limit)
        return error_set(e, ERROR_IO, "the disk is full");
    memcpy(file->bytes + file->n, bytes, n);
    file->n += n;
    return true;
}

START_TEST(png_reads_back)
{
    struct picture p;
    struct file file = {.limit = sizeof file.bytes};
    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert(picture_init(&p, 33, 20, white, &err));
    for (size_t i = 0; i < 33 * 20; i++)
        p.pixels[i] = (struct rgb){(uint8_t)(i * 7), (uint8_t)(i * 13), (uint8_t)i};
    ck_assert(picture_png(&p, &(struct picture_sink){.put = put, .user = &file}, &err));
    ck_assert(png_image_begin_read_from_memory(&image, file.bytes, file.n));
    ck_assert(image.width == 33 && image.height == 20);
    image.format = PNG_FORMAT_RGB;
    struct rgb back[33 * 20];
    ck_assert(png_image_finish_read(&image, NULL, back, 0, NULL));
    ck_assert_mem_eq(back, p.pixels, sizeof back);
    picture_release(&p);
}
END_TEST

START_TEST(png_tells_of_a_full_disk)
{
    struct picture p;
    ck_assert(picture_init(&p, 33, 20, white, &err));
    for (size_t limit = 0; limit < 90; limit += 10) {
        struct file file = {.limit = limit};
        ck_assert(!picture_png(&p, &(struct picture_sink){.put = put, .user = &file}, &err));
        ck_assert_str_eq(err.text, "the disk is full");
    }
    picture_release(&p);
}
END_TEST

/* ---- colours ---- */

static int luma(struct rgb c)
{
    return 299 * c.red + 587 * c.green + 114 * c.blue;
}

START_TEST(colours_grow_lighter)
{
    int last = -1;
    for (int i = 0; i <= 256; i++) {
        int now = luma(colour_map(i / 256.));
        ck_each(now > last, "at %d", i);
        last = now;
    }
    ck_assert(same(colour_map(-1), colour_map(0)) && same(colour_map(2), colour_map(1)));
    ck_assert(same(colour_of_text(colour_map(0)), white) && same(colour_of_text(colour_map(1)), black));
}
END_TEST

/* xterm's cube: 16 + 36 r + 6 g + b. */
START_TEST(terminal_colours_grow_lighter)
{
    static const int levels[] = {0, 95, 135, 175, 215, 255};
    int last = -1, steps = 0;
    unsigned before = 0;
    for (int i = 0; i <= 1000; i++) {
        struct terminal_colour c = colour_of_terminal(i / 1000.);
        unsigned n = c.colour - 16u;
        if (c.colour == before)
            continue;
        before = c.colour;
        struct rgb rgb = {(uint8_t)levels[n / 36], (uint8_t)levels[n / 6 % 6], (uint8_t)levels[n % 6]};
        ck_assert_int_gt(luma(rgb), last);
        last = luma(rgb);
        ck_assert_uint_eq(c.text, luma(rgb) > 110000 ? 16 : 231);
        steps++;
    }
    ck_assert_int_eq(steps, 14);
    ck_assert_uint_eq(colour_of_terminal(-1).colour, colour_of_terminal(0).colour);
    ck_assert_uint_eq(colour_of_terminal(9).colour, colour_of_terminal(1).colour);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("picture");
    TCase *tc = tcase_create("picture");
    tcase_add_test(tc, every_letter_is_drawn_and_no_two_alike);
    tcase_add_test(tc, other_letters_are_not);
    tcase_add_test(tc, digits_of_boxes_differ);
    tcase_add_test(tc, rectangles_are_cut_off);
    tcase_add_test(tc, text_runs_upwards);
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, png_reads_back);
    tcase_add_test(tc, png_tells_of_a_full_disk);
    tcase_add_test(tc, colours_grow_lighter);
    tcase_add_test(tc, terminal_colours_grow_lighter);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
