/* BertNormalizer of the tokenizers library (BERT's own BasicTokenizer):
 *
 *     clean_text             drops U+0000, U+FFFD and category Other (but tab and newlines), white space ->
 * space handle_chinese_chars   puts spaces around each CJK ideograph strip_accents          decomposes (NFD)
 * and drops non-spacing marks; null: if lowercase lowercase */
#include <utf8proc.h>

#include "chars.h"
#include "normalizers.h"
#include "utf8.h"

static uint32_t clean(uint32_t code)
{
    static const uint32_t other = 1u << UTF8PROC_CATEGORY_CC | 1u << UTF8PROC_CATEGORY_CF |
                                  1u << UTF8PROC_CATEGORY_CN | 1u << UTF8PROC_CATEGORY_CO |
                                  1u << UTF8PROC_CATEGORY_CS;
    if (code == '\t' || code == '\n' || code == '\r')
        return ' ';
    if (code == 0 || code == 0xfffd || (other >> utf8proc_category((utf8proc_int32_t)code) & 1))
        return CHARACTER_DROPPED;
    return char_is_space(code) ? ' ' : code;
}

REWRITE(bert_clean)
{
    return stage->clean_text ? rewrite_characters(clean, from, start, end, to, err)
                             : aligned_copy(to, from, start, end, err);
}

static bool is_ideograph(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } blocks[] = {{0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
                  {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i].first && c <= blocks[i].last)
            return true;
    return false;
}

REWRITE(bert_space_chinese)
{
    if (!stage->chinese)
        return aligned_copy(to, from, start, end, err);
    for (size_t i = start, length; i < end; i += length) {
        uint32_t code;
        length = utf8_decode(from->data + i, end - i, &code);
        bool apart = is_ideograph(code);
        if ((apart && !aligned_put(to, " ", 1, from, i, i, err)) ||
            !aligned_copy(to, from, i, i + length, err) ||
            (apart && !aligned_put(to, " ", 1, from, i + length, i + length, err)))
            return false;
    }
    return true;
}

static bool strips(const struct stage *stage)
{
    return stage->accents == ACCENTS_STRIP || (stage->accents == ACCENTS_AS_LOWERCASE && stage->lowercase);
}

REWRITE(bert_decompose)
{
    return strips(stage) ? unicode_form_append(FORM_NFD, from, start, end, to, err)
                         : aligned_copy(to, from, start, end, err);
}

static uint32_t unless_accent(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_MN ? CHARACTER_DROPPED : code;
}

REWRITE(bert_strip_accents)
{
    return strips(stage) ? rewrite_characters(unless_accent, from, start, end, to, err)
                         : aligned_copy(to, from, start, end, err);
}

bool bert_read_accents(struct json_reader *r, void *base, struct error *err)
{
    struct stage *stage = base;
    bool strip;
    if (!json_bool(&r->scan, &strip, err))
        return false;
    stage->accents = strip ? ACCENTS_STRIP : ACCENTS_KEEP;
    return true;
}
