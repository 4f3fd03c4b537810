#include "vocabulary.h"

#include <string.h>

#include "memory.h"
#include "quote.h"

/* In a table that is half full no piece lies this far from its home, unless the pieces were made to collide:
 * such a vocabulary is refused, so that every search is short. */
enum { MAX_PROBE = 256, FIRST_SLOTS = 1024 };

uint64_t vocabulary_hash(uint64_t h, const char *bytes, size_t n) /* FNV-1a */
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return h;
}

static uint32_t finish_hash(uint64_t h)
{
    return (uint32_t)((h ^ h >> 32) * 0x9e3779b97f4a7c15u >> 32);
}

static bool slot_holds(const struct vocabulary *v, const struct vocabulary_slot *slot, uint32_t hash,
                       const char *a, size_t n_a, const char *b, size_t n_b)
{
    const char *bytes = v->bytes + slot->offset;
    return slot->hash == hash && slot->length == n_a + n_b && memcmp(bytes, a, n_a) == 0 &&
           (n_b == 0 || memcmp(bytes + n_a, b, n_b) == 0);
}

bool vocabulary_find_hashed(const struct vocabulary *v, uint64_t h, const char *a, size_t n_a, const char *b,
                            size_t n_b, uint32_t *id)
{
    if (!v->n_slots)
        return false;
    uint32_t hash = finish_hash(h);
    size_t i = hash & (v->n_slots - 1);
    for (int probe = 0; probe <= MAX_PROBE && v->slots[i].offset; probe++, i = (i + 1) & (v->n_slots - 1))
        if (slot_holds(v, &v->slots[i], hash, a, n_a, b, n_b)) {
            *id = v->slots[i].id;
            return true;
        }
    return false;
}

bool vocabulary_find_joined(const struct vocabulary *v, const char *a, size_t n_a, const char *b, size_t n_b,
                            uint32_t *id)
{
    uint64_t h = vocabulary_hash(vocabulary_hash(VOCABULARY_HASH, a, n_a), b, n_b);
    return vocabulary_find_hashed(v, h, a, n_a, b, n_b, id);
}

bool vocabulary_find(const struct vocabulary *v, const char *bytes, size_t n, uint32_t *id)
{
    return vocabulary_find_joined(v, bytes, n, "", 0, id);
}

/* The empty slot for a hash, NULL when it is too far from its home. */
static struct vocabulary_slot *empty_slot(struct vocabulary_slot *slots, size_t n_slots, uint32_t hash)
{
    size_t i = hash & (n_slots - 1);
    for (int probe = 0; probe <= MAX_PROBE; probe++, i = (i + 1) & (n_slots - 1))
        if (!slots[i].offset)
            return &slots[i];
    return NULL;
}

static bool collide(struct error *err)
{
    return error_set(err, ERROR_FORMAT, "more than %d pieces of the vocabulary collide", MAX_PROBE);
}

static bool grow_slots(struct vocabulary *v, struct error *err)
{
    size_t n_slots = v->n_slots ? 2 * v->n_slots : FIRST_SLOTS;
    struct vocabulary_slot *slots = memory_zeroed(n_slots, sizeof *slots);
    if (!slots)
        return error_memory(err, "reading a vocabulary");
    for (size_t old = 0; old < v->n_slots; old++) {
        if (!v->slots[old].offset)
            continue;
        struct vocabulary_slot *slot = empty_slot(slots, n_slots, v->slots[old].hash);
        if (!slot) {
            free(slots);
            return collide(err);
        }
        *slot = v->slots[old];
    }
    free(v->slots);
    v->slots = slots;
    v->n_slots = n_slots;
    return true;
}

