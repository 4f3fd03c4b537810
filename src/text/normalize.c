#include "normalize.h"

#include <utf8proc.h>

#include "chars.h"
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

static bool run_lowercase(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                          struct aligned *to, struct error *err)
{
    (void)s;
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

static const struct stage_row rows[] = {
    {.type = "Prepend", STAGE_MEMBERS(prepend_members), .run.normalize = run_prepend},
    {.type = "Replace", STAGE_MEMBERS(replace_members), .run.normalize = run_replace},
    {.type = "Strip", STAGE_MEMBERS(strip_members), .run.normalize = run_strip},
    {.type = "Lowercase", .run.normalize = run_lowercase},
    {.type = "NFC", .defaults = {.form = FORM_NFC}, .run.normalize = run_form},
    {.type = "NFD", .defaults = {.form = FORM_NFD}, .run.normalize = run_form},
    {.type = "NFKC", .defaults = {.form = FORM_NFKC}, .run.normalize = run_form},
    {.type = "NFKD", .defaults = {.form = FORM_NFKD}, .run.normalize = run_form},
};

const struct stage_kind stage_normalizers = {"normalizer", "normalizers", rows, sizeof rows / sizeof *rows};

bool normalize(const struct stage_list *stages, struct encoding *e, struct error *err)
{
    for (size_t i = 0; i < stages->n; i++)
        if (!encoding_rewrite(e, &stages->items[i], stages->items[i].row->run.normalize, err))
            return false;
    return true;
}
