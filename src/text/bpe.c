#include "bpe.h"

#include <string.h>

#include "memory.h"
#include "quote.h"
#include "utf8.h"

#define NONE NO_PIECE

struct bpe_symbol {
    uint32_t id, length;     /* length: bytes of the text that it stands for; id NONE: no piece, or not yet */
    uint32_t start;          /* by ranks: where in the piece it begins */
    uint32_t previous, next; /* NONE at the ends of a segment; length 0 once merged into its left neighbour */
};

struct bpe_candidate {
    uint32_t rank, position, id; /* symbols at `position` and after it may become `id` */
};

struct bpe_word { /* text[start, start + length) became items[first, first + n) of the list */
    uint32_t hash, start, length, first, n;
};

enum { WORDS = 8192, LONGEST_WORD = 64 };

void bpe_prepare(struct bpe *bpe)
{
    for (uint32_t code = 0; code < BPE_QUICK; code++) {
        char bytes[4];
        if (!vocabulary_find(bpe->vocabulary, bytes, utf8_encode(code, bytes), &bpe->quick[code]))
            bpe->quick[code] = NONE;
    }
    byte_pieces_find(bpe->vocabulary, bpe->bytes);
    bpe->unknown = NONE;
    if (bpe->unknown_piece)
        vocabulary_find(bpe->vocabulary, bpe->unknown_piece, strlen(bpe->unknown_piece), &bpe->unknown);
}

bool bpe_join_by_rank(struct bpe *bpe, uint32_t *ranks, struct error *err)
{
    bpe->ranks = ranks;
    return merges_build_joints(&bpe->merges, bpe->vocabulary, ranks, err);
}

void bpe_release(struct bpe *bpe)
{
    merges_release(&bpe->merges);
    prefixes_release(&bpe->frozen);
    free(bpe->ranks);
    bpe->ranks = NULL;
}

void bpe_work_release(struct bpe_work *work)
{
    free(work->symbols);
    free(work->heap);
    free(work->words);
    *work = (struct bpe_work){0};
}

bool bpe_work_remember(struct bpe_work *work, struct error *err)
{
    work->words = memory_zeroed(WORDS, sizeof *work->words);
    return work->words || error_memory(err, "tokenizing a text");
}

static bool is_earlier(struct bpe_candidate a, struct bpe_candidate b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.position < b.position;
}

