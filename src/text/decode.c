#include "decode.h"

#include <string.h>

#include "byte_map.h"
#include "byte_pieces.h"
#include "memory.h"
#include "utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

bool pieces_end(struct pieces *p, struct error *err)
{
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 32;
        size_t *ends = memory_resize(p->ends, capacity, sizeof *ends);
        if (!ends)
            return error_memory(err, "decoding tokens");
        p->ends = ends;
        p->capacity = capacity;
    }
    p->ends[p->n++] = p->bytes.length;
    return !p->bytes.failed || error_memory(err, "decoding tokens");
}

bool pieces_add(struct pieces *p, const char *bytes, size_t n, struct error *err)
{
    str_append_bytes(&p->bytes, bytes, n);
    return pieces_end(p, err);
}

void pieces_release(struct pieces *p)
{
    str_release(&p->bytes);
    free(p->ends);
    *p = (struct pieces){0};
}

const char *pieces_at(const struct pieces *p, size_t i, size_t *n)
{
    size_t start = i ? p->ends[i - 1] : 0;
    *n = p->ends[i] - start;
    return *n ? p->bytes.data + start : "";
}

bool pieces_take(struct pieces *p, struct pieces *made, bool fine)
{
    if (!fine) {
        pieces_release(made);
        return false;
    }
    made->inside = p->inside;
    pieces_release(p);
    *p = *made;
    return true;
}

static void append_valid(struct str *out, const char *bytes, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t code;
        length = utf8_decode(bytes + i, n - i, &code);
        if (code == UTF8_BAD)
            str_append_bytes(out, replacement, 3);
        else
            str_append_bytes(out, bytes + i, length);
    }
}

static bool is_valid(const char *bytes, size_t n)
{
    uint32_t code = 0;
    for (size_t i = 0; i < n && code != UTF8_BAD;)
        i += utf8_decode(bytes + i, n - i, &code);
    return code != UTF8_BAD;
}

/* The bytes of a piece in the byte-level alphabet; one that has a character outside of it stands for itself.
 */
static void append_unmapped(struct str *out, const char *piece, size_t n)
{
    size_t before = out->length;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        unsigned char byte;
        i += utf8_decode(piece + i, n - i, &code);
        if (!byte_map_byte(code, &byte)) {
            out->length = before;
            str_append_bytes(out, piece, n);
            return;
        }
        str_append_bytes(out, &byte, 1);
    }
}

static bool run_byte_level(const struct stage *s, struct pieces *p, struct error *err)
{
    (void)s;
    struct pieces made = {0};
    struct str bytes = {0};
    for (size_t i = 0, n; i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        append_unmapped(&bytes, piece, n);
    }
    made.bytes.failed = bytes.failed;
    if (p->inside)
        str_append_bytes(&made.bytes, bytes.data, bytes.length);
    else
        append_valid(&made.bytes, bytes.data, bytes.length);
    str_release(&bytes);
    return pieces_take(p, &made, pieces_end(&made, err));
}

static bool run_fuse(const struct stage *s, struct pieces *p, struct error *err)
{
    (void)s;
    struct pieces made = {0};
    return pieces_take(p, &made, pieces_add(&made, p->bytes.data, p->bytes.length, err));
}

static bool run_replace(const struct stage *s, struct pieces *p, struct error *err)
{
    struct pieces made = {0};
    struct match_list matches = {0};
    bool fine = true;
    for (size_t i = 0, n; fine && i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        fine = pattern_find(s->pattern, piece, n, &matches, err);
        for (size_t k = 0; fine && k < matches.n; k++) {
            struct match m = matches.items[k];
            if (m.hit)
                str_append_bytes(&made.bytes, s->content.data, s->content.length);
            else
                str_append_bytes(&made.bytes, piece + m.start, m.end - m.start);
        }
        fine = fine && pieces_end(&made, err);
    }
    match_list_release(&matches);
    return pieces_take(p, &made, fine);
}

