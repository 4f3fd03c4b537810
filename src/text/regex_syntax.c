#include "regex_syntax.h"

#include <string.h>

#include "quote.h"

#define SPACE                                                                                                \
    "\\t-\\r\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define LATIN_WORD                                                                                           \
    WORD "\\xb2\\xb3\\xb9\\xbc-\\xbe" /* Oniguruma: superscripts and fractions too, but not in a class */
#define HEX "0-9A-Fa-f"

static const struct shorthand {
    char letter;
    const char *outside, *in_class; /* in_class NULL: the negation has no spelling there */
} shorthands[] = {
    {'s', "[" SPACE "]", SPACE},      {'S', "[^" SPACE "]", NULL}, {'w', "[" LATIN_WORD "]", WORD},
    {'W', "[^" LATIN_WORD "]", NULL}, {'h', "[" HEX "]", HEX},     {'H', "[^" HEX "]", NULL},
};

struct translation {
    const char *pattern;
    size_t n, i;
    unsigned depth; /* of brackets */
    struct str *out;
    struct error *err;
};

static bool unsupported(struct translation *t, const char *what)
{
    return error_set(t->err, ERROR_UNSUPPORTED, "the pattern %s has %s, which lancet does not take over",
                     quote_bytes(t->pattern, t->n).text, what);
}

static char at(const struct translation *t, size_t ahead)
{
    return t->i + ahead < t->n ? t->pattern[t->i + ahead] : '\0';
}

static void copy(struct translation *t, size_t n)
{
    if (n > t->n - t->i)
        n = t->n - t->i;
    str_append_bytes(t->out, t->pattern + t->i, n);
    t->i += n;
}

/* At a backslash. */
static bool escape(struct translation *t)
{
    char letter = at(t, 1);
    for (size_t k = 0; k < sizeof shorthands / sizeof *shorthands; k++) {
        const struct shorthand *s = &shorthands[k];
        if (s->letter != letter)
            continue;
        if (t->depth && !s->in_class)
            return unsupported(t, "a negated shorthand inside a class");
        str_append(t->out, t->depth ? s->in_class : s->outside);
        t->i += 2;
        return true;
    }
    if (letter == 'b' && !t->depth) {
        str_append(t->out,
                   "(?:(?<=[" LATIN_WORD "])(?![" LATIN_WORD "])|(?<![" LATIN_WORD "])(?=[" LATIN_WORD "]))");
        t->i += 2;
        return true;
    }
    if (letter == 'u') { /* \uHHHH */
        str_append(t->out, "\\x{");
        t->i += 2;
        copy(t, 4);
        str_append(t->out, "}");
        return true;
    }
    if (strchr("BCEGKNQRX", letter))
        return unsupported(t, letter ? "a backslash that means another thing elsewhere"
                                     : "a backslash at its end");
    copy(t, 2);
    return true;
}

/* Inside brackets. A nested class is a union: its brackets go away. */
static bool class_part(struct translation *t)
{
    char c = at(t, 0);
    if (c == '\\')
        return escape(t);
    if (c == '&' && at(t, 1) == '&')
        return unsupported(t, "an intersection of classes");
    if (c == '[') {
        if (at(t, 1) == '^' || at(t, 1) == ':')
            return unsupported(t, "a negated or a POSIX class inside a class");
        t->depth++;
        t->i++;
        return true;
    }
    if (c == ']') {
        if (--t->depth == 0)
            str_append(t->out, "]");
        t->i++;
        return true;
    }
    copy(t, 1);
    return true;
}

/* At the bracket that opens a class; a first ']' is a member. */
static bool class_begin(struct translation *t)
{
    t->depth = 1;
    copy(t, at(t, 1) == '^' ? 2 : 1);
    if (at(t, 0) == ']') {
        str_append(t->out, "\\]");
        t->i++;
    }
    return true;
}

/* At "(?" or "(*": flags are copied with m for s, the rest as it is. */
static bool group(struct translation *t)
{
    if (at(t, 1) == '*')
        return unsupported(t, "a verb");
    size_t k = 2;
    while (at(t, k) && strchr("imx-", at(t, k)))
        k++;
    bool flags = k > 2 && (at(t, k) == ':' || at(t, k) == ')');
    if (at(t, 1) != '?' || !flags) {
        if (at(t, 1) == '?' && (!at(t, 2) || !strchr(":=!>#<", at(t, 2))))
            return unsupported(t, "a group of an unusual kind");
        copy(t, 1);
        return true;
    }
    copy(t, 2);
    for (; t->i < t->n && strchr("imx-", at(t, 0)); t->i++)
        str_append_bytes(t->out, at(t, 0) == 'm' ? "s" : t->pattern + t->i, 1);
    return true;
}

/* At '{': a count; {,n} is {0,n}. With a + behind it, it is a repeat of a repeat (PCRE2 would take it as
 * possessive). */
static bool count(struct translation *t)
{
    size_t k = 1;
    while (at(t, k) && strchr("0123456789,", at(t, k)))
        k++;
    if (at(t, k) != '}' || at(t, k + 1) != '+') {
        copy(t, 1);
        if (at(t, 0) == ',')
            str_append(t->out, "0");
        return true;
    }
    bool comma = memchr(t->pattern + t->i, ',', k) != NULL;
    char lowest = at(t, 1);
    if (!comma || at(t, 2) != ',' || (lowest != '0' && lowest != '1'))
        return unsupported(t, "a repeat of a repeat");
    str_append(t->out, lowest == '0' ? "*" : "+");
    t->i += k + 2;
    return true;
}

bool regex_from_oniguruma(const char *pattern, size_t n, struct str *out, struct error *err)
{
    struct translation t = {.pattern = pattern, .n = n, .out = out, .err = err};
    if (memchr(pattern, '\0', n))
        return unsupported(&t, "a zero byte");
    while (t.i < n) {
        char c = at(&t, 0);
        bool fine = true;
        if (t.depth)
            fine = class_part(&t);
        else if (c == '\\')
            fine = escape(&t);
        else if (c == '[')
            fine = class_begin(&t);
        else if (c == '(')
            fine = group(&t);
        else if (c == '{')
            fine = count(&t);
        else
            copy(&t, 1);
        if (!fine)
            return false;
    }
    return !out->failed || error_memory(err, "reading a pattern");
}
