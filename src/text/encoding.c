#include "encoding.h"

#include "memory.h"

static bool add(struct piece_list *list, struct piece piece, struct error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 32;
        struct piece *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "tokenizing a text");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = piece;
    return true;
}

bool encoding_init(struct encoding *e, const char *text, size_t n, enum invalid_utf8 invalid,
                   struct error *err)
{
    *e = (struct encoding){.work.original = text};
    bool fine = aligned_init(&e->text, text, n, invalid, err);
    e->next.limit = e->text.limit;
    return fine && (n == 0 || add(&e->pieces, (struct piece){0, (uint32_t)e->text.n, PIECE_TEXT}, err));
}

void encoding_release(struct encoding *e)
{
    aligned_release(&e->text);
    aligned_release(&e->next);
    free(e->pieces.items);
    free(e->next_pieces.items);
    match_list_release(&e->matches);
    bpe_work_release(&e->work);
    unigram_work_release(&e->lattice);
}

bool encoding_add(struct encoding *e, size_t start, size_t end, uint32_t id, struct error *err)
{
    return start == end || add(&e->next_pieces, (struct piece){(uint32_t)start, (uint32_t)end, id}, err);
}

void encoding_advance(struct encoding *e)
{
    struct piece_list old = e->pieces;
    e->pieces = e->next_pieces;
    e->next_pieces = old;
    e->next_pieces.n = 0;
}

bool encoding_rewrite(struct encoding *e, const struct stage *stage, rewrite_fn rewrite, struct error *err)
{
    aligned_clear(&e->next);
    for (size_t i = 0; i < e->pieces.n; i++) {
        struct piece piece = e->pieces.items[i];
        size_t start = e->next.n;
        bool fine = piece.id == PIECE_TEXT ? rewrite(stage, &e->text, piece.start, piece.end, &e->next, err)
                                           : aligned_copy(&e->next, &e->text, piece.start, piece.end, err);
        if (!fine || !encoding_add(e, start, e->next.n, piece.id, err))
            return false;
    }
    struct aligned old = e->text;
    e->text = e->next;
    e->next = old;
    encoding_advance(e);
    return true;
}

/* How many of the matches from i on make one piece. */
static size_t group(const struct match_list *matches, size_t i, enum split_behavior behavior)
{
    const struct match *m = matches->items;
    size_t n = 1;
    bool pair = i + 1 < matches->n && m[i].hit != m[i + 1].hit;
    if (behavior == SPLIT_CONTIGUOUS)
        while (i + n < matches->n && m[i + n].hit == m[i].hit)
            n++;
    else if (pair && ((behavior == SPLIT_MERGED_WITH_PREVIOUS && !m[i].hit) ||
                      (behavior == SPLIT_MERGED_WITH_NEXT && m[i].hit)))
        n = 2;
    return n;
}

bool encoding_split(struct encoding *e, const struct stage *stage, find_fn find, enum split_behavior behavior,
                    bool invert, struct error *err)
{
    struct match_list *matches = &e->matches;
    for (size_t i = 0; i < e->pieces.n; i++) {
        struct piece piece = e->pieces.items[i];
        if (piece.id != PIECE_TEXT) {
            if (!encoding_add(e, piece.start, piece.end, piece.id, err))
                return false;
            continue;
        }
        if (!find(stage, e->text.data + piece.start, piece.end - piece.start, matches, err))
            return false;
        for (size_t k = 0; invert && k < matches->n; k++)
            matches->items[k].hit = !matches->items[k].hit;
        for (size_t k = 0, n; k < matches->n; k += n) {
            n = group(matches, k, behavior);
            if (behavior == SPLIT_REMOVED && matches->items[k].hit)
                continue;
            if (!encoding_add(e, piece.start + matches->items[k].start,
                              piece.start + matches->items[k + n - 1].end, PIECE_TEXT, err))
                return false;
        }
    }
    encoding_advance(e);
    return true;
}
