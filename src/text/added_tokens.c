#include "added_tokens.h"

#include <string.h>

#include "chars.h"
#include "memory.h"
#include "tokenizer.h"
#include "utf8.h"

enum { LONGEST = 4096 }; /* bytes of one added token: keeps the search linear in the text */

struct added_token *added_tokens_find(const struct added_tokens *added, const char *content, size_t n)
{
    uint32_t index;
    return vocabulary_find(&added->by_content, content, n, &index) ? &added->items[index] : NULL;
}

bool added_tokens_add(struct added_tokens *added, struct added_token token, struct error *err)
{
    if (token.content.length == 0)
        return true;
    if (token.content.length > LONGEST)
        return error_set(err, ERROR_UNSUPPORTED, "an added token has %zu bytes, at most %d are supported",
                         token.content.length, LONGEST);
    token.was_special = token.special;
    struct added_token *same = added_tokens_find(added, token.content.data, token.content.length);
    if (same) {
        token.id = same->id;
        token.was_special |= same->was_special;
        *same = token;
        return true;
    }
    if (added->n == added->capacity) {
        size_t capacity = added->capacity ? 2 * added->capacity : 32;
        struct added_token *items = memory_resize(added->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "reading added tokens");
        added->items = items;
        added->capacity = capacity;
    }
    if (!vocabulary_add(&added->by_content, token.content.data, token.content.length, added->n, err))
        return false;
    added->items[added->n++] = token;
    return true;
}

static int compare_texts(struct json_text a, struct json_text b)
{
    size_t n = a.length < b.length ? a.length : b.length;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_tokens(const void *a, const void *b, void *items)
{
    const struct added_token *tokens = items;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    int order = compare_texts(tokens[i].normal, tokens[k].normal);
    return order ? order : (i > k) - (i < k);
}

static bool build_matcher(struct added_matcher *m, const struct added_tokens *added, bool normalized,
                          struct error *err)
{
    free(m->order);
    *m = (struct added_matcher){.order = memory_array(added->n, sizeof *m->order)};
    if (!m->order)
        return error_memory(err, "reading added tokens");
    for (uint32_t i = 0; i < added->n; i++)
        if (added->items[i].normalized == normalized && added->items[i].normal.length &&
            !added->items[i].hidden)
            m->order[m->n++] = i;
    if (m->n)
        qsort_r(m->order, m->n, sizeof *m->order, compare_tokens, added->items);
    for (size_t i = 0; i < m->n; i++)
        m->first[(unsigned char)added->items[m->order[i]].normal.data[0] + 1]++;
    for (size_t byte = 0; byte < 256; byte++)
        m->first[byte + 1] += m->first[byte];
    return true;
}

bool added_tokens_finish(struct added_tokens *added, struct error *err)
{
    added->size = 0;
    for (size_t i = 0; i < added->n; i++)
        if (added->items[i].id >= added->size)
            added->size = (uint32_t)added->items[i].id + 1;
    free(added->by_id);
    added->by_id = memory_zeroed(added->size, sizeof *added->by_id);
    if (!added->by_id)
        return error_memory(err, "reading added tokens");
    for (size_t i = 0; i < added->n; i++)
        added->by_id[added->items[i].id] = (uint32_t)i + 1;
    return build_matcher(&added->raw, added, false, err) && build_matcher(&added->normal, added, true, err);
}

void added_tokens_release(struct added_tokens *added)
{
    free(added->items);
    free(added->by_id);
    free(added->raw.order);
    free(added->normal.order);
    vocabulary_release(&added->by_content);
    *added = (struct added_tokens){0};
}

const struct added_token *added_tokens_by_id(const struct added_tokens *added, uint32_t id)
{
    return id < added->size && added->by_id[id] ? &added->items[added->by_id[id] - 1] : NULL;
}

/* The first of order[low, high) whose byte k is at least `byte`; all of them are longer than k. */
static size_t lower_bound(const struct added_tokens *added, const struct added_matcher *m, size_t low,
                          size_t high, size_t k, unsigned byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)added->items[m->order[middle]].normal.data[k] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that the text begins with, or NULL: narrows the sorted tokens byte by byte. */
static const struct added_token *longest(const struct added_tokens *added, const struct added_matcher *m,
                                         const char *text, size_t n)
{
    const struct added_token *best = NULL;
    unsigned byte = (unsigned char)text[0];
    size_t low = m->first[byte], high = m->first[byte + 1];
    for (size_t k = 1; low < high; k++) {
        const struct added_token *shortest = &added->items[m->order[low]];
        if (shortest->normal.length == k) {
            best = shortest;
            while (low < high && added->items[m->order[low]].normal.length == k)
                low++;
        }
        if (k == n)
            break;
        byte = (unsigned char)text[k];
        low = lower_bound(added, m, low, high, k, byte);
        high = lower_bound(added, m, low, high, k, byte + 1);
    }
    return best;
}

static size_t character_before(const char *text, size_t at, uint32_t *code)
{
    size_t start = at - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80)
        start--;
    utf8_decode(text + start, at - start, code);
    return start;
}