static bool heap_push(struct bpe_work *w, struct bpe_candidate candidate, struct error *err)
{
    if (w->n_heap == w->heap_capacity) {
        size_t capacity = w->heap_capacity ? 2 * w->heap_capacity : 64;
        struct bpe_candidate *heap = memory_resize(w->heap, capacity, sizeof *heap);
        if (!heap)
            return error_memory(err, "tokenizing a text");
        w->heap = heap;
        w->heap_capacity = capacity;
    }
    size_t i = w->n_heap++;
    for (; i > 0 && is_earlier(candidate, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = candidate;
    return true;
}

static struct bpe_candidate heap_pop(struct bpe_work *w)
{
    struct bpe_candidate *heap = w->heap, top = heap[0], last = heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && is_earlier(heap[child + 1], heap[child]))
            child++;
        if (!is_earlier(heap[child], last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

/* What the symbols at `left` and after it become, and when. */
static bool find_merge(const struct bpe *bpe, const struct bpe_work *w, uint32_t left,
                       struct bpe_candidate *out)
{
    const struct bpe_symbol *a = &w->symbols[left], *b = &w->symbols[a->next];
    *out = (struct bpe_candidate){.position = left};
    if (bpe->ranks) {
        if (!vocabulary_find(bpe->vocabulary, w->piece + a->start, a->length + b->length, &out->id))
            return false;
        out->rank = bpe->ranks[out->id];
        return out->rank != NONE;
    }
    const struct merge_slot *merge = merges_find(&bpe->merges, a->id, b->id);
    if (!merge)
        return false;
    out->rank = merge->rank;
    out->id = merge->id;
    return true;
}

static bool offer(const struct bpe *bpe, struct bpe_work *w, uint32_t left, struct error *err)
{
    struct bpe_candidate candidate;
    return !find_merge(bpe, w, left, &candidate) || heap_push(w, candidate, err);
}

/* Merges the segment that begins at symbol `first`. A candidate whose symbols have changed is stale. */
static bool merge_segment(const struct bpe *bpe, struct bpe_work *w, uint32_t first, struct error *err)
{
    w->n_heap = 0;
    for (uint32_t i = first; w->symbols[i].next != NONE; i = w->symbols[i].next)
        if (!offer(bpe, w, i, err))
            return false;
    while (w->n_heap) {
        struct bpe_candidate top = heap_pop(w);
        struct bpe_symbol *left = &w->symbols[top.position];
        if (left->length == 0 || left->next == NONE)
            continue;
        struct bpe_symbol *right = &w->symbols[left->next];
        struct bpe_candidate now;
        if (!find_merge(bpe, w, top.position, &now) || now.id != top.id)
            continue;
        left->id = top.id;
        left->length += right->length;
        left->next = right->next;
        right->length = 0;
        if (left->next != NONE)
            w->symbols[left->next].previous = top.position;
        if (left->previous != NONE && !offer(bpe, w, left->previous, err))
            return false;
        if (left->next != NONE && !offer(bpe, w, top.position, err))
            return false;
    }
    return true;
}

/* Appends a symbol. `joins`: it may merge with the one before it. */
static bool put(struct bpe_work *w, uint32_t id, size_t length, bool joins, struct error *err)
{
    if (w->n_symbols == w->symbols_capacity) {
        size_t capacity = w->symbols_capacity ? 2 * w->symbols_capacity : 64;
        struct bpe_symbol *symbols = memory_resize(w->symbols, capacity, sizeof *symbols);
        if (!symbols)
            return error_memory(err, "tokenizing a text");
        w->symbols = symbols;
        w->symbols_capacity = capacity;
    }
    uint32_t i = (uint32_t)w->n_symbols++;
    bool linked = joins && i > 0;
    uint32_t start = i ? w->symbols[i - 1].start + w->symbols[i - 1].length : 0;
    w->symbols[i] = (struct bpe_symbol){id, (uint32_t)length, start, linked ? i - 1 : NONE, NONE};
    if (linked)
        w->symbols[i - 1].next = i;
    return true;
}

/* What the characters of one piece have left open while they become symbols. */
struct symbol_reader {
    const struct bpe *bpe;
    struct bpe_work *work;
    uint32_t last;  /* character of the symbol before; NONE when it is no character of the vocabulary */
    size_t unknown; /* bytes of an unknown token that may still grow */
    size_t dropped; /* bytes dropped before the first symbol */
};

static bool flush_unknown(struct symbol_reader *r, struct error *err)
{
    size_t length = r->unknown;
    r->unknown = 0;
    if (length)
        r->last = NONE;
    return !length || put(r->work, r->bpe->unknown, length, true, err);
}

/* The id of a character, with prefix and suffix where they apply. */
static bool find_character(const struct bpe *bpe, uint32_t code, const char *bytes, size_t n, bool is_first,
                           bool is_last, uint32_t *id)
{
    const char *prefix = is_first ? "" : bpe->prefix, *suffix = is_last ? bpe->suffix : "";
    size_t n_prefix = strlen(prefix), n_suffix = strlen(suffix);
    if (n_prefix || n_suffix) {
        char piece[2 * BPE_MAX_AFFIX + 8];
        memcpy(piece, prefix, n_prefix);
        memcpy(piece + n_prefix, bytes, n); /* which may be a NUL */
        memcpy(piece + n_prefix + n, suffix, n_suffix);
        return vocabulary_find(bpe->vocabulary, piece, n_prefix + n + n_suffix, id);
    }
    if (code >= BPE_QUICK)
        return vocabulary_find(bpe->vocabulary, bytes, n, id);
    *id = bpe->quick[code];
    return *id != NONE;
}

/* A character outside the vocabulary. Like the tokenizers library, bytes overtake an unknown token that may
 * still grow; lengths are dealt out in the order of the symbols, so that ranges stay in order all the same.
 */
static bool put_stranger(struct symbol_reader *r, const char *bytes, size_t n, struct error *err)
{
    const struct bpe *bpe = r->bpe;
    struct bpe_work *w = r->work;
    if (bpe->byte_fallback && byte_pieces_complete(bpe->bytes, bytes, n)) {
        r->last = NONE;
        for (size_t i = 0; i < n; i++)
            if (!put(w, bpe->bytes[(unsigned char)bytes[i]], 1, true, err))
                return false;
    } else if (bpe->unknown_piece) {
        if (bpe->unknown == NONE)
            return error_set(err, ERROR_FORMAT,
                             "the unknown token %s is not in the vocabulary, but the text needs it",
                             quote(bpe->unknown_piece).text);
        if (!bpe->fuse_unknown && !flush_unknown(r, err))
            return false;
        r->unknown += n;
    } else if (w->n_symbols) {
        w->symbols[w->n_symbols - 1].length += (uint32_t)n;
    } else {
        r->dropped += n;
    }
    return true;
}

/* Symbols of the piece; *dropped tells how many bytes were dropped before the first. */
static bool read_symbols(const struct bpe *bpe, const char *piece, size_t n, struct bpe_work *w,
                         size_t *dropped, struct error *err)
{
    struct symbol_reader r = {.bpe = bpe, .work = w, .last = NONE};
    w->n_symbols = 0;
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t code, id;
        length = utf8_decode(piece + i, n - i, &code);
        if (!find_character(bpe, code, piece + i, length, i == 0, i + length == n, &id)) {
            if (!put_stranger(&r, piece + i, length, err))
                return false;
            continue;
        }
        if (!flush_unknown(&r, err))
            return false;
        bool joins = r.last == NONE || *bpe->prefix || merges_may_join(&bpe->merges, r.last, code);
        if (!put(w, id, length, joins, err))
            return false;
        r.last = code;
    }
    *dropped = r.dropped;
    return flush_unknown(&r, err);
}

/* Whether a U+FFFD of the text stands for bytes that are not UTF-8. */
static bool is_raw(const struct bpe *bpe, const struct bpe_work *w, uint32_t code, size_t at)
{
    return bpe->raw_bytes && code == 0xfffd && w->original[w->origin[at]] != '\xef';
}

/* The same where pieces are made by rank; `start`: of the piece in the text. */
static bool read_ranked(const struct bpe *bpe, const char *piece, size_t start, size_t n, struct bpe_work *w,
                        struct error *err)
{
    uint32_t last = NONE;
    w->n_symbols = 0;
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t code = NONE, id = NONE;
        length = bpe->frozen.bits ? prefixes_longest(&bpe->frozen, piece + i, n - i, &id) : 0;
        if (!length) {
            length = utf8_decode(piece + i, n - i, &code);
            if (is_raw(bpe, w, code, start + i))
                code = NONE;
            else if (!find_character(bpe, code, piece + i, length, true, true, &id) || bpe->ranks[id] == NONE)
                id = NONE;
        }
        bool joins = last != NONE && code != NONE && merges_may_join(&bpe->merges, last, code);
        if (!put(w, id, length, joins, err))
            return false;
        last = code;
    }
    return true;
}

static uint32_t hash_word(const char *bytes, size_t n)
{
    uint32_t h = 0x811c9dc5u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)bytes[i]) * 0x01000193u;
    return h ^ h >> 15;
}

