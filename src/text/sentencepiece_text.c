#include "sentencepiece_text.h"

#include <string.h>

#include "charsmap.h"
#include "decode.h"
#include "byte_pieces.h"
#include "utf8.h"

static const char mark[] = "\xe2\x96\x81"; /* U+2581 */
enum { MARK = 3 };

struct prepared { /* what stands for the next bytes of a text */
    const char *bytes;
    size_t n, consumed;
};

static struct prepared prepare_next(const struct stage *s, const char *text, size_t n)
{
    struct prepared next = {.bytes = text};
    uint32_t id;
    next.n = next.consumed =
        s->spec->user_defined->bits ? prefixes_longest(s->spec->user_defined, text, n, &id) : 0;
    if (!next.consumed && s->charsmap)
        next.consumed = charsmap_match(s->charsmap, text, n, true, &next.bytes, &next.n);
    if (!next.consumed) {
        uint32_t code;
        next.bytes = text;
        next.n = next.consumed = utf8_decode(text, n, &code);
    }
    return next;
}

static bool put_space(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                      struct aligned *to, struct error *err)
{
    return s->spec->escape_spaces ? aligned_put(to, mark, MARK, from, start, end, err)
                                  : aligned_put(to, " ", 1, from, start, end, err);
}

/* Puts bytes that stand for [start, end), spaces escaped. */
static bool put_escaped(const struct stage *s, const char *bytes, size_t n, const struct aligned *from,
                        size_t start, size_t end, struct aligned *to, struct error *err)
{
    for (size_t i = 0; i < n;) {
        const char *space = memchr(bytes + i, ' ', n - i);
        size_t stop = space ? (size_t)(space - bytes) : n;
        size_t first = start + i < end ? start + i : end,
               last = stop < n && start + stop < end ? start + stop : end;
        size_t behind = stop + 1 < n && last < end ? last + 1 : end;
        if (!aligned_put(to, bytes + i, stop - i, from, first, last, err) ||
            (space && !put_space(s, from, last, behind, to, err)))
            return false;
        i = stop + 1;
    }
    return true;
}

static bool put_all(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                    struct aligned *to, struct error *err)
{
    bool after_space = s->spec->remove_extra_spaces;
    for (size_t i = start; i < end;) {
        struct prepared next = prepare_next(s, from->data + i, end - i);
        while (after_space && next.n && next.bytes[0] == ' ') {
            next.bytes++;
            next.n--;
        }
        if (next.n) {
            if (!put_escaped(s, next.bytes, next.n, from, i, i + next.consumed, to, err))
                return false;
            after_space = s->spec->remove_extra_spaces && next.bytes[next.n - 1] == ' ';
        }
        i += next.consumed;
    }
    return true;
}

static bool rewrite(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                    struct aligned *to, struct error *err)
{
    const struct sentencepiece_spec *spec = s->spec;
    size_t before = to->n, n_space = spec->escape_spaces ? MARK : 1;
    const char *space = spec->escape_spaces ? mark : " ";
    while (spec->remove_extra_spaces && start < end) {
        struct prepared next = prepare_next(s, from->data + start, end - start);
        if (next.n != 1 || next.bytes[0] != ' ')
            break;
        start += next.consumed;
    }
    if (start == end)
        return true;
    if ((spec->dummy_prefix && !spec->space_is_suffix && !put_space(s, from, start, start, to, err)) ||
        !put_all(s, from, start, end, to, err))
        return false;
    while (spec->remove_extra_spaces && to->n - before >= n_space &&
           memcmp(to->data + to->n - n_space, space, n_space) == 0)
        aligned_truncate(to, to->n - n_space);
    return !spec->dummy_prefix || !spec->space_is_suffix || put_space(s, from, end, end, to, err);
}

/* A run of byte pieces becomes characters, and U+FFFD for each byte that belongs to none. */
static void end_run(const struct pieces *p, struct str *run, struct str *out)
{
    for (size_t i = 0, length; i < run->length; i += length) {
        uint32_t code;
        length = utf8_decode(run->data + i, run->length - i, &code);
        if (code != UTF8_BAD || p->inside) {
            str_append_bytes(out, run->data + i, length);
        } else {
            str_append_bytes(out, "\xef\xbf\xbd", 3);
            length = 1;
        }
    }
    out->failed |= run->failed;
    str_clear(run);
}

static void append_piece(const char *piece, size_t n, struct str *out)
{
    for (const char *hit, *end = piece + n; piece < end; piece = hit + MARK) {
        hit = memmem(piece, (size_t)(end - piece), mark, MARK);
        str_append_bytes(out, piece, (size_t)((hit ? hit : end) - piece));
        if (!hit)
            return;
        str_append(out, " ");
    }
}

static bool run_decoder(const struct stage *s, struct pieces *p, struct error *err)
{
    struct pieces made = {0};
    struct str run = {0};
    bool at_start = !p->inside && (s->spec->dummy_prefix || s->spec->remove_extra_spaces);
    for (size_t i = 0, n; i < p->n; i++) {
        const char *piece = pieces_at(p, i, &n);
        unsigned char byte;
        if (byte_piece_value(piece, n, &byte)) {
            str_append_bytes(&run, &byte, 1);
            continue;
        }
        end_run(p, &run, &made.bytes);
        at_start = at_start && !made.bytes.length;
        if (at_start && n >= MARK && memcmp(piece, mark, MARK) == 0) {
            piece += MARK;
            n -= MARK;
            at_start = s->spec->remove_extra_spaces; /* then those of later pieces go, too */
        }
        append_piece(piece, n, &made.bytes);
    }
    end_run(p, &run, &made.bytes);
    str_release(&run);
    return pieces_take(p, &made, pieces_end(&made, err));
}

const struct stage_row sentencepiece_normalizer = {.type = "SentencePiece", .run.normalize = {rewrite}};
const struct stage_row sentencepiece_decoder = {.type = "SentencePiece", .run.decode = run_decoder};
