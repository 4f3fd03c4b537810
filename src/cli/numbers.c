#include "numbers.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Moves past separators; how many commas those have. */
static size_t skip_separators(const char **p)
{
    size_t commas = 0;
    for (; is_separator(**p); ++*p)
        commas += **p == ',';
    return commas;
}

/* The digits at *p; moves past them. */
static bool take_number(const char **p, uint64_t *out)
{
    const char *s = *p;
    uint64_t value = 0;
    if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9'))
        return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (unsigned)(*s - '0'), &value))
            return false;
    *p = s;
    *out = value;
    return true;
}

bool number_parse_u64(const char *text, uint64_t *out)
{
    uint64_t value;
    if (!take_number(&text, &value) || *text)
        return false;
    *out = value;
    return true;
}

bool number_parse_double(const char *text, double *out)
{
    char *end;
    if (!*text || isspace((unsigned char)*text) || strpbrk(text, "xXnN")) /* no hexadecimal, no nan, no inf */
        return false;
    double value = strtod(text, &end);
    if (*end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

static bool add_range(struct number_list *list, size_t *capacity, uint64_t first, uint64_t last)
{
    for (uint64_t value = first; value <= last; value++) {
        if (list->n == *capacity) {
            size_t wanted = *capacity ? *capacity * 2 : 16;
            uint64_t *items = memory_resize(list->items, wanted, sizeof *items);
            if (!items)
                return false;
            list->items = items;
            *capacity = wanted;
        }
        list->items[list->n++] = value;
        if (value == UINT64_MAX)
            break;
    }
    return true;
}

bool numbers_parse(const char *what, const char *text, bool ranges, uint64_t limit, struct number_list *out,
                   struct error *err)
{
    /* A range is not written out further than this: 0-18446744073709551615 is a mistake, not a wish. */
    enum { LONGEST_RANGE = 1000000 };
    struct number_list list = {0};
    size_t capacity = 0;
    const char *p = text;
    size_t commas = skip_separators(&p) + 1; /* since the last number; the text begins behind one */
    while (*p) {
        if (commas > 1) {
            error_set(err, ERROR_USAGE, "%s: a number is missing before the comma in front of \"%.40s\"",
                      what, p);
            goto fail;
        }
        uint64_t first, last;
        const char *start = p;
        size_t word = strcspn(start, ", \t\r\n");
        bool ok = take_number(&p, &first);
        last = first;
        if (ok && ranges && *p == '-') {
            p++;
            ok = take_number(&p, &last);
            if (ok && last < first && (!*p || is_separator(*p))) {
                error_set(err, ERROR_USAGE, "%s: \"%.*s\" goes backwards, expected %llu-%llu", what,
                          word < 48 ? (int)word : 48, start, (unsigned long long)last,
                          (unsigned long long)first);
                goto fail;
            }
            ok = ok && last >= first && last - first < LONGEST_RANGE;
        }
        if (!ok || (*p && !is_separator(*p))) {
            error_set(err, ERROR_USAGE, "%s: \"%.*s\" is not %s", what, word < 40 ? (int)word : 40, start,
                      ranges ? "a number or a range such as 3-5" : "a non-negative integer");
            goto fail;
        }
        if (last > limit) {
            error_set(err, ERROR_USAGE, "%s: %llu is too large, the largest is %llu", what,
                      (unsigned long long)last, (unsigned long long)limit);
            goto fail;
        }
        if (!add_range(&list, &capacity, first, last)) {
            error_memory(err, "reading a list of numbers");
            goto fail;
        }
        commas = skip_separators(&p);
    }
    if (commas > 1 && list.n) {
        error_set(err, ERROR_USAGE, "%s: a number is missing before the last comma", what);
        goto fail;
    }
    *out = list;
    return true;
fail:
    number_list_release(&list);
    return false;
}

void number_list_release(struct number_list *list)
{
    if (!list)
        return;
    free(list->items);
    *list = (struct number_list){0};
}

bool number_parse_bytes(const char *text, uint64_t *out)
{
    static const char letters[] = "KMGT";
    size_t n = strspn(text, "0123456789.");
    const char *unit = text + n, *letter = *unit ? strchr(letters, *unit) : NULL;
    char number[32];
    double value;
    if (n == 0 || n >= sizeof number)
        return false;
    memcpy(number, text, n);
    number[n] = '\0';
    if (!number_parse_double(number, &value))
        return false;
    if (letter) {
        bool decimal = strcmp(unit + 1, "B") == 0;
        if (!decimal && unit[1] && strcmp(unit + 1, "iB") != 0)
            return false;
        for (const char *at = letters; at <= letter; at++)
            value *= decimal ? 1000 : 1024;
    } else if (*unit && strcmp(unit, "B") != 0)
        return false;
    if (!(value < 0x1p63))
        return false;
    *out = (uint64_t)value;
    return true;
}
