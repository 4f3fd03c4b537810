#include "merges.h"

#include <string.h>

#include "byte_pieces.h"
#include "memory.h"
#include "quote.h"
#include "utf8.h"

enum {
    MAX_PROBE = 256,      /* as in the vocabulary: a table made to collide is refused */
    JOINT_BITS = 1 << 20, /* a vocabulary of 262,144 pieces has about 60,000 joints */
};

#define EMPTY UINT64_MAX

static uint64_t scatter(uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    return (key ^ key >> 32) * 0xd6e8feb86659fd93u >> 32;
}

static uint64_t key(struct merge_pair pair)
{
    return (uint64_t)pair.left << 32 | pair.right;
}

const struct merge_slot *merges_find(const struct merges *m, uint32_t left, uint32_t right)
{
    uint64_t pair = key((struct merge_pair){left, right});
    size_t i = scatter(pair) & (m->n_slots - 1);
    for (int probe = 0; probe <= MAX_PROBE && m->slots[i].pair != EMPTY;
         probe++, i = (i + 1) & (m->n_slots - 1))
        if (m->slots[i].pair == pair)
            return &m->slots[i];
    return NULL;
}

static uint64_t joint(uint32_t last, uint32_t first)
{
    return scatter((uint64_t)last << 32 | first) & (JOINT_BITS - 1);
}

bool merges_may_join(const struct merges *m, uint32_t last, uint32_t first)
{
    uint64_t bit = joint(last, first);
    return m->joints[bit / 64] >> bit % 64 & 1;
}

static void enter_joint(struct merges *m, uint32_t last, uint32_t first)
{
    uint64_t bit = joint(last, first);
    m->joints[bit / 64] |= (uint64_t)1 << bit % 64;
}

static uint32_t first_character(const char *piece, size_t n)
{
    uint32_t code = 0;
    if (n)
        utf8_decode(piece, n, &code);
    return code;
}

static uint32_t last_character(const char *piece, size_t n)
{
    size_t start = n;
    while (start > 0 && ((unsigned char)piece[--start] & 0xc0) == 0x80)
        ;
    return first_character(piece + start, n - start);
}

static bool insert(struct merges *m, struct merge_slot merge, struct error *err)
{
    size_t i = scatter(merge.pair) & (m->n_slots - 1);
    for (int probe = 0; probe <= MAX_PROBE; probe++, i = (i + 1) & (m->n_slots - 1))
        if (m->slots[i].pair == EMPTY || m->slots[i].pair == merge.pair) {
            m->slots[i] = merge;
            return true;
        }
    return error_set(err, ERROR_FORMAT, "more than %d merges collide", MAX_PROBE);
}

static bool add(struct merges *m, struct merge_pair pair, uint32_t rank, const struct vocabulary *v,
                size_t n_prefix, struct error *err)
{
    size_t n_left = 0, n_right = 0;
    const char *left = vocabulary_piece(v, pair.left, &n_left);
    const char *right = vocabulary_piece(v, pair.right, &n_right);
    if (!left || !right || n_right < n_prefix)
        return error_set(err, ERROR_FORMAT, "merge %u joins a piece that is too short for the prefix", rank);
    uint32_t id;
    if (!vocabulary_find_joined(v, left, n_left, right + n_prefix, n_right - n_prefix, &id))
        return error_set(err, ERROR_FORMAT,
                         "merge %u makes a piece of %s and %s that is not in the vocabulary", rank,
                         quote_bytes(left, n_left).text, quote_bytes(right, n_right).text);
    enter_joint(m, last_character(left, n_left), first_character(right, n_right));
    return insert(m, (struct merge_slot){key(pair), rank, id}, err);
}

/* Pieces lie anywhere in a large vocabulary: what merge i + 16 and i + 8 need is fetched while merge i is
 * added.
 */
static void fetch_ahead(const struct merges *m, const struct merge_pair *pairs, size_t i, size_t n,
                        const struct vocabulary *v)
{
    if (n - i > 16) {
        vocabulary_fetch(v, pairs[i + 16].left);
        vocabulary_fetch(v, pairs[i + 16].right);
    }
    if (n - i > 8) {
        vocabulary_fetch_piece(v, pairs[i + 8].left);
        vocabulary_fetch_piece(v, pairs[i + 8].right);
        __builtin_prefetch(&m->slots[scatter(key(pairs[i + 8])) & (m->n_slots - 1)]);
    }
}

bool merges_build(struct merges *m, const struct merge_pair *pairs, size_t n, const struct vocabulary *v,
                  size_t n_prefix, struct error *err)
{
    *m = (struct merges){.n_slots = 16};
    while (m->n_slots < 2 * n)
        m->n_slots *= 2;
    m->slots = memory_array(m->n_slots, sizeof *m->slots);
    m->joints = memory_zeroed(JOINT_BITS / 64, sizeof *m->joints);
    if (!m->slots || !m->joints)
        return error_memory(err, "reading merges");
    for (size_t i = 0; i < m->n_slots; i++)
        m->slots[i].pair = EMPTY;
    for (size_t i = 0; i < n; i++) {
        fetch_ahead(m, pairs, i, n, v);
        if (!add(m, pairs[i], (uint32_t)i, v, n_prefix, err))
            return false;
    }
    return true;
}

bool merges_build_joints(struct merges *m, const struct vocabulary *v, const uint32_t *ranks,
                         struct error *err)
{
    *m = (struct merges){.joints = memory_zeroed(JOINT_BITS / 64, sizeof *m->joints)};
    if (!m->joints)
        return error_memory(err, "reading a vocabulary");
    for (uint32_t id = 0; id < v->size; id++) {
        size_t n = 0;
        const char *piece = ranks[id] == NO_PIECE ? NULL : vocabulary_piece(v, id, &n);
        uint32_t last = 0, code;
        for (size_t i = 0, length; piece && i < n; i += length, last = code) {
            length = utf8_decode(piece + i, n - i, &code);
            if (i)
                enter_joint(m, last, code);
        }
    }
    return true;
}

void merges_release(struct merges *m)
{
    free(m->slots);
    free(m->joints);
    *m = (struct merges){0};
}