/* A run of bytes becomes one piece, or U+FFFD for each byte where it is not UTF-8. */
static bool end_run(const struct pieces *p, struct str *run, struct pieces *made, struct error *err)
{
    bool fine = !run->failed || error_memory(err, "decoding tokens");
    if (fine && run->length && (p->inside || is_valid(run->data, run->length)))
        fine = pieces_add(made, run->data, run->length, err);
    else
        for (size_t i = 0; fine && i < run->length; i++)
            fine = pieces_add(made, replacement, 3, err);
    str_clear(run);
    return fine;
}

static bool run_byte_fallback(const struct stage *s, struct pieces *p, struct error *err)
{
    (void)s;
    struct pieces made = {0};
    struct str run = {0};
    bool fine = true;
    for (size_t i = 0, n; fine && i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        unsigned char byte;
        if (byte_piece_value(piece, n, &byte))
            str_append_bytes(&run, &byte, 1);
        else
            fine = end_run(p, &run, &made, err) && pieces_add(&made, piece, n, err);
    }
    fine = fine && end_run(p, &run, &made, err);
    str_release(&run);
    return pieces_take(p, &made, fine);
}

/* Takes away `content`, one character, at most `start` times at the left and `stop` times at the right. */
static bool run_strip(const struct stage *s, struct pieces *p, struct error *err)
{
    struct pieces made = {0};
    bool fine = true;
    size_t width = s->content.length;
    for (size_t i = 0, n; fine && i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        for (uint64_t k = 0;
             !p->inside && k < s->start && n >= width && !memcmp(piece, s->content.data, width); k++) {
            piece += width;
            n -= width;
        }
        for (uint64_t k = 0;
             !p->inside && k < s->stop && n >= width && !memcmp(piece + n - width, s->content.data, width);
             k++)
            n -= width;
        fine = pieces_add(&made, piece, n, err);
    }
    return pieces_take(p, &made, fine);
}

static bool run_metaspace(const struct stage *s, struct pieces *p, struct error *err)
{
    struct pieces made = {0};
    struct match_list matches = {0};
    bool fine = true;
    for (size_t i = 0, n; fine && i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        bool drop = i == 0 && s->scheme != PREPEND_NEVER && !p->inside;
        fine = pattern_find(s->pattern, piece, n, &matches, err);
        for (size_t k = 0; fine && k < matches.n; k++) {
            struct match m = matches.items[k];
            if (!m.hit)
                str_append_bytes(&made.bytes, piece + m.start, m.end - m.start);
            else if (!drop)
                str_append(&made.bytes, " ");
        }
        fine = fine && pieces_end(&made, err);
    }
    match_list_release(&matches);
    return pieces_take(p, &made, fine);
}

static void replace_all(struct str *s, const char *old, size_t n_old, const char *new, size_t n_new)
{
    struct str made = {0};
    const char *at = s->data, *end = at + s->length, *hit;
    if (!s->length || !memmem(at, s->length, old, n_old))
        return;
    for (; (hit = memmem(at, (size_t)(end - at), old, n_old)); at = hit + n_old) {
        str_append_bytes(&made, at, (size_t)(hit - at));
        str_append_bytes(&made, new, n_new);
    }
    str_append_bytes(&made, at, (size_t)(end - at));
    made.failed |= s->failed;
    str_release(s);
    *s = made;
}

/* English without the spaces that BERT's words leave. */
static void clean_up(struct str *s)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace_all(s, pairs[i][0], strlen(pairs[i][0]), pairs[i][1], strlen(pairs[i][1]));
}

/* A piece that begins with the prefix joins the one before it, the others get a space in front. */
static bool run_wordpiece(const struct stage *s, struct pieces *p, struct error *err)
{
    struct pieces made = {0};
    struct str one = {0};
    bool fine = true;
    size_t width = s->content.length;
    for (size_t i = 0, n; fine && i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        bool first = i == 0 && !p->inside, joins = n >= width && !memcmp(piece, s->content.data, width);
        size_t skip = !first && joins ? width : 0;
        str_clear(&one);
        if (!first && !joins)
            str_append(&one, " ");
        str_append_bytes(&one, piece + skip, n - skip);
        if (s->cleanup)
            clean_up(&one);
        made.bytes.failed |= one.failed;
        fine = pieces_add(&made, one.data ? one.data : "", one.length, err);
    }
    str_release(&one);
    return pieces_take(p, &made, fine);
}

