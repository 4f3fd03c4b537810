/* The object "model" of a tokenizer.json whose type is BPE. */
#include "tokenizer_parts.h"

#include <string.h>

#include "memory.h"
#include "quote.h"

bool merge_reading_add(struct merge_reading *m, const struct vocabulary *v, struct json_text left,
                       struct json_text right, struct error *err)
{
    struct merge_pair pair;
    uint64_t left_hash = vocabulary_hash(VOCABULARY_HASH, left.data, left.length);
    uint64_t right_hash = vocabulary_hash(VOCABULARY_HASH, right.data, right.length);
    vocabulary_fetch_hashed(v, left_hash);
    vocabulary_fetch_hashed(v, right_hash);
    bool has_left = vocabulary_find_hashed(v, left_hash, left.data, left.length, "", 0, &pair.left);
    if (!has_left || !vocabulary_find_hashed(v, right_hash, right.data, right.length, "", 0, &pair.right)) {
        struct json_text missing = has_left ? right : left;
        return error_set(err, ERROR_FORMAT, "merge %zu joins %s, which is not in the vocabulary", m->n,
                         quote_bytes(missing.data, missing.length).text);
    }
    if (m->n == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        struct merge_pair *pairs = memory_resize(m->pairs, capacity, sizeof *pairs);
        if (!pairs)
            return error_memory(err, "reading merges");
        m->pairs = pairs;
        m->capacity = capacity;
    }
    m->pairs[m->n++] = pair;
    return true;
}

bool merge_reading_add_joined(struct merge_reading *m, const struct vocabulary *v, struct json_text joined,
                              struct error *err)
{
    const char *space = memchr(joined.data, ' ', joined.length);
    size_t left = space ? (size_t)(space - joined.data) : 0, right = joined.length - left - 1;
    if (!space || memchr(space + 1, ' ', right))
        return error_set(err, ERROR_FORMAT, "merge %zu, %s, is not two pieces with one space between them",
                         m->n, quote_bytes(joined.data, joined.length).text);
    return merge_reading_add(m, v, (struct json_text){joined.data, left},
                             (struct json_text){space + 1, right}, err);
}

struct bpe_reading {
    struct tokenizer *t;
    struct json_text unknown, prefix, suffix;
    bool fuse_unknown, byte_fallback, ignore_merges;
    bool has_vocabulary, postponed;
    struct json_scan merges_at; /* merges that come before the vocabulary are read after it */
    struct merge_reading merges;
};

static bool read_dropout(struct json_reader *r, void *base, struct error *err)
{
    (void)base;
    double dropout;
    if (!json_number(&r->scan, &dropout, err))
        return false;
    if (dropout == 0)
        return true;
    error_set(err, ERROR_UNSUPPORTED,
              "a BPE model with dropout %g gives other tokens each time and is not supported", dropout);
    return json_place(r, err);
}

static bool read_vocabulary(struct json_reader *r, void *base, struct error *err)
{
    struct bpe_reading *reading = base;
    reading->has_vocabulary = true;
    return tokenizer_read_vocabulary(r, &reading->t->vocabulary, err);
}

static bool read_pair(struct json_reader *r, struct bpe_reading *reading, struct error *err)
{
    struct json_text left, right;
    char first[64];
    bool more;
    if (!json_array_begin(&r->scan, err) || !json_array_next(&r->scan, &more, err))
        return false;
    if (!more || !json_string(&r->scan, &left, err))
        return more ? false : json_scan_error(&r->scan, err, "a merge is empty");
    if (left.data == r->scan.buffer) { /* the next string would overwrite it */
        char *copy = left.length <= sizeof first ? first : arena_array(r->arena, left.length, 1);
        if (!copy)
            return error_memory(err, "reading merges");
        memcpy(copy, left.data, left.length);
        left.data = copy;
    }
    if (!json_array_next(&r->scan, &more, err))
        return false;
    if (!more || !json_string(&r->scan, &right, err))
        return more ? false : json_scan_error(&r->scan, err, "a merge has one piece");
    if (!merge_reading_add(&reading->merges, &reading->t->vocabulary, left, right, err))
        return json_place(r, err);
    if (!json_array_next(&r->scan, &more, err))
        return false;
    return !more || json_scan_error(&r->scan, err, "a merge has more than two pieces");
}

static bool read_joined(struct json_reader *r, struct bpe_reading *reading, struct error *err)
{
    struct json_text joined;
    if (!json_string(&r->scan, &joined, err))
        return false;
    if (joined.length >= 8 && memcmp(joined.data, "#version", 8) == 0)
        return true;
    return merge_reading_add_joined(&reading->merges, &reading->t->vocabulary, joined, err) ||
           json_place(r, err);
}

