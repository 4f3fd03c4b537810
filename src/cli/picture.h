/* A picture in memory: rectangles and text, and out as a PNG file. */
#ifndef LANCET_PICTURE_H
#define LANCET_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "colour_map.h"
#include "error.h"

struct picture {
    size_t width, height;
    struct rgb *pixels; /* [height, width] */
};

/* ERROR_USAGE when it would have more than PICTURE_PIXELS. */
#define PICTURE_PIXELS (96u << 20)
bool picture_init(struct picture *picture, size_t width, size_t height, struct rgb background,
                  struct error *err);
void picture_release(struct picture *picture);

/* What lies outside of the picture is cut off. */
void picture_fill(struct picture *picture, size_t x, size_t y, size_t width, size_t height,
                  struct rgb colour);

/* Text in the font of font.h, every dot `scale` pixels wide. */
struct picture_text {
    size_t x, y; /* upper left corner; of text that runs upwards: the lower left one */
    unsigned scale;
    bool upwards; /* turned by a quarter, to be read from below */
    struct rgb colour;
};
void picture_write(struct picture *picture, const struct picture_text *how, const char *bytes, size_t n);
/* How long it is, in pixels. */
size_t picture_text_length(unsigned scale, const char *bytes, size_t n);
/* Bytes of the longest prefix that is at most `length` pixels long. */
size_t picture_text_fit(unsigned scale, const char *bytes, size_t n, size_t length);

/* `put` gets the file in parts and returns false, with err set, when it fails. */
struct picture_sink {
    bool (*put)(void *user, const void *bytes, size_t n, struct error *err);
    void *user;
};
bool picture_png(const struct picture *picture, const struct picture_sink *sink, struct error *err);

#endif
