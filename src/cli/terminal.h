/* What stdout can show: width, colours; text measured in columns. */
#ifndef LANCET_TERMINAL_H
#define LANCET_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "str.h"

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct terminal {
    bool is_tty;    /* stdout is a terminal */
    bool color;     /* escape sequences may be used on stdout */
    bool utf8;      /* box and bar characters may be used: a UTF-8 locale by name (LC_ALL, LC_CTYPE, LANG) */
    unsigned width; /* columns, 80 when unknown; at least 20 */
};

struct terminal terminal_detect(enum color_choice choice);

enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_BLUE,
    STYLE_CYAN
};
/* The escape sequence that begins a style (STYLE_PLAIN: that ends it); "" without colours. */
const char *terminal_style(const struct terminal *terminal, enum style style);

/* Prints foreign text as str_append_escaped escapes it; no memory is needed. */
void text_print(FILE *out, const char *bytes, size_t n);

/* Columns that UTF-8 text takes: wide characters (CJK, emoji) count 2, combining ones 0. */
size_t text_columns(const char *bytes, size_t n);
/* The longest prefix that takes at most `columns`; its bytes. */
size_t text_fit(const char *bytes, size_t n, size_t columns);
/* Text filled to the width, every line after the first indented by `indent`; `column` is where the first
 * begins. */
void text_wrap(struct str *out, const char *text, size_t width, size_t indent, size_t column);

/* A bar of `columns` columns, filled to fraction (clamped to [0, 1]) in eighths of a column. */
void text_bar(struct str *out, const struct terminal *terminal, double fraction, unsigned columns);

/* "1.5 GB" with decimal units; no memory is needed. Used where it is printed: bytes_figure(n).text. */
struct figure {
    char text[32];
};
struct figure bytes_figure(uint64_t bytes);
/* "0.42 %", "44 %", "130 %" with two digits, of a fraction. */
struct figure percent_figure(double fraction);
/* The same appended, and "134,515,008" with separators. */
void text_bytes(struct str *out, uint64_t bytes);
void text_count(struct str *out, uint64_t n);

#endif
