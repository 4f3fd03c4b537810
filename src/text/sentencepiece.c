/* tokenizer.model of SentencePiece, a message ModelProto (proto.h) with the fields
 *
 *     1   pieces, one message each:   1 text, 2 score (float), 3 kind (prefixes.h; 1 where absent)
 *     2   trainer_spec:               3 model type (1 Unigram, 2 BPE, 3 word, 4 character)
 *                                     24 white space is a suffix, 35 byte fallback, 44 what is shown for
 * unknown, 46, 47 texts of the pieces for begin and end 3   normalizer_spec:            2 charsmap, 3 dummy
 * prefix, 4 remove extra white space, 5 escape white space (3-5 true where absent) 5   denormalizer_spec as
 * normalizer_spec, for decoding
 *
 * Source: sentencepiece/src/sentencepiece_model.proto. Ids are those of SentencePiece's own encoder: control
 * pieces are not looked for in a text, unless tokenizer_config.json names them. */
#include "tokenizer_parts.h"

#include <string.h>

#include "charsmap.h"
#include "proto.h"
#include "scored_pieces.h"
#include "sentencepiece_text.h"
#include "utf8.h"

struct model_reading {
    struct tokenizer *t;
    struct scored_pieces pieces;
    uint64_t type;
    bool byte_fallback;
    struct json_text begin, end; /* borrowed from the file */
    const unsigned char *charsmap;
    size_t n_charsmap;
    struct sentencepiece_spec *spec;
};

static bool read_piece(struct model_reading *m, struct proto p, struct error *err)
{
    struct proto_field f;
    struct json_text piece = {"", 0};
    float score = 0;
    uint64_t kind = KIND_NORMAL;
    bool more;
    while (proto_next(&p, &f, &more, err)) {
        if (!more) {
            if (piece.length == 0 || memchr(piece.data, '\0', piece.length) || kind < KIND_NORMAL ||
                kind > KIND_BYTE)
                return error_set(err, ERROR_FORMAT,
                                 "%s: piece %zu is empty, holds a NUL or is of an unknown kind", p.name,
                                 m->t->vocabulary.n);
            return scored_pieces_add(&m->pieces, piece.data, piece.length, score, (enum piece_kind)kind, err);
        }
        if (f.number == 1 && f.wire == PROTO_BYTES)
            piece = (struct json_text){(const char *)f.bytes, f.n};
        else if (f.number == 2 && f.wire == PROTO_FIXED32)
            score = proto_float(&f);
        else if (f.number == 3 && f.wire == PROTO_VARINT)
            kind = f.value;
    }
    return false;
}

static bool keep(struct model_reading *m, const struct proto_field *f, struct json_text *out,
                 struct error *err)
{
    uint32_t code = 0;
    for (size_t i = 0; i < f->n && code != UTF8_BAD;)
        i += utf8_decode((const char *)f->bytes + i, f->n - i, &code);
    if (code == UTF8_BAD)
        return error_set(err, ERROR_FORMAT, "%s: field %llu of the trainer_spec is not UTF-8", m->t->name,
                         (unsigned long long)f->number);
    char *copy = arena_copy(&m->t->arena, f->bytes, f->n);
    if (!copy)
        return error_memory(err, "reading a tokenizer");
    *out = (struct json_text){copy, f->n};
    return true;
}

static bool read_trainer(struct model_reading *m, struct proto p, struct error *err)
{
    struct proto_field f;
    bool more;
    while (proto_next(&p, &f, &more, err)) {
        if (!more)
            return true;
        if (f.wire == PROTO_VARINT && f.number == 3)
            m->type = f.value;
        else if (f.wire == PROTO_VARINT && f.number == 24)
            m->spec->space_is_suffix = f.value != 0;
        else if (f.wire == PROTO_VARINT && f.number == 35)
            m->byte_fallback = f.value != 0;
        else if (f.wire == PROTO_BYTES && f.number >= 44 && f.number <= 47 && f.number != 45) {
            struct json_text *texts[] = {&m->t->unknown_shown, NULL, &m->begin, &m->end};
            if (!keep(m, &f, texts[f.number - 44], err))
                return false;
        }
    }
    return false;
}

static bool read_normalizer(struct model_reading *m, struct proto p, struct error *err)
{
    struct proto_field f;
    bool more;
    while (proto_next(&p, &f, &more, err)) {
        if (!more)
            return true;
        bool *flags[] = {&m->spec->dummy_prefix, &m->spec->remove_extra_spaces, &m->spec->escape_spaces};
        if (f.wire == PROTO_VARINT && f.number >= 3 && f.number <= 5) {
            *flags[f.number - 3] = f.value != 0;
        } else if (f.wire == PROTO_BYTES && f.number == 2) {
            m->charsmap = f.bytes;
            m->n_charsmap = f.n;
        }
    }
    return false;
}

static bool read_denormalizer(struct model_reading *m, struct proto p, struct error *err)
{
    struct proto_field f;
    bool more;
    (void)m;
    while (proto_next(&p, &f, &more, err)) {
        if (!more)
            return true;
        if (f.wire == PROTO_BYTES && f.number == 2 && f.n)
            return error_set(err, ERROR_UNSUPPORTED, "%s: a denormalizer with a charsmap is not supported",
                             p.name);
    }
    return false;
}