static bool read_merge_list(struct json_reader *r, struct bpe_reading *reading, struct error *err)
{
    bool more;
    enum json_type type;
    if (!json_array_begin(&r->scan, err))
        return false;
    while (json_array_next(&r->scan, &more, err)) {
        if (!more)
            return true;
        if (!json_peek(&r->scan, &type, err))
            return false;
        if (!(type == JSON_STRING ? read_joined(r, reading, err) : read_pair(r, reading, err)))
            return false;
    }
    return false;
}

static bool read_merges(struct json_reader *r, void *base, struct error *err)
{
    struct bpe_reading *reading = base;
    if (reading->has_vocabulary)
        return read_merge_list(r, reading, err);
    reading->postponed = true;
    reading->merges_at = r->scan;
    reading->merges_at.buffer = NULL;
    reading->merges_at.buffer_size = 0;
    return json_skip(&r->scan, NULL, NULL, err);
}

static bool read_postponed(struct json_reader *r, struct bpe_reading *reading, struct error *err)
{
    struct json_reader later = {.scan = reading->merges_at, .arena = r->arena};
    bool fine = read_merge_list(&later, reading, err);
    json_scan_release(&later.scan);
    return fine;
}

static bool finish(struct bpe_reading *reading, struct error *err)
{
    struct tokenizer *t = reading->t;
    if (reading->prefix.length > BPE_MAX_AFFIX || reading->suffix.length > BPE_MAX_AFFIX)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: the prefix or suffix of the BPE model is longer than %d bytes", t->name,
                         BPE_MAX_AFFIX);
    if (reading->byte_fallback && (reading->prefix.length || reading->suffix.length))
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: a BPE model with byte_fallback and a prefix or suffix is not "
                         "supported",
                         t->name);
    t->bpe = (struct bpe){
        .vocabulary = &t->vocabulary,
        .prefix = reading->prefix.data,
        .suffix = reading->suffix.data,
        .fuse_unknown = reading->fuse_unknown,
        .byte_fallback = reading->byte_fallback,
        .ignore_merges = reading->ignore_merges,
        .unknown_piece = reading->unknown.data,
    };
    bpe_prepare(&t->bpe);
    return merges_build(&t->bpe.merges, reading->merges.pairs, reading->merges.n, &t->vocabulary,
                        reading->prefix.length, err) ||
           error_prefix(err, "%s", t->name);
}

static bool read_bpe(struct json_reader *r, struct tokenizer *t, struct error *err)
{
#define FIELD(name) offsetof(struct bpe_reading, name)
    static const struct member members[] = {
        {"dropout", MEMBER_READ, 0, false, read_dropout},
        {"unk_token", MEMBER_TEXT, FIELD(unknown), false, NULL},
        {"continuing_subword_prefix", MEMBER_TEXT, FIELD(prefix), false, NULL},
        {"end_of_word_suffix", MEMBER_TEXT, FIELD(suffix), false, NULL},
        {"fuse_unk", MEMBER_BOOL, FIELD(fuse_unknown), false, NULL},
        {"byte_fallback", MEMBER_BOOL, FIELD(byte_fallback), false, NULL},
        {"ignore_merges", MEMBER_BOOL, FIELD(ignore_merges), false, NULL},
        {"vocab", MEMBER_READ, 0, true, read_vocabulary},
        {"merges", MEMBER_READ, 0, true, read_merges},
    };
#undef FIELD
    struct bpe_reading reading = {.t = t, .prefix = {"", 0}, .suffix = {"", 0}};
    bool fine = json_members(r, "the BPE model", members, sizeof members / sizeof *members, &reading, err) &&
                (!reading.postponed || read_postponed(r, &reading, err)) && finish(&reading, err);
    free(reading.merges.pairs);
    return fine;
}

/* Remembering words is worth its memory in long texts. */
static bool encode_bpe(const struct tokenizer *t, struct encoding *e, struct piece piece,
                       struct token_list *out, struct error *err)
{
    enum { LONG_TEXT = 4096 };
    e->work.origin = e->text.origin;
    bool may_remember = !*t->bpe.prefix && !*t->bpe.suffix && e->text.n >= LONG_TEXT;
    return (!may_remember || e->work.words || bpe_work_remember(&e->work, err)) &&
           bpe_encode(&t->bpe, e->text.data, piece.start, piece.end, &e->work, out, err);
}

const struct model_row model_bpe = {.type = "BPE", .read = read_bpe, .encode = encode_bpe};