/* The suffix of a word is a space, but at the end. */
static bool run_bpe(const struct stage *s, struct pieces *p, struct error *err)
{
    struct pieces made = {0};
    struct str one = {0};
    bool fine = true;
    for (size_t i = 0, n; fine && i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        str_clear(&one);
        str_append_bytes(&one, piece, n);
        if (s->content.length)
            replace_all(&one, s->content.data, s->content.length, " ", i + 1 < p->n || p->inside ? 1 : 0);
        made.bytes.failed |= one.failed;
        fine = pieces_add(&made, one.data ? one.data : "", one.length, err);
    }
    str_release(&one);
    return pieces_take(p, &made, fine);
}

static bool prepare_strip(struct stage *s, struct error *err)
{
    uint32_t code;
    if (!s->content.length || utf8_decode(s->content.data, s->content.length, &code) != s->content.length)
        return error_set(err, ERROR_FORMAT, "the content of a Strip is not one character");
    return true;
}

static bool prepare_metaspace(struct stage *s, struct error *err)
{
    if (!s->add_prefix_space)
        s->scheme = PREPEND_NEVER;
    return pattern_new(s->content.data, s->content.length, false, &s->pattern, err);
}

static const struct member replace_members[] = {
    {"pattern", MEMBER_READ, 0, true, stage_read_pattern},
    {"content", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
};
static const struct member strip_members[] = {
    {"content", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
    {"start", MEMBER_U64, STAGE_FIELD(start), true, NULL},
    {"stop", MEMBER_U64, STAGE_FIELD(stop), true, NULL},
};
static const struct member metaspace_members[] = {
    {"replacement", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
    {"add_prefix_space", MEMBER_BOOL, STAGE_FIELD(add_prefix_space), false, NULL},
    {"prepend_scheme", MEMBER_READ, 0, false, stage_read_scheme},
};

static const struct member wordpiece_members[] = {
    {"prefix", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
    {"cleanup", MEMBER_BOOL, STAGE_FIELD(cleanup), true, NULL},
};
static const struct member bpe_members[] = {
    {"suffix", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
};

static const struct stage_row rows[] = {
    {.type = "ByteLevel", .run.decode = run_byte_level},
    {.type = "Replace", STAGE_MEMBERS(replace_members), .run.decode = run_replace},
    {.type = "ByteFallback", .run.decode = run_byte_fallback},
    {.type = "Fuse", .run.decode = run_fuse},
    {.type = "Strip", STAGE_MEMBERS(strip_members), .prepare = prepare_strip, .run.decode = run_strip},
    {.type = "Metaspace",
     STAGE_MEMBERS(metaspace_members),
     .defaults = {.add_prefix_space = true, .scheme = PREPEND_ALWAYS},
     .prepare = prepare_metaspace,
     .run.decode = run_metaspace},
    {.type = "WordPiece", STAGE_MEMBERS(wordpiece_members), .run.decode = run_wordpiece},
    {.type = "BPEDecoder", STAGE_MEMBERS(bpe_members), .run.decode = run_bpe},
};

const struct stage_kind stage_decoders = {"decoder", "decoders", rows, sizeof rows / sizeof *rows};

bool decode(const struct stage_list *stages, struct pieces *p, const char *joint, struct str *out,
            struct error *err)
{
    for (size_t i = 0; i < stages->n; i++)
        if (!stages->items[i].row->run.decode(&stages->items[i], p, err))
            return false;
    for (size_t i = 0, n; i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        if (i && stages->n == 0)
            str_append(out, joint);
        str_append_bytes(out, piece, n);
    }
    return !out->failed || error_memory(err, "decoding tokens");
}