static bool read_parts(struct model_reading *m, const unsigned char *bytes, size_t n, struct error *err)
{
    static const struct {
        uint64_t number;
        bool (*read)(struct model_reading *, struct proto, struct error *);
    } parts[] = {{1, read_piece}, {2, read_trainer}, {3, read_normalizer}, {5, read_denormalizer}};
    struct proto p = {m->t->name, bytes, n, 0};
    struct proto_field f;
    bool more;
    while (proto_next(&p, &f, &more, err)) {
        if (!more)
            return vocabulary_finish(&m->t->vocabulary, err) || error_prefix(err, "%s", p.name);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            struct proto part = {p.name, f.bytes, f.n, 0};
            if (f.number == parts[i].number && f.wire == PROTO_BYTES && !parts[i].read(m, part, err))
                return false;
        }
    }
    return false;
}

static bool find_unknown(struct model_reading *m, uint32_t *out, struct error *err)
{
    struct tokenizer *t = m->t;
    *out = NO_PIECE;
    for (uint32_t id = 0; id < t->vocabulary.n; id++) {
        if (t->kinds[id] != KIND_UNKNOWN)
            continue;
        if (*out != NO_PIECE)
            return error_set(err, ERROR_FORMAT, "%s: pieces %u and %u are both the unknown one", t->name,
                             *out, id);
        *out = id;
    }
    return *out != NO_PIECE || error_set(err, ERROR_FORMAT, "%s: no piece is the unknown one", t->name);
}

/* User-defined pieces win over all others, whose scores are logarithms of probabilities; of two ways to cut
 * them that with the longer pieces. */
static void favour_user_defined(struct tokenizer *t)
{
    for (uint32_t id = 0; id < t->vocabulary.n; id++) {
        size_t n = 0;
        if (t->kinds[id] == KIND_USER_DEFINED && vocabulary_piece(&t->vocabulary, id, &n))
            t->unigram.scores[id] = (double)(float)(0.1 * ((double)n - 1));
    }
}

static bool make_model(struct model_reading *m, struct error *err)
{
    struct tokenizer *t = m->t;
    uint32_t unknown;
    if (!find_unknown(m, &unknown, err))
        return false;
    t->unknown = unknown;
    if (m->type == 1) {
        if (!scored_pieces_unigram(&m->pieces, err))
            return false;
        favour_user_defined(t);
        t->unigram.unknown = unknown;
        t->unigram.single = true;
        t->unigram.byte_fallback = m->byte_fallback;
        return true;
    }
    if (m->type != 2)
        return error_set(err, ERROR_UNSUPPORTED, "%s: the model is neither Unigram nor BPE, but of type %llu",
                         t->name, (unsigned long long)m->type);
    if (m->pieces.has[KIND_UNUSED])
        return error_set(err, ERROR_UNSUPPORTED, "%s: a BPE model with unused pieces is not supported",
                         t->name);
    if (!scored_pieces_bpe(&m->pieces, err))
        return false;
    t->bpe.unknown = unknown;
    t->bpe.fuse_unknown = true;
    t->bpe.byte_fallback = m->byte_fallback;
    return !m->pieces.has[KIND_USER_DEFINED] ||
           prefixes_build(&t->bpe.frozen, &t->vocabulary, t->kinds, KINDS_USER_DEFINED, err) ||
           error_prefix(err, "%s", t->name);
}

static bool make_stages(struct model_reading *m, struct error *err)
{
    struct tokenizer *t = m->t;
    struct stage normalizer = {.row = &sentencepiece_normalizer, .spec = m->spec};
    struct stage decoder = {.row = &sentencepiece_decoder, .spec = m->spec};
    m->spec->user_defined = &t->user_defined;
    if (m->pieces.has[KIND_USER_DEFINED] &&
        !prefixes_build(&t->user_defined, &t->vocabulary, t->kinds, KINDS_USER_DEFINED, err))
        return error_prefix(err, "%s", t->name);
    if (m->n_charsmap && !charsmap_new(m->charsmap, m->n_charsmap, &normalizer.charsmap, err))
        return error_prefix(err, "%s", t->name);
    if (!stage_list_add(&t->normalizers, normalizer, err)) {
        charsmap_free(normalizer.charsmap);
        return false;
    }
    return stage_list_add(&t->decoders, decoder, err);
}

static void find_mark(const struct tokenizer *t, struct json_text piece, uint32_t *out)
{
    uint32_t id;
    *out = vocabulary_find(&t->vocabulary, piece.data, piece.length, &id) && t->kinds[id] == KIND_CONTROL
               ? id
               : NO_PIECE;
}

bool tokenizer_read_sentencepiece(struct tokenizer *t, const char *text, size_t n, struct error *err)
{
    struct model_reading m = {.t = t, .pieces = {.t = t}, .type = 1, .begin = {"<s>", 3}, .end = {"</s>", 4}};
    m.spec = arena_array(&t->arena, 1, sizeof *m.spec);
    if (!m.spec)
        return error_memory(err, "reading a tokenizer");
    *m.spec =
        (struct sentencepiece_spec){.dummy_prefix = true, .remove_extra_spaces = true, .escape_spaces = true};
    t->invalid = INVALID_BY_BYTE;
    t->unknown_shown = (struct json_text){" \xe2\x81\x87 ", 5};
    bool fine = read_parts(&m, (const unsigned char *)text, n, err) && make_model(&m, err) &&
                make_stages(&m, err) && scored_pieces_add_tokens(&m.pieces, KINDS_SPECIAL, true, err);
    if (fine) {
        find_mark(t, m.begin, &t->begin);
        find_mark(t, m.end, &t->end);
    }
    scored_pieces_release(&m.pieces);
    return fine;
}
