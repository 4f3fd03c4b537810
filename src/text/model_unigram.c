/* The object "model" of a tokenizer.json whose type is Unigram:
 *
 *     {"unk_id": ID or null, "byte_fallback": BOOL, "vocab": [[PIECE, SCORE], ..]} */
#include "tokenizer_parts.h"

#include "memory.h"

struct unigram_reading {
    struct tokenizer *t;
    uint64_t unknown;
    bool byte_fallback;
    double lowest;
    size_t capacity;
};

static bool add_piece(struct unigram_reading *reading, struct json_text piece, size_t id, struct error *err)
{
    struct tokenizer *t = reading->t;
    if (id == reading->capacity) {
        size_t capacity = reading->capacity ? 2 * reading->capacity : 1024;
        double *scores = memory_resize(t->unigram.scores, capacity, sizeof *scores);
        if (!scores)
            return error_memory(err, "reading a vocabulary");
        t->unigram.scores = scores;
        reading->capacity = capacity;
    }
    return vocabulary_add(&t->vocabulary, piece.data, piece.length, id, err);
}

static bool read_entry(struct json_reader *r, struct unigram_reading *reading, struct error *err)
{
    struct tokenizer *t = reading->t;
    struct json_text piece;
    size_t id = t->vocabulary.n;
    bool more;
    if (!json_array_begin(&r->scan, err) || !json_array_next(&r->scan, &more, err))
        return false;
    if (!more || !json_string(&r->scan, &piece, err))
        return more ? false : json_scan_error(&r->scan, err, "an entry of the vocabulary is empty");
    if (!add_piece(reading, piece, id, err))
        return json_place(r, err);
    if (!json_array_next(&r->scan, &more, err))
        return false;
    if (!more)
        return json_scan_error(&r->scan, err, "an entry of the vocabulary has no score");
    double *score = &t->unigram.scores[id];
    if (!json_number(&r->scan, score, err))
        return false;
    if (id == 0 || *score < reading->lowest)
        reading->lowest = *score;
    return json_array_next(&r->scan, &more, err) &&
           (!more ||
            json_scan_error(&r->scan, err, "an entry of the vocabulary has more than piece and score"));
}

static bool read_entries(struct json_reader *r, void *base, struct error *err)
{
    struct unigram_reading *reading = base;
    bool more;
    if (!json_array_begin(&r->scan, err))
        return false;
    while (json_array_next(&r->scan, &more, err)) {
        if (!more)
            return vocabulary_finish(&reading->t->vocabulary, err) || json_place(r, err);
        if (!read_entry(r, reading, err))
            return false;
    }
    return false;
}

static bool read_unigram(struct json_reader *r, struct tokenizer *t, struct error *err)
{
#define FIELD(name) offsetof(struct unigram_reading, name)
    static const struct member members[] = {
        {"unk_id", MEMBER_U64, FIELD(unknown), false, NULL},
        {"byte_fallback", MEMBER_BOOL, FIELD(byte_fallback), false, NULL},
        {"vocab", MEMBER_READ, 0, true, read_entries},
    };
#undef FIELD
    struct unigram_reading reading = {.t = t, .unknown = NO_PIECE};
    struct unigram *u = &t->unigram;
    if (!json_members(r, "the Unigram model", members, sizeof members / sizeof *members, &reading, err))
        return false;
    if (reading.unknown != NO_PIECE && reading.unknown >= t->vocabulary.n)
        return json_scan_error(&r->scan, err, "the unk_id is %llu, but there are %zu pieces",
                               (unsigned long long)reading.unknown, t->vocabulary.n);
    u->unknown = (uint32_t)reading.unknown;
    u->unknown_score = reading.lowest - UNIGRAM_PENALTY;
    u->byte_fallback = reading.byte_fallback;
    byte_pieces_find(&t->vocabulary, u->bytes);
    return prefixes_build(&u->prefixes, &t->vocabulary, NULL, KINDS_ALL, err) || json_place(r, err);
}

static bool encode(const struct tokenizer *t, struct encoding *e, struct piece piece, struct token_list *out,
                   struct error *err)
{
    return unigram_encode(&t->unigram, e->text.data, piece.start, piece.end, &e->lattice, out, err);
}

const struct model_row model_unigram = {.type = "Unigram", .read = read_unigram, .encode = encode};
