#include "prefixes.h"

#include <string.h>

#include "memory.h"

enum { BITS_PER_BYTE = 8, FEWEST_LOG2 = 12, MOST_LOG2 = 32 };

static uint64_t bit_of(const struct prefixes *p, uint64_t hash)
{
    return (hash ^ hash >> 29) * 0xd6e8feb86659fd93u >> p->shift;
}

static bool is_wanted(const struct prefixes *p, uint32_t id)
{
    return !p->kinds || p->wanted >> p->kinds[id] & 1;
}

static bool measure(struct prefixes *p, size_t *total, struct error *err)
{
    *total = 0;
    for (uint32_t id = 0; id < p->vocabulary->size; id++) {
        size_t n;
        if (!vocabulary_piece(p->vocabulary, id, &n) || !is_wanted(p, id))
            continue;
        if (n > PREFIXES_LONGEST)
            return error_set(err, ERROR_UNSUPPORTED, "piece %u has %zu bytes, at most %d are supported", id,
                             n, PREFIXES_LONGEST);
        *total += n;
        if (n > p->longest)
            p->longest = n;
    }
    return true;
}

static void enter(struct prefixes *p, const char *piece, size_t n)
{
    uint64_t hash = VOCABULARY_HASH;
    for (size_t i = 0; i < n; i++) {
        hash = vocabulary_hash(hash, piece + i, 1);
        uint64_t bit = bit_of(p, hash);
        p->bits[bit / 64] |= (uint64_t)1 << bit % 64;
    }
}

bool prefixes_build(struct prefixes *p, const struct vocabulary *v, const uint8_t *kinds, int wanted,
                    struct error *err)
{
    size_t total;
    *p = (struct prefixes){.vocabulary = v, .kinds = kinds, .wanted = wanted};
    if (!measure(p, &total, err))
        return false;
    unsigned log2 = FEWEST_LOG2;
    while (log2 < MOST_LOG2 && (uint64_t)1 << log2 < BITS_PER_BYTE * (uint64_t)total)
        log2++;
    p->shift = 64 - log2;
    p->bits = memory_zeroed((size_t)1 << (log2 - 6), sizeof *p->bits);
    if (!p->bits)
        return error_memory(err, "reading a vocabulary");
    for (uint32_t id = 0; id < v->size; id++) {
        size_t n;
        const char *piece = vocabulary_piece(v, id, &n);
        if (piece && is_wanted(p, id))
            enter(p, piece, n);
    }
    return true;
}

void prefixes_release(struct prefixes *p)
{
    free(p->bits);
    *p = (struct prefixes){0};
}

struct prefix_walk prefixes_begin(const char *lead, size_t n_lead)
{
    return (struct prefix_walk){lead, n_lead, vocabulary_hash(VOCABULARY_HASH, lead, n_lead), 0};
}

bool prefixes_next(const struct prefixes *p, struct prefix_walk *walk, const char *text, size_t n,
                   uint32_t *id)
{
    while (walk->length < n && walk->n_lead + walk->length < p->longest) {
        walk->hash = vocabulary_hash(walk->hash, text + walk->length++, 1);
        uint64_t bit = bit_of(p, walk->hash);
        if (!(p->bits[bit / 64] >> bit % 64 & 1))
            break;
        bool inside = walk->length < n && ((unsigned char)text[walk->length] & 0xc0) == 0x80;
        if (!inside &&
            vocabulary_find_hashed(p->vocabulary, walk->hash, walk->lead, walk->n_lead, text, walk->length,
                                   id) &&
            is_wanted(p, *id))
            return true;
    }
    walk->length = n; /* the end of this walk */
    return false;
}

size_t prefixes_longest(const struct prefixes *p, const char *text, size_t n, uint32_t *id)
{
    size_t longest = 0;
    uint32_t found;
    struct prefix_walk walk = prefixes_begin("", 0);
    while (prefixes_next(p, &walk, text, n, &found)) {
        *id = found;
        longest = walk.length;
    }
    return longest;
}
