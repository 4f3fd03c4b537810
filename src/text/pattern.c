#include "pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "memory.h"
#include "quote.h"
#include "regex_syntax.h"
#include "utf8.h"

/* Steps that one match may take: a few for each byte that is left, as any sensible pattern needs; 10 MB of
 * memory where the compiler of PCRE2 cannot be used. */
enum { STEPS_AT_LEAST = 20000, STEPS_PER_BYTE = 32, HEAP_KIB = 10000 };

struct pattern {
    char *text; /* of a string, or the regular expression as the file spells it */
    size_t n;
    pcre2_code *code; /* NULL for a string */
};

bool match_list_add(struct match_list *list, size_t start, size_t end, bool hit, struct error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct match *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "splitting a text");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = (struct match){(uint32_t)start, (uint32_t)end, hit};
    return true;
}

void match_list_release(struct match_list *list)
{
    free(list->items);
    *list = (struct match_list){0};
}

static bool compile(struct pattern *p, const char *regex, size_t n, struct error *err)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return error_memory(err, "compiling a pattern");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    p->code =
        pcre2_compile((PCRE2_SPTR)regex, n, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                      &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!p->code) {
        PCRE2_UCHAR message[128] = "";
        pcre2_get_error_message(code, message, sizeof message);
        return error_set(err, ERROR_FORMAT, "the pattern %s does not compile: %s", quote(p->text).text,
                         (const char *)message);
    }
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* where it cannot, pcre2_match interprets */
    return true;
}

bool pattern_new(const char *text, size_t n, bool regex, struct pattern **out, struct error *err)
{
    if (n == 0)
        return error_set(err, ERROR_UNSUPPORTED, "an empty pattern matches everywhere and is not supported");
    struct str translated = {0};
    struct pattern *p = memory_zeroed(1, sizeof *p);
    if (!p || !(p->text = memory_copy(text, n))) {
        free(p);
        return error_memory(err, "reading a pattern");
    }
    p->n = n;
    bool done = !regex || (regex_from_oniguruma(text, n, &translated, err) &&
                           compile(p, translated.data, translated.length, err));
    str_release(&translated);
    if (!done) {
        pattern_free(p);
        return false;
    }
    *out = p;
    return true;
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    free(pattern->text);
    pcre2_code_free(pattern->code);
    free(pattern);
}

/* Adds the gap before a match, and the match. */
static bool add_match(struct match_list *out, size_t *done, size_t start, size_t end, struct error *err)
{
    if (start > *done && !match_list_add(out, *done, start, false, err))
        return false;
    *done = end;
    return match_list_add(out, start, end, true, err);
}

static bool find_string(const struct pattern *p, const char *text, size_t n, size_t *done,
                        struct match_list *out, struct error *err)
{
    for (const char *from = text, *hit; (hit = memmem(from, n - (size_t)(from - text), p->text, p->n));
         from = hit + p->n)
        if (!add_match(out, done, (size_t)(hit - text), (size_t)(hit - text) + p->n, err))
            return false;
    return true;
}

struct regex_work {
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static int match_once(const struct pattern *p, const char *text, size_t n, size_t at,
                      const struct regex_work *w)
{
    size_t steps = STEPS_AT_LEAST + STEPS_PER_BYTE * (n - at);
    pcre2_set_match_limit(w->limits, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    int count = pcre2_match(p->code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK, w->data, w->limits);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT)
        count = pcre2_match(p->code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->data,
                            w->limits);
    return count;
}

static bool cannot_match(const struct pattern *p, int code, struct error *err)
{
    PCRE2_UCHAR message[128] = "";
    pcre2_get_error_message(code, message, sizeof message);
    return error_set(err, ERROR_UNSUPPORTED, "the pattern %s gives up on this text: %s", quote(p->text).text,
                     (const char *)message);
}

static bool find_regex(const struct pattern *p, const char *text, size_t n, const struct regex_work *w,
                       size_t *done, struct match_list *out, struct error *err)
{
    size_t at = 0, last_end = SIZE_MAX;
    while (at <= n) {
        int count = match_once(p, text, n, at, w);
        if (count == PCRE2_ERROR_NOMATCH)
            return true;
        if (count < 0)
            return cannot_match(p, count, err);
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(w->data);
        size_t start = range[0], end = range[1];
        bool empty = start >= end; /* an empty match right behind another does not count */
        if (!(empty && start == last_end) && !add_match(out, done, start, empty ? start : end, err))
            return false;
        last_end = empty ? start : end;
        at = last_end;
        uint32_t code;
        if (empty)
            at += at < n ? utf8_decode(text + at, n - at, &code) : 1;
    }
    return true;
}

bool pattern_find(const struct pattern *pattern, const char *text, size_t n, struct match_list *out,
                  struct error *err)
{
    size_t done = 0;
    bool found;
    out->n = 0;
    if (pattern->code) {
        struct regex_work w = {pcre2_match_data_create(1, NULL), pcre2_match_context_create(NULL)};
        if (w.limits)
            pcre2_set_heap_limit(w.limits, HEAP_KIB);
        found = w.data && w.limits ? find_regex(pattern, text, n, &w, &done, out, err)
                                   : error_memory(err, "splitting a text");
        pcre2_match_data_free(w.data);
        pcre2_match_context_free(w.limits);
    } else {
        found = find_string(pattern, text, n, &done, out, err);
    }
    return found && (done == n || match_list_add(out, done, n, false, err));
}
