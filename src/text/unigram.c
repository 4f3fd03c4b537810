#include "unigram.h"

#include "memory.h"
#include "utf8.h"

#define UNREACHED UINT32_MAX

void unigram_release(struct unigram *u)
{
    prefixes_release(&u->prefixes);
    free(u->scores);
    *u = (struct unigram){0};
}

void unigram_work_release(struct unigram_work *work)
{
    free(work->nodes);
    *work = (struct unigram_work){0};
}

static bool prepare(struct unigram_work *w, size_t n, struct error *err)
{
    if (n + 1 > w->capacity) {
        struct unigram_node *nodes = memory_resize(w->nodes, n + 1, sizeof *nodes);
        if (!nodes)
            return error_memory(err, "tokenizing a text");
        w->nodes = nodes;
        w->capacity = n + 1;
    }
    for (size_t i = 0; i <= n; i++)
        w->nodes[i] = (struct unigram_node){0, UNREACHED, 0};
    return true;
}

static void offer(const struct unigram *u, struct unigram_node *node, double score, size_t start, uint32_t id)
{
    if (u->single)
        score = (double)(float)score;
    if (node->start == UNREACHED || score > node->score)
        *node = (struct unigram_node){score, (uint32_t)start, id};
}

/* SentencePiece counts on from 0 when a sum leaves the range in which float is exact enough. */
static void count_from_here(struct unigram_node *nodes, size_t at, size_t frontier)
{
    const double largest = 100000;
    double offset = nodes[at].score;
    if (offset >= -largest && offset <= largest)
        return;
    nodes[at].score = 0;
    for (size_t i = at + 1; i <= frontier; i++)
        nodes[i].score = (double)(float)(nodes[i].score - offset);
}

/* The best way to every place of the text. */
static bool search(const struct unigram *u, const char *text, size_t n, struct unigram_node *nodes,
                   struct error *err)
{
    size_t frontier = 0; /* the last place reached */
    for (size_t at = 0, length; at < n; at += length) {
        uint32_t code, id;
        bool single = false;
        struct prefix_walk walk = prefixes_begin("", 0);
        if (u->single)
            count_from_here(nodes, at, frontier);
        double before = nodes[at].score;
        length = utf8_decode(text + at, n - at, &code);
        frontier = frontier > at + length ? frontier : at + length;
        while (prefixes_next(&u->prefixes, &walk, text + at, n - at, &id)) {
            if (u->prefixes.kinds && u->prefixes.kinds[id] == KIND_UNUSED)
                continue;
            offer(u, &nodes[at + walk.length], u->scores[id] + before, at, id);
            single |= walk.length == length;
            frontier = frontier > at + walk.length ? frontier : at + walk.length;
        }
        if (single)
            continue;
        if (u->unknown == NO_PIECE)
            return error_set(err, ERROR_FORMAT,
                             "the Unigram model has no unknown token, but the text needs it");
        offer(u, &nodes[at + length], u->unknown_score + before, at, u->unknown);
    }
    return true;
}

/* Tokens of an unknown stretch of the text, the last first. One that is spelt like a piece (<unk>) is that
 * piece. */
static bool put_unknown(const struct unigram *u, const char *text, size_t start, size_t end,
                        struct token_list *out, struct error *err)
{
    uint32_t piece;
    if (!u->prefixes.kinds && vocabulary_find(u->prefixes.vocabulary, text + start, end - start, &piece))
        return token_list_add(out, (struct token){.id = piece, .placed = true, .start = start}, err);
    if (!u->byte_fallback || !byte_pieces_complete(u->bytes, text + start, end - start))
        return token_list_add(out, (struct token){.id = u->unknown, .placed = true, .start = start}, err);
    for (size_t i = end; i > start; i--) {
        uint32_t id = u->bytes[(unsigned char)text[i - 1]];
        if (!token_list_add(out, (struct token){.id = id, .placed = true, .start = i - 1}, err))
            return false;
    }
    return true;
}

/* Tokens of the best way, the last first. */
static bool trace(const struct unigram *u, const char *text, size_t start, size_t n,
                  const struct unigram_node *nodes, struct token_list *out, struct error *err)
{
    for (size_t end = n; end > 0;) {
        struct unigram_node node = nodes[end];
        size_t from = node.start;
        bool fine;
        if (node.id == u->unknown) {
            while (from > 0 && nodes[from].id == u->unknown)
                from = nodes[from].start;
            fine = put_unknown(u, text, start + from, start + end, out, err);
        } else {
            fine = token_list_add(out, (struct token){.id = node.id, .placed = true, .start = start + from},
                                  err);
        }
        if (!fine)
            return false;
        end = from;
    }
    return true;
}

bool unigram_encode(const struct unigram *u, const char *text, size_t start, size_t end,
                    struct unigram_work *work, struct token_list *out, struct error *err)
{
    size_t n = end - start, first = out->n;
    if (!prepare(work, n, err) || !search(u, text + start, n, work->nodes, err) ||
        !trace(u, text, start, n, work->nodes, out, err))
        return false;
    for (size_t low = first, high = out->n; low + 1 < high; low++) {
        struct token token = out->items[--high];
        out->items[high] = out->items[low];
        out->items[low] = token;
    }
    return true;
}
