#include "scored_pieces.h"

#include <float.h>
#include <math.h>

#include "memory.h"
#include "quote.h"
#include "utf8.h"

void scored_pieces_release(struct scored_pieces *s)
{
    free(s->scores);
    s->scores = NULL;
}

static bool grow(struct scored_pieces *s, struct error *err)
{
    size_t capacity = s->capacity ? 2 * s->capacity : 4096;
    float *scores = memory_resize(s->scores, capacity, sizeof *scores);
    if (scores)
        s->scores = scores;
    uint8_t *kinds = scores ? memory_resize(s->t->kinds, capacity, 1) : NULL;
    if (!kinds)
        return error_memory(err, "reading a vocabulary");
    s->t->kinds = kinds;
    s->capacity = capacity;
    return true;
}

static bool is_utf8(const char *text, size_t n)
{
    uint32_t code = 0;
    for (size_t i = 0; i < n && code != UTF8_BAD;)
        i += utf8_decode(text + i, n - i, &code);
    return code != UTF8_BAD;
}

bool scored_pieces_add(struct scored_pieces *s, const char *piece, size_t n, float score,
                       enum piece_kind kind, struct error *err)
{
    size_t id = s->t->vocabulary.n;
    if (!isfinite(score))
        return error_set(err, ERROR_FORMAT, "%s: the score of piece %zu is not finite", s->t->name, id);
    if (!is_utf8(piece, n))
        return error_set(err, ERROR_FORMAT, "%s: piece %zu, %s, is not UTF-8", s->t->name, id,
                         quote_bytes(piece, n).text);
    if (id == s->capacity && !grow(s, err))
        return false;
    if (!vocabulary_add(&s->t->vocabulary, piece, n, id, err))
        return error_prefix(err, "%s", s->t->name);
    s->scores[id] = score;
    s->t->kinds[id] = (uint8_t)kind;
    s->has[kind] = true;
    return true;
}

static int compare_scores(const void *a, const void *b, void *context)
{
    const float *scores = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    return scores[i] != scores[k] ? (scores[i] < scores[k] ? 1 : -1) : (i > k) - (i < k);
}

static bool in_text(const struct tokenizer *t, uint32_t id)
{
    return KINDS_IN_TEXT >> t->kinds[id] & 1;
}

bool scored_pieces_bpe(const struct scored_pieces *s, struct error *err)
{
    struct tokenizer *t = s->t;
    size_t n = t->vocabulary.n;
    uint32_t *order = memory_array(n, sizeof *order), *ranks = memory_array(n, sizeof *ranks);
    if (!order || !ranks) {
        free(order);
        free(ranks);
        return error_memory(err, "reading a vocabulary");
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    if (n)
        qsort_r(order, n, sizeof *order, compare_scores, s->scores);
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) { /* equal scores have equal ranks: then the leftmost pair merges first */
        rank += i > 0 && s->scores[order[i]] != s->scores[order[i - 1]];
        ranks[order[i]] = in_text(t, order[i]) ? rank : NO_PIECE;
    }
    free(order);
    t->model = &model_bpe;
    t->bpe.vocabulary = &t->vocabulary;
    t->bpe.prefix = t->bpe.suffix = "";
    bpe_prepare(&t->bpe);
    return bpe_join_by_rank(&t->bpe, ranks, err);
}

bool scored_pieces_unigram(const struct scored_pieces *s, struct error *err)
{
    struct tokenizer *t = s->t;
    size_t n = t->vocabulary.n;
    t->model = &model_unigram;
    t->unigram.scores = memory_array(n, sizeof *t->unigram.scores);
    if (!t->unigram.scores)
        return error_memory(err, "reading a vocabulary");
    float lowest = FLT_MAX;
    for (size_t i = 0; i < n; i++) {
        t->unigram.scores[i] = (double)s->scores[i];
        if (t->kinds[i] == KIND_NORMAL && s->scores[i] < lowest)
            lowest = s->scores[i];
    }
    t->unigram.unknown_score = (double)(lowest - (float)UNIGRAM_PENALTY);
    byte_pieces_find(&t->vocabulary, t->unigram.bytes);
    return prefixes_build(&t->unigram.prefixes, &t->vocabulary, t->kinds, KINDS_IN_TEXT, err) ||
           error_prefix(err, "%s", t->name);
}

bool scored_pieces_add_tokens(const struct scored_pieces *s, int kinds, bool hidden, struct error *err)
{
    struct tokenizer *t = s->t;
    for (uint32_t id = 0; id < t->vocabulary.n; id++) {
        size_t n;
        const char *piece = vocabulary_piece(&t->vocabulary, id, &n);
        if (!(kinds >> t->kinds[id] & 1))
            continue;
        char *copy = arena_copy(&t->arena, piece, n);
        if (!copy)
            return error_memory(err, "reading a vocabulary");
        struct added_token token = {
            .content = {copy, n}, .special = t->kinds[id] != KIND_USER_DEFINED, .hidden = hidden};
        if (!added_tokens_add(&t->added, token, err))
            return error_prefix(err, "%s", t->name);
    }
    return true;
}
