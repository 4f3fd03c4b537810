#include "pretokenize.h"

#include <string.h>

#include "chars.h"
#include "normalizers.h"
#include "quote.h"
#include "utf8.h"

/* The words of GPT-2, which ByteLevel cuts out where it is not told otherwise. */
static const char gpt2_words[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static bool find_pattern(const struct stage *s, const char *text, size_t n, struct match_list *out,
                         struct error *err)
{
    return pattern_find(s->pattern, text, n, out, err);
}

/* Every character of a class is a match of its own, as in the tokenizers library. */
static bool find_class(bool (*in_class)(uint32_t), const char *text, size_t n, struct match_list *out,
                       struct error *err)
{
    size_t gap = 0;
    out->n = 0;
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t code;
        length = utf8_decode(text + i, n - i, &code);
        if (!in_class(code))
            continue;
        if (i > gap && !match_list_add(out, gap, i, false, err))
            return false;
        if (!match_list_add(out, i, i + length, true, err))
            return false;
        gap = i + length;
    }
    return gap == n || match_list_add(out, gap, n, false, err);
}

static bool find_digits(const struct stage *s, const char *text, size_t n, struct match_list *out,
                        struct error *err)
{
    (void)s;
    return find_class(char_is_numeric, text, n, out, err);
}

static bool find_punctuation(const struct stage *s, const char *text, size_t n, struct match_list *out,
                             struct error *err)
{
    (void)s;
    return find_class(char_is_punctuation, text, n, out, err);
}

static bool find_space(const struct stage *s, const char *text, size_t n, struct match_list *out,
                       struct error *err)
{
    (void)s;
    return find_class(char_is_space, text, n, out, err);
}

/* Runs of word characters and runs of characters that are neither word nor space are the matches. */
static bool find_words(const struct stage *s, const char *text, size_t n, struct match_list *out,
                       struct error *err)
{
    (void)s;
    enum { SPACE, WORD, OTHER } kind, previous = SPACE;
    size_t run = 0;
    out->n = 0;
    for (size_t i = 0, length; i < n; i += length, previous = kind) {
        uint32_t code;
        length = utf8_decode(text + i, n - i, &code);
        kind = char_is_word(code) ? WORD : char_is_space(code) ? SPACE : OTHER;
        if (kind == previous || i == 0)
            continue;
        if (!match_list_add(out, run, i, previous != SPACE, err))
            return false;
        run = i;
    }
    return run == n || match_list_add(out, run, n, previous != SPACE, err);
}

static bool run_split(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_pattern, s->behavior, s->invert, err);
}

static bool run_digits(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_digits, s->individual_digits ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, false,
                          err);
}

static bool run_punctuation(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_punctuation, s->behavior, false, err);
}

static bool run_whitespace_split(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_space, SPLIT_REMOVED, false, err);
}

/* Words are the matches; what lies between them goes. */
static bool run_whitespace(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_words, SPLIT_REMOVED, true, err);
}

/* The white space of BERT goes away, each of its marks stands alone. */
static bool run_bert(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_space, SPLIT_REMOVED, false, err) &&
           encoding_split(e, s, find_punctuation, SPLIT_ISOLATED, false, err);
}

static bool run_delimiter(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_split(e, s, find_pattern, SPLIT_REMOVED, false, err);
}

static bool rewrite_prefix_space(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                                 struct aligned *to, struct error *err)
{
    (void)s;
    return (from->data[start] == ' ' || aligned_put(to, " ", 1, from, start, start, err)) &&
           aligned_copy(to, from, start, end, err);
}

static bool run_byte_level(const struct stage *s, struct encoding *e, struct error *err)
{
    return (!s->add_prefix_space || encoding_rewrite(e, s, rewrite_prefix_space, err)) &&
           (!s->use_regex || encoding_split(e, s, find_pattern, SPLIT_ISOLATED, false, err)) &&
           encoding_rewrite(e, s, rewrite_byte_level, err);
}

static bool rewrite_metaspace(const struct stage *s, const struct aligned *from, size_t start, size_t end,
                              struct aligned *to, struct error *err)
{
    struct json_text mark = s->content;
    bool wanted = s->scheme == PREPEND_ALWAYS || (s->scheme == PREPEND_FIRST && from->origin[start] == 0);
    bool there = from->data[start] == ' ' ||
                 (end - start >= mark.length && memcmp(from->data + start, mark.data, mark.length) == 0);
    if (wanted && !there && !aligned_put(to, mark.data, mark.length, from, start, start, err))
        return false;
    for (size_t i = start; i < end;) {
        const char *space = memchr(from->data + i, ' ', end - i);
        size_t stop = space ? (size_t)(space - from->data) : end;
        if (!aligned_copy(to, from, i, stop, err) ||
            (space && !aligned_put(to, mark.data, mark.length, from, stop, stop + 1, err)))
            return false;
        i = space ? stop + 1 : end;
    }
    return true;
}