/* Appends what the same word became earlier in this text; *found tells whether there was one. */
static bool copy_word(const struct bpe_word *word, const char *text, size_t start, size_t length,
                      uint32_t hash, struct token_list *out, bool *found, struct error *err)
{
    *found =
        word->hash == hash && word->length == length && memcmp(text + word->start, text + start, length) == 0;
    if (!*found)
        return true;
    for (size_t i = word->first; i < word->first + word->n; i++) {
        struct token token = out->items[i];
        token.start += start - word->start;
        if (!token_list_add(out, token, err))
            return false;
    }
    return true;
}

/* The byte pieces of n bytes; `at`: the place in the text of the first, and of those beyond `room` of the
 * last. */
static bool emit_bytes(const struct bpe *bpe, const char *bytes, size_t n, size_t at, size_t room,
                       struct token_list *out, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct token token = {.placed = true, .start = at + (i < room ? i : room - 1)};
        token.id = bpe->bytes[(unsigned char)bytes[i]];
        if (!token_list_add(out, token, err))
            return false;
    }
    return true;
}

/* Tokens of a symbol that is no piece; `first` is the first token of the piece of text. */
static bool emit_unknown(const struct bpe *bpe, const struct bpe_work *w, const char *text, size_t at,
                         size_t n, size_t first, struct token_list *out, struct error *err)
{
    const char *bytes = text + at;
    size_t n_bytes = n;
    if (n == 3 && memcmp(bytes, "\xef\xbf\xbd", 3) == 0 && is_raw(bpe, w, 0xfffd, at)) {
        bytes = w->original + w->origin[at];
        n_bytes = w->origin[at + 3] - w->origin[at];
    }
    if (bpe->byte_fallback && byte_pieces_complete(bpe->bytes, bytes, n_bytes))
        return emit_bytes(bpe, bytes, n_bytes, at, n, out, err);
    bool fused = bpe->fuse_unknown && out->n > first && out->items[out->n - 1].id == bpe->unknown;
    struct token token = {.id = bpe->unknown, .placed = true, .start = at};
    return bpe->unknown == NONE || fused || token_list_add(out, token, err);
}

