#include "choices.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "numbers.h"

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

bool choose_numbers(const char *option, const char *thing, const char *text, size_t n, size_t **out,
                    size_t *n_out, struct error *err)
{
    struct number_list list = {0};
    size_t *items = NULL, kept = 0;
    bool ok = !text || numbers_parse(option, text, true, UINT32_MAX, &list, err);
    if (ok && text && list.n == 0)
        ok = error_set(err, ERROR_USAGE, "%s: names no %s, expected a list such as 0,3-5", option, thing);
    size_t wanted = text ? list.n : n;
    if (ok && !(items = memory_array(wanted, sizeof *items)))
        ok = error_memory(err, "reading a list of numbers");
    for (size_t i = 0; ok && i < wanted; i++) {
        items[i] = text ? (size_t)list.items[i] : i;
        if (items[i] >= n)
            ok = error_set(err, ERROR_USAGE, "%s: there is no %s %zu, the model has %ss 0 to %zu", option,
                           thing, items[i], thing, n - 1);
    }
    if (ok) {
        qsort(items, wanted, sizeof *items, by_size);
        for (size_t i = 0; i < wanted; i++)
            if (!kept || items[kept - 1] != items[i])
                items[kept++] = items[i];
        *out = items;
        *n_out = kept;
    } else {
        free(items);
    }
    number_list_release(&list);
    return ok;
}

bool choose_tokens(const char *text, size_t n, size_t *first, size_t *count, struct error *err)
{
    uint64_t from = 0, to = n;
    char word[24];
    const char *colon = text ? strchr(text, ':') : NULL;
    bool ok = !text || colon;
    if (colon) {
        size_t length = (size_t)(colon - text);
        ok = length < sizeof word;
        if (ok) {
            memcpy(word, text, length);
            word[length] = '\0';
            ok =
                (!length || number_parse_u64(word, &from)) && (!colon[1] || number_parse_u64(colon + 1, &to));
        }
    }
    if (!ok)
        return error_set(err, ERROR_USAGE, "--tokens: \"%.40s\" is not a range of positions such as 0:8",
                         text);
    if (from >= to || to > n)
        return error_set(
            err, ERROR_USAGE,
            "--tokens: %s names no range of tokens, expected A:B with A < B, and B at most %zu, the "
            "number of tokens",
            text, n);
    *first = (size_t)from;
    *count = (size_t)(to - from);
    return true;
}