static bool run_metaspace(const struct stage *s, struct encoding *e, struct error *err)
{
    return encoding_rewrite(e, s, rewrite_metaspace, err) &&
           (!s->split || encoding_split(e, s, find_pattern, SPLIT_MERGED_WITH_NEXT, false, err));
}

static bool prepare_byte_level(struct stage *s, struct error *err)
{
    return !s->use_regex || pattern_new(gpt2_words, sizeof gpt2_words - 1, true, &s->pattern, err);
}

static bool is_character(struct json_text text)
{
    uint32_t code;
    return text.length && utf8_decode(text.data, text.length, &code) == text.length;
}

static bool prepare_delimiter(struct stage *s, struct error *err)
{
    if (!is_character(s->content))
        return error_set(err, ERROR_FORMAT, "the delimiter of a CharDelimiterSplit is %s, not one character",
                         quote_bytes(s->content.data, s->content.length).text);
    return pattern_new(s->content.data, s->content.length, false, &s->pattern, err);
}

static bool prepare_metaspace(struct stage *s, struct error *err)
{
    if (!is_character(s->content))
        return error_set(err, ERROR_FORMAT, "the replacement of a Metaspace is %s, not one character",
                         quote_bytes(s->content.data, s->content.length).text);
    if (!s->add_prefix_space && s->scheme == PREPEND_ALWAYS)
        s->scheme = PREPEND_NEVER;
    return pattern_new(s->content.data, s->content.length, false, &s->pattern, err);
}

static const struct member split_members[] = {
    {"pattern", MEMBER_READ, 0, true, stage_read_pattern},
    {"behavior", MEMBER_READ, 0, true, stage_read_behavior},
    {"invert", MEMBER_BOOL, STAGE_FIELD(invert), false, NULL},
};
static const struct member digits_members[] = {
    {"individual_digits", MEMBER_BOOL, STAGE_FIELD(individual_digits), true, NULL},
};
static const struct member punctuation_members[] = {
    {"behavior", MEMBER_READ, 0, false, stage_read_behavior},
};
static const struct member delimiter_members[] = {
    {"delimiter", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
};
static const struct member byte_level_members[] = {
    {"add_prefix_space", MEMBER_BOOL, STAGE_FIELD(add_prefix_space), true, NULL},
    {"use_regex", MEMBER_BOOL, STAGE_FIELD(use_regex), false, NULL},
};
static const struct member metaspace_members[] = {
    {"replacement", MEMBER_TEXT, STAGE_FIELD(content), true, NULL},
    {"add_prefix_space", MEMBER_BOOL, STAGE_FIELD(add_prefix_space), false, NULL},
    {"prepend_scheme", MEMBER_READ, 0, false, stage_read_scheme},
    {"split", MEMBER_BOOL, STAGE_FIELD(split), false, NULL},
};

static const struct stage_row rows[] = {
    {.type = "Split", STAGE_MEMBERS(split_members), .run.pretokenize = run_split},
    {.type = "Digits", STAGE_MEMBERS(digits_members), .run.pretokenize = run_digits},
    {.type = "Punctuation",
     STAGE_MEMBERS(punctuation_members),
     .defaults = {.behavior = SPLIT_ISOLATED},
     .run.pretokenize = run_punctuation},
    {.type = "Whitespace", .run.pretokenize = run_whitespace},
    {.type = "WhitespaceSplit", .run.pretokenize = run_whitespace_split},
    {.type = "BertPreTokenizer", .run.pretokenize = run_bert},
    {.type = "CharDelimiterSplit",
     STAGE_MEMBERS(delimiter_members),
     .prepare = prepare_delimiter,
     .run.pretokenize = run_delimiter},
    {.type = "ByteLevel",
     STAGE_MEMBERS(byte_level_members),
     .defaults = {.use_regex = true},
     .prepare = prepare_byte_level,
     .run.pretokenize = run_byte_level},
    {.type = "Metaspace",
     STAGE_MEMBERS(metaspace_members),
     .defaults = {.add_prefix_space = true, .split = true, .scheme = PREPEND_ALWAYS},
     .prepare = prepare_metaspace,
     .run.pretokenize = run_metaspace},
};

const struct stage_kind stage_pretokenizers = {"pre-tokenizer", "pretokenizers", rows,
                                               sizeof rows / sizeof *rows};

bool pretokenize_add_split(struct stage_list *list, const char *regex, struct error *err)
{
    struct stage stage = {.row = &rows[0], .behavior = SPLIT_ISOLATED};
    if (!pattern_new(regex, strlen(regex), true, &stage.pattern, err))
        return false;
    if (stage_list_add(list, stage, err))
        return true;
    pattern_free(stage.pattern);
    return false;
}

bool pretokenize(const struct stage_list *stages, struct encoding *e, struct error *err)
{
    for (size_t i = 0; i < stages->n; i++)
        if (!stages->items[i].row->run.pretokenize(&stages->items[i], e, err))
            return false;
    return true;
}