/* Where a segment lies in the text, and its first symbol; `tokens` is the first token of its piece. */
struct segment {
    size_t start, length, tokens;
    uint32_t symbol;
};

static bool emit_segment(const struct bpe *bpe, struct bpe_work *w, struct segment s, const char *text,
                         struct token_list *out, struct error *err)
{
    bool found = false, keep = w->words && s.length <= LONGEST_WORD;
    uint32_t hash = keep ? hash_word(text + s.start, s.length) : 0;
    struct bpe_word *word = keep ? &w->words[hash % WORDS] : NULL;
    if (keep && !copy_word(word, text, s.start, s.length, hash, out, &found, err))
        return false;
    if (found)
        return true;
    if (!merge_segment(bpe, w, s.symbol, err))
        return false;
    size_t before = out->n, at = s.start;
    for (uint32_t i = s.symbol; i != NONE; at += w->symbols[i].length, i = w->symbols[i].next) {
        uint32_t id = w->symbols[i].id;
        bool fine = id == NONE
                        ? emit_unknown(bpe, w, text, at, w->symbols[i].length, s.tokens, out, err)
                        : token_list_add(out, (struct token){.id = id, .placed = true, .start = at}, err);
        if (!fine)
            return false;
        keep &= id != NONE; /* what becomes of it may depend on what stands before it */
    }
    if (keep)
        *word = (struct bpe_word){hash, (uint32_t)s.start, (uint32_t)s.length, (uint32_t)before,
                                  (uint32_t)(out->n - before)};
    return true;
}

bool bpe_encode(const struct bpe *bpe, const char *text, size_t start, size_t end, struct bpe_work *work,
                struct token_list *out, struct error *err)
{
    uint32_t id;
    if (bpe->ignore_merges && vocabulary_find(bpe->vocabulary, text + start, end - start, &id))
        return token_list_add(out, (struct token){.id = id, .placed = true, .start = start}, err);
    size_t at = 0, tokens = out->n;
    work->piece = text + start;
    if (!(bpe->ranks ? read_ranked(bpe, text + start, start, end - start, work, err)
                     : read_symbols(bpe, text + start, end - start, work, &at, err)))
        return false;
    at += start;
    for (size_t i = 0; i < work->n_symbols;) {
        struct segment s = {.start = at, .tokens = tokens, .symbol = (uint32_t)i};
        do
            s.length += work->symbols[i++].length;
        while (i < work->n_symbols && work->symbols[i].previous != NONE);
        if (!emit_segment(bpe, work, s, text, out, err))
            return false;
        at += s.length;
    }
    return true;
}
