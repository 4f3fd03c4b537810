#include "chars.h"

#include <stddef.h>
#include <utf8proc.h>

static bool in_categories(uint32_t code, uint32_t set)
{
    return set >> utf8proc_category((utf8proc_int32_t)code) & 1;
}

bool char_is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= 0x09 && code <= 0x0d);
    return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

/* Alphabetic characters outside the letter, mark and number categories: circled and squared Latin letters. */
static bool is_enclosed_letter(uint32_t code)
{
    return (code >= 0x24b6 && code <= 0x24e9) || (code >= 0x1f130 && code <= 0x1f149) ||
           (code >= 0x1f150 && code <= 0x1f169) || (code >= 0x1f170 && code <= 0x1f189);
}

bool char_is_word(uint32_t code)
{
    static const uint32_t words =
        1u << UTF8PROC_CATEGORY_LU | 1u << UTF8PROC_CATEGORY_LL | 1u << UTF8PROC_CATEGORY_LT |
        1u << UTF8PROC_CATEGORY_LM | 1u << UTF8PROC_CATEGORY_LO | 1u << UTF8PROC_CATEGORY_MN |
        1u << UTF8PROC_CATEGORY_MC | 1u << UTF8PROC_CATEGORY_ME | 1u << UTF8PROC_CATEGORY_ND |
        1u << UTF8PROC_CATEGORY_NL | 1u << UTF8PROC_CATEGORY_PC;
    return in_categories(code, words) || is_enclosed_letter(code) || code == 0x200c || code == 0x200d;
}

bool char_is_numeric(uint32_t code)
{
    static const uint32_t numbers =
        1u << UTF8PROC_CATEGORY_ND | 1u << UTF8PROC_CATEGORY_NL | 1u << UTF8PROC_CATEGORY_NO;
    if (code < 0x80)
        return code >= '0' && code <= '9';
    return in_categories(code, numbers);
}

bool char_is_punctuation(uint32_t code)
{
    static const uint32_t marks = 1u << UTF8PROC_CATEGORY_PC | 1u << UTF8PROC_CATEGORY_PD |
                                  1u << UTF8PROC_CATEGORY_PS | 1u << UTF8PROC_CATEGORY_PE |
                                  1u << UTF8PROC_CATEGORY_PI | 1u << UTF8PROC_CATEGORY_PF |
                                  1u << UTF8PROC_CATEGORY_PO;
    if (code < 0x80)
        return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') || (code >= '[' && code <= '`') ||
               (code >= '{' && code <= '~');
    return in_categories(code, marks);
}
