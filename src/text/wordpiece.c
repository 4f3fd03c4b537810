#include "wordpiece.h"

#include <string.h>

#include "quote.h"

void wordpiece_release(struct wordpiece *w)
{
    prefixes_release(&w->prefixes);
}

static uint64_t count_characters(const char *text, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static bool put_unknown(const struct wordpiece *w, size_t start, struct token_list *out, struct error *err)
{
    struct token token = {.placed = true, .start = start};
    if (!vocabulary_find(w->vocabulary, w->unknown, strlen(w->unknown), &token.id))
        return error_set(err, ERROR_FORMAT,
                         "the unknown token %s is not in the vocabulary, but the text needs it",
                         quote(w->unknown).text);
    return token_list_add(out, token, err);
}

bool wordpiece_encode(const struct wordpiece *w, const char *text, size_t start, size_t end,
                      struct token_list *out, struct error *err)
{
    size_t before = out->n, at = start;
    if (count_characters(text + start, end - start) > w->longest_word)
        return put_unknown(w, start, out, err);
    while (at < end) {
        struct token token = {.placed = true, .start = at};
        struct prefix_walk walk = prefixes_begin(w->continuing, at > start ? w->n_continuing : 0);
        size_t longest = 0;
        uint32_t id;
        while (prefixes_next(&w->prefixes, &walk, text + at, end - at, &id)) {
            token.id = id;
            longest = walk.length;
        }
        if (!longest) {
            out->n = before;
            return put_unknown(w, start, out, err);
        }
        if (!token_list_add(out, token, err))
            return false;
        at += longest;
    }
    return true;
}

bool wordlevel_encode(const struct wordpiece *w, const char *text, size_t start, size_t end,
                      struct token_list *out, struct error *err)
{
    struct token token = {.placed = true, .start = start};
    return vocabulary_find(w->vocabulary, text + start, end - start, &token.id)
               ? token_list_add(out, token, err)
               : put_unknown(w, start, out, err);
}
