#include "normalize.h"

#include <utf8proc.h>

#include "chars.h"
#include "normalizers.h"
#include "utf8.h"

static bool run_prepend(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                        struct aligned *to, struct error *err)
{
    return aligned_put(to, s->content.data, s->content.length, from, start, start, err) &&
           aligned_copy(to, from, start, end, err);
}

static bool run_replace(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                        struct aligned *to, struct error *err)
{
    struct match_list matches = {0};
    bool fine = pattern_find(s->pattern, from->data + start, end - start, &matches, err);
    for (size_t i = 0; fine && i < matches.n; i++) {
        size_t first = start + matches.items[i].start, last = start + matches.items[i].end;
        fine = matches.items[i].hit
                   ? aligned_put(to, s->content.data, s->content.length, from, first, last, err)
                   : aligned_copy(to, from, first, last, err);
    }
    match_list_release(&matches);
    return fine;
}

static bool run_strip(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                      struct aligned *to, struct error *err)
{
    size_t first = start, last = end;
    uint32_t code;
    while (s->strip_left && first < end) {
        size_t length = utf8_decode(from->data + first, end - first, &code);
        if (!char_is_space(code))
            break;
        first += length;
    }
    while (s->strip_right && last > first) {
        size_t before = last - 1;
        while (before > first && ((unsigned char)from->data[before] & 0xc0) == 0x80)
            before--;
        utf8_decode(from->data + before, last - before, &code);
        if (!char_is_space(code))
            break;
        last = before;
    }
    return aligned_copy(to, from, first, last, err);
}

bool rewrite_lowercase(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                       struct aligned *to, struct error *err)
{
    if (!s->lowercase)
        return aligned_copy(to, from, start, end, err);
    for (size_t i = start, length; i < end; i += length) {
        uint32_t code;
        char bytes[8];
        length = utf8_decode(from->data + i, end - i, &code);
        size_t n = code == 0x130 ? utf8_encode('i', bytes) + utf8_encode(0x307, bytes + 1)
                                 : utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)code), bytes);
        if (!aligned_put(to, bytes, n, from, i, i + length, err))
            return false;
    }
    return true;
}

static bool run_form(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                     struct aligned *to, struct error *err)
{
    return unicode_form_append(s->form, from, start, end, to, err);
}

static bool run_strip_accents(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                              struct aligned *to, struct error *err)
{
    (void)s;
    return rewrite_characters(char_unless_mark, from, start, end, to, err);
}

/* What the rules of neural machine translation in SentencePiece drop, and what they take for a space. */
static uint32_t nmt_character(uint32_t c)
{
    if ((c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f ||
        c == 0x9f)
        return CHARACTER_DROPPED;
    bool space = c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
                 (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
                 c == 0xfffd;
    return space ? ' ' : c;
}

static bool run_nmt(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                    struct aligned *to, struct error *err)
{
    (void)s;
    return rewrite_characters(nmt_character, from, start, end, to, err);
}

static const struct member prepend_members[] = {
    {"prepend", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
};
static const struct member replace_members[] = {
    {"pattern", MEMBER_READ, 0, true, stage_read_pattern},
    {"content", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
};
static const struct member strip_members[] = {
    {"strip_left", MEMBER_BOOL, STAGE_FIELD(strip_left), true, NULL},
    {"strip_right", MEMBER_BOOL, STAGE_FIELD(strip_right), true, NULL},
};

static const struct member bert_members[] = {
    {"clean_text", MEMBER_BOOL, STAGE_FIELD(clean_text), true, NULL},
    {"handle_chinese_chars", MEMBER_BOOL, STAGE_FIELD(chinese), true, NULL},
    {"strip_accents", MEMBER_READ, 0, false, bert_read_accents},
    {"lowercase", MEMBER_BOOL, STAGE_FIELD(lowercase), true, NULL},
};
static const struct member precompiled_members[] = {
    {"precompiled_charsmap", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
};

static const struct stage_row rows[] = {
    {.type = "Prepend", STAGE_MEMBERS(prepend_members), .run.normalize = {run_prepend}},
    {.type = "Replace", STAGE_MEMBERS(replace_members), .run.normalize = {run_replace}},
    {.type = "Strip", STAGE_MEMBERS(strip_members), .run.normalize = {run_strip}},
    {.type = "StripAccents", .run.normalize = {run_strip_accents}},
    {.type = "Lowercase", .defaults = {.lowercase = true}, .run.normalize = {rewrite_lowercase}},
    {.type = "NFC", .defaults = {.form = FORM_NFC}, .run.normalize = {run_form}},
    {.type = "NFD", .defaults = {.form = FORM_NFD}, .run.normalize = {run_form}},
    {.type = "NFKC", .defaults = {.form = FORM_NFKC}, .run.normalize = {run_form}},
    {.type = "NFKD", .defaults = {.form = FORM_NFKD}, .run.normalize = {run_form}},
    {.type = "Nmt", .run.normalize = {run_nmt}},
    {.type = "ByteLevel", .run.normalize = {rewrite_byte_level}},
    {.type = "BertNormalizer",
     STAGE_MEMBERS(bert_members),
     .run.normalize = {bert_clean, bert_space_chinese, bert_decompose, bert_strip_accents,
                       rewrite_lowercase}},
    {.type = "Precompiled",
     STAGE_MEMBERS(precompiled_members),
     .prepare = precompiled_prepare,
     .run.normalize = {precompiled_rewrite}},
};

const struct stage_kind stage_normalizers = {"normalizer", "normalizers", rows, sizeof rows / sizeof *rows};

bool normalize(const struct stage_list *stages, struct encoding *e, struct error *err)
{
    for (size_t i = 0; i < stages->n; i++) {
        const struct stage *stage = &stages->items[i];
        const rewrite_fn *steps = stage->row->run.normalize;
        for (size_t k = 0; k < REWRITES_MAX && steps[k]; k++)
            if (!encoding_rewrite(e, stage, steps[k], err))
                return false;
    }
    return true;
}
