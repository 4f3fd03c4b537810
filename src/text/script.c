#include "script.h"

#include "utf8.h"

struct range {
    uint32_t first, last;
};

static bool in(uint32_t code, const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* Blocks of the Unicode standard. */
static const struct range han[] = {{0x2e80, 0x2fdf}, {0x3005, 0x3007},   {0x3400, 0x4dbf},  {0x4e00, 0x9fff},
                                   {0xf900, 0xfaff}, {0x20000, 0x2ffff}, {0x30000, 0x323af}};
static const struct range kana[] = {{0x3040, 0x30ff}, {0x31f0, 0x31ff}, {0xff66, 0xff9d}};
/* Punctuation of Chinese and Japanese, full-width forms; Thai and Lao, Tibetan, Myanmar, Khmer. */
static const struct range unspaced[] = {{0x3000, 0x303f}, {0xff00, 0xff65}, {0x0e00, 0x0eff},
                                        {0x0f00, 0x0fff}, {0x1000, 0x109f}, {0x1780, 0x17ff}};

enum script script_of(uint32_t code)
{
    if (in(code, kana, sizeof(kana) / sizeof(*kana)))
        return SCRIPT_KANA;
    return in(code, han, sizeof(han) / sizeof(*han)) ? SCRIPT_HAN : SCRIPT_OTHER;
}

bool script_unspaced(uint32_t code)
{
    return script_of(code) != SCRIPT_OTHER || in(code, unspaced, sizeof(unspaced) / sizeof(*unspaced));
}

enum script script_of_text(const char *text, size_t n)
{
    enum script found = SCRIPT_OTHER;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(text + i, n - i, &code);
        enum script script = script_of(code);
        if (script == SCRIPT_KANA)
            return SCRIPT_KANA;
        if (script == SCRIPT_HAN)
            found = SCRIPT_HAN;
    }
    return found;
}

static uint32_t last_code(const char *text, size_t n)
{
    uint32_t code = 0;
    for (size_t i = 0; i < n;)
        i += utf8_decode(text + i, n - i, &code);
    return code;
}

/* A word follows these without a space. */
static bool opens(uint32_t code)
{
    return code == '(' || code == '[' || code == '{' || code == '<' || code == 0x2018 || code == 0x201c ||
           code == 0xab;
}

bool script_space_between(const char *text, size_t n, const char *word, size_t word_n)
{
    uint32_t first = 0;
    if (word_n)
        utf8_decode(word, word_n, &first);
    uint32_t last = last_code(text, n);
    bool blank_first = first == ' ' || first == '\t' || first == '\n' || first == 0x3000;
    bool blank_last = last == ' ' || last == '\t' || last == '\n' || last == 0x3000;
    return n && word_n && !blank_first && !blank_last && !opens(last) && !script_unspaced(first) &&
           !script_unspaced(last);
}