static bool stands_alone(const char *text, size_t n, size_t start, size_t end)
{
    uint32_t code;
    if (start > 0) {
        character_before(text, start, &code);
        if (char_is_word(code))
            return false;
    }
    if (end < n) {
        utf8_decode(text + end, n - end, &code);
        if (char_is_word(code))
            return false;
    }
    return true;
}

/* Takes in the white space on the sides that the token wants, on the left not beyond `least`. */
static void widen(const struct added_token *token, const char *text, size_t n, size_t least, size_t *start,
                  size_t *end)
{
    uint32_t code;
    while (token->lstrip && *start > least) {
        size_t before = character_before(text, *start, &code);
        if (!char_is_space(code))
            break;
        *start = before;
    }
    while (token->rstrip && *end < n) {
        size_t length = utf8_decode(text + *end, n - *end, &code);
        if (!char_is_space(code))
            break;
        *end += length;
    }
}

static bool split_piece(const struct added_tokens *added, const struct added_matcher *m, struct encoding *e,
                        struct piece piece, struct error *err)
{
    const char *text = e->text.data + piece.start;
    size_t n = piece.end - piece.start, done = 0;
    for (size_t i = 0; i < n;) {
        unsigned byte = (unsigned char)text[i];
        const struct added_token *token =
            m->first[byte] < m->first[byte + 1] ? longest(added, m, text + i, n - i) : NULL;
        if (!token) {
            i++;
            continue;
        }
        size_t start = i, end = i + token->normal.length;
        i = end;
        if (start < done || (e->marked && token->was_special) ||
            (token->single_word && !stands_alone(text, n, start, end)))
            continue;
        widen(token, text, n, done, &start, &end);
        if (!encoding_add(e, piece.start + done, piece.start + start, PIECE_TEXT, err) ||
            !encoding_add(e, piece.start + start, piece.start + end, (uint32_t)token->id, err))
            return false;
        done = end;
    }
    return encoding_add(e, piece.start + done, piece.end, PIECE_TEXT, err);
}

/* Byte of the text where byte `origin` of the original begins. */
static size_t byte_of(const struct aligned *text, size_t from, size_t origin)
{
    while (from < text->n && text->origin[from] < origin)
        from++;
    return from;
}

bool added_tokens_mark(const struct added_tokens *added, struct encoding *e, const struct token_mark *marks,
                       size_t n_marks, struct error *err)
{
    size_t done = 0;
    for (size_t i = 0; i < n_marks; i++) {
        const struct added_token *token = added_tokens_by_id(added, marks[i].id);
        size_t start = byte_of(&e->text, done, marks[i].start), end = byte_of(&e->text, start, marks[i].end);
        size_t limit = i + 1 < n_marks ? byte_of(&e->text, end, marks[i + 1].start) : e->text.n;
        if (token)
            widen(token, e->text.data, limit, done, &start, &end);
        if (!encoding_add(e, done, start, PIECE_TEXT, err) || !encoding_add(e, start, end, marks[i].id, err))
            return false;
        done = end;
    }
    if (!encoding_add(e, done, e->text.n, PIECE_TEXT, err))
        return false;
    encoding_advance(e);
    return true;
}

bool added_tokens_split(const struct added_tokens *added, const struct added_matcher *matcher,
                        struct encoding *e, struct error *err)
{
    if (matcher->n == 0)
        return true;
    for (size_t i = 0; i < e->pieces.n; i++) {
        struct piece piece = e->pieces.items[i];
        bool fine = piece.id == PIECE_TEXT ? split_piece(added, matcher, e, piece, err)
                                           : encoding_add(e, piece.start, piece.end, piece.id, err);
        if (!fine)
            return false;
    }
    encoding_advance(e);
    return true;
}
