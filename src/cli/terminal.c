#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include "utf8.h"

static unsigned detect_width(void)
{
    struct winsize size;
    unsigned width = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (!width) {
        const char *columns = getenv("COLUMNS");
        width = columns ? (unsigned)strtoul(columns, NULL, 10) : 0;
    }
    if (!width)
        return 80;
    return width < 20 ? 20 : width > 1000 ? 1000 : width;
}

/* By name, so that setlocale (and with it a decimal comma) is never needed. */
static bool detect_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static bool detect_color(enum color_choice choice, bool is_tty)
{
    if (choice != COLOR_AUTO)
        return choice == COLOR_ALWAYS;
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return is_tty && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

struct terminal terminal_detect(enum color_choice choice)
{
    bool is_tty = isatty(STDOUT_FILENO);
    return (struct terminal){
        .is_tty = is_tty,
        .color = detect_color(choice, is_tty),
        .utf8 = detect_utf8(),
        .width = detect_width(),
    };
}

const char *terminal_style(const struct terminal *terminal, enum style style)
{
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\x1b[0m", [STYLE_BOLD] = "\x1b[1m",   [STYLE_DIM] = "\x1b[2m",
        [STYLE_RED] = "\x1b[31m",  [STYLE_GREEN] = "\x1b[32m", [STYLE_YELLOW] = "\x1b[33m",
        [STYLE_BLUE] = "\x1b[34m", [STYLE_CYAN] = "\x1b[36m",
    };
    return terminal->color ? sequences[style] : "";
}

void text_print(FILE *out, const char *bytes, size_t n)
{
    char block[512];
    size_t used = 0, length;
    for (size_t i = 0; i < n;) {
        if (used > sizeof block - ESCAPED_LONGEST) {
            fwrite(block, 1, used, out);
            used = 0;
        }
        i += escape_character(bytes + i, n - i, block + used, &length);
        used += length;
    }
    fwrite(block, 1, used, out);
}

size_t text_columns(const char *bytes, size_t n)
{
    size_t columns = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(bytes + i, n - i, &code);
        columns += code == UTF8_BAD ? 1 : (size_t)utf8proc_charwidth((utf8proc_int32_t)code);
    }
    return columns;
}

size_t text_fit(const char *bytes, size_t n, size_t columns)
{
    size_t used = 0, i = 0;
    while (i < n) {
        uint32_t code;
        size_t length = utf8_decode(bytes + i, n - i, &code);
        used += code == UTF8_BAD ? 1 : (size_t)utf8proc_charwidth((utf8proc_int32_t)code);
        if (used > columns)
            break;
        i += length;
    }
    return i;
}

void text_wrap(struct str *out, const char *text, size_t width, size_t indent, size_t column)
{
    bool first = true;
    for (const char *p = text; *p;) {
        p += strspn(p, " \n");
        size_t n = strcspn(p, " \n");
        if (!n)
            break;
        size_t columns = text_columns(p, n);
        if (!first && column + 1 + columns > width) {
            str_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            str_append(out, " ");
            column++;
        }
        str_append_bytes(out, p, n);
        column += columns;
        first = false;
        p += n;
    }
}

void text_bar(struct str *out, const struct terminal *terminal, double fraction, unsigned columns)
{
    static const char *const eighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                          "\u258c", "\u258b", "\u258a", "\u2589"};
    double clamped = fraction > 0 ? fraction < 1 ? fraction : 1 : 0; /* NaN: empty */
    unsigned total = (unsigned)(clamped * columns * 8 + 0.5);
    unsigned full = terminal->utf8 ? total / 8 : (total + 4) / 8;
    for (unsigned i = 0; i < full; i++)
        str_append(out, terminal->utf8 ? "\u2588" : "#");
    if (terminal->utf8 && total % 8) {
        str_append(out, eighths[total % 8]);
        full++;
    }
    for (unsigned i = full; i < columns; i++)
        str_append(out, " ");
}

struct figure bytes_figure(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    struct figure figure;
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    int digits = unit && value < 99.5 ? value < 9.95 ? 2 : 1 : 0;
    snprintf(figure.text, sizeof figure.text, "%.*f %s", digits, value, units[unit]);
    return figure;
}

struct figure percent_figure(double fraction)
{
    struct figure figure;
    double percent = 100 * fraction;
    snprintf(figure.text, sizeof figure.text, fabs(percent) < 99.5 ? "%.2g %%" : "%.0f %%", percent);
    return figure;
}

void text_bytes(struct str *out, uint64_t bytes)
{
    str_append(out, bytes_figure(bytes).text);
}

void text_count(struct str *out, uint64_t n)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            str_append(out, ",");
        str_append_bytes(out, digits + i, 1);
    }
}
