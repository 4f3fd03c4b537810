#include "unicode_form.h"

#include <utf8proc.h>

#include "memory.h"
#include "utf8.h"

/* The text is cut in front of characters that begin a cluster: what lies left of one never moves past it and
 * never composes with it. A cluster longer than CLUSTER_MAX (no language has one) is cut all the same. */
enum { CLUSTER_MAX = 1024, LONGEST_DECOMPOSITION = 32, FEW = 64 };

static bool is_mark(uint32_t code)
{
    int category = utf8proc_category((utf8proc_int32_t)code);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
           category == UTF8PROC_CATEGORY_ME;
}

/* Vowels and final consonants of Hangul compose with what stands before them. */
static bool is_hangul_tail(uint32_t code)
{
    return code >= 0x1160 && code <= 0x11ff;
}

static utf8proc_option_t options(enum unicode_form form)
{
    return UTF8PROC_STABLE | (form & FORM_NFKD ? UTF8PROC_COMPAT : 0) |
           (form & FORM_NFC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
}

/* Nothing below U+0300 composes with what stands before it, but the compatibility form of a later character
 * may. */
static bool begins_cluster(uint32_t code, enum unicode_form form)
{
    if (code < 0x300)
        return true;
    if (is_mark(code) || is_hangul_tail(code))
        return false;
    utf8proc_int32_t parts[LONGEST_DECOMPOSITION];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, LONGEST_DECOMPOSITION,
                                                 options(form), &boundary);
    return n < 1 || n > LONGEST_DECOMPOSITION ||
           (!is_mark((uint32_t)parts[0]) && !is_hangul_tail((uint32_t)parts[0]));
}

static size_t cluster_end(const char *text, size_t start, size_t end, enum unicode_form form)
{
    uint32_t code;
    size_t i = start + utf8_decode(text + start, end - start, &code);
    for (unsigned n = 1; i < end && n < CLUSTER_MAX; n++) {
        size_t length = utf8_decode(text + i, end - i, &code);
        if (begins_cluster(code, form))
            break;
        i += length;
    }
    return i;
}

/* The code points of a cluster in that form, [n] in `few` or, where they are many, in *codes (to be freed).
 */
static utf8proc_ssize_t cluster_codes(enum unicode_form form, const char *text, size_t n,
                                      utf8proc_int32_t few[FEW], utf8proc_int32_t **codes)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t length = (utf8proc_ssize_t)n, found, room = FEW;
    *codes = few;
    found = utf8proc_decompose(bytes, length, few, room, options(form));
    if (found > FEW) {
        *codes = memory_array((size_t)found, sizeof **codes);
        if (!*codes)
            return UTF8PROC_ERROR_NOMEM;
        found = utf8proc_decompose(bytes, length, *codes, found, options(form));
    }
    return found < 0 ? found : utf8proc_normalize_utf32(*codes, found, options(form));
}

/* Which bytes the code points of a normal form stand for: as many characters as make the same parts when both
 * are taken apart; of one that makes several code points each has some bytes. */
struct places {
    enum unicode_form form;
    const char *text;
    size_t end;
    size_t at, done;  /* where the next code point begins; the end of the last character that was begun */
    unsigned n_parts; /* of that character, not used yet */
};

static unsigned count_parts(uint32_t code, enum unicode_form form)
{
    utf8proc_int32_t parts[LONGEST_DECOMPOSITION];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, LONGEST_DECOMPOSITION,
                                                 options(form), &boundary);
    return n > 0 ? (unsigned)n : 1;
}

/* Where the bytes of this code point, itself of `put` bytes, end. */
static size_t next_place(struct places *p, uint32_t code, size_t put)
{
    for (unsigned wanted = count_parts(code, p->form); wanted;) {
        if (!p->n_parts && p->done == p->end)
            break;
        if (!p->n_parts) {
            uint32_t source;
            p->done += utf8_decode(p->text + p->done, p->end - p->done, &source);
            p->n_parts = count_parts(source, p->form);
        }
        unsigned used = wanted < p->n_parts ? wanted : p->n_parts;
        wanted -= used;
        p->n_parts -= used;
    }
    p->at = p->n_parts && p->at + put < p->done ? p->at + put : p->done;
    return p->at;
}

static bool append_cluster(enum unicode_form form, const struct aligned *from, size_t start, size_t end,
                           struct aligned *to, struct error *err)
{
    utf8proc_int32_t few[FEW], *codes;
    utf8proc_ssize_t n = cluster_codes(form, from->data + start, end - start, few, &codes);
    bool fine = n >= 0;
    if (n == UTF8PROC_ERROR_NOMEM)
        error_memory(err, "normalizing a text");
    else if (!fine)
        error_set(err, ERROR_UNSUPPORTED, "a text cannot be normalized: %s", utf8proc_errmsg(n));
    struct places places = {form, from->data, end, start, start, 0};
    for (utf8proc_ssize_t i = 0; fine && i < n; i++) {
        char bytes[4];
        size_t put = utf8_encode((uint32_t)codes[i], bytes), at = places.at;
        size_t next = i + 1 == n ? end : next_place(&places, (uint32_t)codes[i], put);
        fine = aligned_put(to, bytes, put, from, at, next, err);
    }
    if (codes != few)
        free(codes);
    return fine;
}

bool unicode_form_append(enum unicode_form form, const struct aligned *from, size_t start, size_t end,
                         struct aligned *to, struct error *err)
{
    for (size_t i = start; i < end;) {
        size_t plain = i; /* ASCII in front of ASCII stays as it is */
        while (plain < end && (unsigned char)from->data[plain] < 0x80)
            plain++;
        size_t keep = plain == end || plain == i ? plain : plain - 1;
        if (keep > i && !aligned_copy(to, from, i, keep, err))
            return false;
        i = keep;
        if (i == end)
            break;
        size_t next = cluster_end(from->data, i, end, form);
        if (!append_cluster(form, from, i, next, to, err))
            return false;
        i = next;
    }
    return true;
}