/* Stores the bytes and tells where. */
static bool store(struct vocabulary *v, const char *bytes, size_t n, uint32_t *offset, struct error *err)
{
    size_t at = v->n_bytes ? v->n_bytes : 1;
    if (n >= UINT32_MAX - at)
        return error_set(err, ERROR_FORMAT, "the pieces of the vocabulary take more than 4 GiB");
    if (at + n + 1 > v->bytes_capacity) {
        size_t capacity = at + n + 1 + v->bytes_capacity / 2 + FIRST_SLOTS;
        char *grown = memory_resize(v->bytes, capacity, 1);
        if (!grown)
            return error_memory(err, "reading a vocabulary");
        v->bytes = grown;
        v->bytes_capacity = capacity;
    }
    memcpy(v->bytes + at, bytes, n);
    v->bytes[at + n] = '\0';
    v->n_bytes = at + n + 1;
    *offset = (uint32_t)at;
    return true;
}

bool vocabulary_add(struct vocabulary *v, const char *bytes, size_t n, uint64_t id, struct error *err)
{
    if (id > VOCABULARY_MAX_ID)
        return error_set(err, ERROR_FORMAT, "token id %llu is larger than %d", (unsigned long long)id,
                         VOCABULARY_MAX_ID);
    if (2 * (v->n + 1) > v->n_slots && !grow_slots(v, err))
        return false;
    uint32_t other;
    if (vocabulary_find(v, bytes, n, &other))
        return error_set(err, ERROR_FORMAT, "the piece %s is in the vocabulary twice",
                         quote_bytes(bytes, n).text);
    uint32_t hash = finish_hash(vocabulary_hash(VOCABULARY_HASH, bytes, n));
    struct vocabulary_slot *slot = empty_slot(v->slots, v->n_slots, hash);
    if (!slot)
        return collide(err);
    uint32_t offset = 0;
    if (!store(v, bytes, n, &offset, err))
        return false;
    *slot = (struct vocabulary_slot){hash, (uint32_t)id, offset, (uint32_t)n};
    v->n++;
    if (id >= v->size)
        v->size = (uint32_t)id + 1;
    return true;
}

bool vocabulary_finish(struct vocabulary *v, struct error *err)
{
    /* Sparse ids exist; a table far larger than the file that asks for it does not. */
    if (v->size > 16 * v->n + 65536)
        return error_set(err, ERROR_FORMAT, "the highest token id is %u, but there are only %zu pieces",
                         v->size - 1, v->n);
    struct vocabulary_piece *by_id = memory_zeroed(v->size, sizeof *by_id);
    if (!by_id)
        return error_memory(err, "reading a vocabulary");
    for (size_t i = 0; i < v->n_slots; i++) {
        const struct vocabulary_slot *slot = &v->slots[i];
        struct vocabulary_piece *piece = &by_id[slot->id];
        if (slot->offset && (!piece->offset || slot->offset < piece->offset))
            *piece = (struct vocabulary_piece){slot->offset, slot->length};
    }
    free(v->by_id);
    v->by_id = by_id;
    return true;
}

void vocabulary_release(struct vocabulary *v)
{
    free(v->bytes);
    free(v->slots);
    free(v->by_id);
    *v = (struct vocabulary){0};
}

const char *vocabulary_piece(const struct vocabulary *v, uint32_t id, size_t *n)
{
    if (id >= v->size || !v->by_id || !v->by_id[id].offset)
        return NULL;
    *n = v->by_id[id].length;
    return v->bytes + v->by_id[id].offset;
}

void vocabulary_fetch_hashed(const struct vocabulary *v, uint64_t hash)
{
    if (v->n_slots)
        __builtin_prefetch(&v->slots[finish_hash(hash) & (v->n_slots - 1)]);
}

void vocabulary_fetch(const struct vocabulary *v, uint32_t id)
{
    if (v->by_id && id < v->size)
        __builtin_prefetch(&v->by_id[id]);
}

void vocabulary_fetch_piece(const struct vocabulary *v, uint32_t id)
{
    if (v->by_id && id < v->size)
        __builtin_prefetch(v->bytes + v->by_id[id].offset);
}
