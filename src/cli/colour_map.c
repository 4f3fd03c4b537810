/* Straight lines in Oklab between anchors whose lightness is evenly spaced, so that equal steps of the number
 * are equal steps of lightness. Source of Oklab and its matrices: B. Ottosson, "A perceptual color space for
 * image processing" (2020), public domain.
 */
#include "colour_map.h"

#include <math.h>
#include <stddef.h>

struct oklab {
    double lightness, a, b;
};

static const struct oklab anchors[] = {
    {.26, .070, -.075},   /* violet */
    {.43, .000, -.125},   /* blue */
    {.595, -.075, -.025}, /* teal */
    {.765, -.120, .110},  /* green */
    {.93, -.040, .180},   /* yellow */
};
enum { ANCHORS = sizeof anchors / sizeof *anchors };

static uint8_t channel(double linear)
{
    double x = linear <= 0 ? 0 : linear <= .0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - .055;
    return (uint8_t)(x >= 1 ? 255 : x * 255 + .5);
}

static struct rgb to_rgb(struct oklab c)
{
    double l = c.lightness + .3963377774 * c.a + .2158037573 * c.b;
    double m = c.lightness - .1055613458 * c.a - .0638541728 * c.b;
    double s = c.lightness - .0894841775 * c.a - 1.2914855480 * c.b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (struct rgb){
        .red = channel(4.0767416621 * l - 3.3077115913 * m + .2309699292 * s),
        .green = channel(-1.2684380046 * l + 2.6097574011 * m - .3413193965 * s),
        .blue = channel(-.0041960863 * l - .7034186147 * m + 1.7076147010 * s),
    };
}

struct rgb colour_map(double fraction)
{
    double x = (fraction > 0 ? fraction < 1 ? fraction : 1 : 0) * (ANCHORS - 1);
    size_t i = x >= ANCHORS - 1 ? ANCHORS - 2 : (size_t)x;
    const struct oklab *p = &anchors[i], *q = p + 1;
    double t = x - (double)i;
    return to_rgb((struct oklab){.lightness = p->lightness + t * (q->lightness - p->lightness),
                                 .a = p->a + t * (q->a - p->a),
                                 .b = p->b + t * (q->b - p->b)});
}

struct rgb colour_of_text(struct rgb background)
{
    unsigned luma = 299u * background.red + 587u * background.green + 114u * background.blue;
    return luma > 128000 ? (struct rgb){0, 0, 0} : (struct rgb){255, 255, 255};
}

/* A path through the cube of xterm's colours that grows lighter with each step. */
static const struct terminal_colour ramp[] = {
    {17, 231}, {53, 231}, {54, 231}, {55, 231}, {25, 231}, {31, 231}, {36, 16},
    {72, 16},  {77, 16},  {113, 16}, {149, 16}, {185, 16}, {221, 16}, {227, 16},
};

struct terminal_colour colour_of_terminal(double fraction)
{
    enum { STEPS = sizeof ramp / sizeof *ramp };
    double x = fraction > 0 ? fraction < 1 ? fraction : 1 : 0;
    return ramp[(size_t)(x * (STEPS - 1) + .5)];
}
