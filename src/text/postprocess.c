#include "postprocess.h"

#include <string.h>

#include "quote.h"

enum { TEMPLATE_MAX = 64, SPECIAL_MAX = 16 };

/* TemplateProcessing, where A is the text:
 *
 *     {"single": [{"SpecialToken": {"id": NAME}} | {"Sequence": {"id": "A"}}, ..],
 *      "special_tokens": {NAME: {"ids": [ID, ..]}, ..}} */
struct special {
    struct json_text name;
    uint32_t ids[SPECIAL_MAX];
    size_t n;
};

struct affixes {
    struct template_item {
        struct json_text name; /* data NULL: the text */
    } items[TEMPLATE_MAX];
    struct special specials[TEMPLATE_MAX];
    size_t n_items, n_specials;
};

/* The template of a stage, made when its first member is read. */
static struct affixes *affixes_of(struct json_reader *r, struct stage *stage, struct error *err)
{
    if (!stage->affixes)
        stage->affixes = arena_array(r->arena, 1, sizeof *stage->affixes);
    if (!stage->affixes)
        error_memory(err, "reading a tokenizer");
    return stage->affixes;
}

struct item_reading {
    struct json_text special, sequence;
};

static bool read_id(struct json_reader *r, struct json_text *out, struct error *err)
{
    const struct member id = {"id", MEMBER_TEXT, 0, true, NULL};
    return json_members(r, "a part of a template", &id, 1, out, err);
}

static bool read_special_item(struct json_reader *r, void *base, struct error *err)
{
    return read_id(r, &((struct item_reading *)base)->special, err);
}

static bool read_sequence_item(struct json_reader *r, void *base, struct error *err)
{
    return read_id(r, &((struct item_reading *)base)->sequence, err);
}

static bool read_item(struct json_reader *r, struct affixes *affixes, struct error *err)
{
    static const struct member members[] = {
        {"SpecialToken", MEMBER_READ, 0, false, read_special_item},
        {"Sequence", MEMBER_READ, 0, false, read_sequence_item},
    };
    struct item_reading item = {0};
    if (!json_members(r, "a part of a template", members, 2, &item, err))
        return false;
    if (affixes->n_items == TEMPLATE_MAX)
        return json_scan_error(&r->scan, err, "a template has more than %d parts", TEMPLATE_MAX);
    if (!item.special.data && (!item.sequence.data || !json_text_equal(item.sequence, "A")))
        return json_scan_error(&r->scan, err,
                               "a part of a template is neither a SpecialToken nor the Sequence A");
    affixes->items[affixes->n_items++].name = item.special;
    return true;
}

static bool read_single(struct json_reader *r, void *base, struct error *err)
{
    struct affixes *affixes = affixes_of(r, base, err);
    bool more;
    if (!affixes || !json_array_begin(&r->scan, err))
        return false;
    while (json_array_next(&r->scan, &more, err)) {
        if (!more)
            return true;
        if (!read_item(r, affixes, err))
            return false;
    }
    return false;
}

static bool read_ids(struct json_reader *r, void *base, struct error *err)
{
    struct special *special = base;
    bool more;
    if (!json_array_begin(&r->scan, err))
        return false;
    while (json_array_next(&r->scan, &more, err)) {
        uint64_t id;
        if (!more)
            return true;
        if (!json_u64(&r->scan, &id, err))
            return false;
        if (special->n == SPECIAL_MAX || id > UINT32_MAX)
            return json_scan_error(&r->scan, err,
                                   "a special token of a template has too many or too large ids");
        special->ids[special->n++] = (uint32_t)id;
    }
    return false;
}

static bool read_specials(struct json_reader *r, void *base, struct error *err)
{
    static const struct member ids = {"ids", MEMBER_READ, 0, true, read_ids};
    struct affixes *affixes = affixes_of(r, base, err);
    struct json_text name;
    bool more;
    if (!affixes || !json_object_begin(&r->scan, err))
        return false;
    while (json_object_next(&r->scan, &name, &more, err)) {
        if (!more)
            return true;
        if (affixes->n_specials == TEMPLATE_MAX)
            return json_scan_error(&r->scan, err, "a template has more than %d special tokens", TEMPLATE_MAX);
        struct special *special = &affixes->specials[affixes->n_specials++];
        if (!json_keep(r, name, &special->name, err) ||
            !json_members(r, "a special token of a template", &ids, 1, special, err))
            return false;
    }
    return false;
}

static const struct special *find_special(const struct affixes *affixes, struct json_text name)
{
    for (size_t i = 0; i < affixes->n_specials; i++)
        if (json_text_equal(name, affixes->specials[i].name.data))
            return &affixes->specials[i];
    return NULL;
}

static bool prepare_template(struct stage *stage, struct error *err)
{
    const struct affixes *affixes = stage->affixes;
    size_t texts = 0;
    for (size_t i = 0; i < affixes->n_items; i++) {
        struct json_text name = affixes->items[i].name;
        texts += !name.data;
        if (name.data && !find_special(affixes, name))
            return error_set(err, ERROR_FORMAT,
                             "the template names %s, which is not among its special tokens",
                             quote_bytes(name.data, name.length).text);
    }
    return texts == 1 ||
           error_set(err, ERROR_UNSUPPORTED, "a template with %zu times the text is not supported", texts);
}

/* BertProcessing and RobertaProcessing: {"cls": [PIECE, ID], "sep": [PIECE, ID]}, one before the text, one
 * behind it. */
static bool read_mark(struct json_reader *r, struct stage *stage, const char *name, struct error *err)
{
    struct affixes *affixes = affixes_of(r, stage, err);
    struct json_text piece;
    uint64_t id;
    bool more;
    if (!affixes || !json_array_begin(&r->scan, err) || !json_array_next(&r->scan, &more, err))
        return false;
    if (!more || !json_string(&r->scan, &piece, err) || !json_array_next(&r->scan, &more, err) || !more)
        return more ? false : json_scan_error(&r->scan, err, "\"%s\" is not a piece and its id", name);
    if (!json_u64(&r->scan, &id, err) || !json_array_next(&r->scan, &more, err))
        return false;
    if (more || id > UINT32_MAX)
        return json_scan_error(&r->scan, err, "\"%s\" is not a piece and its id", name);
    affixes->specials[affixes->n_specials++] =
        (struct special){.name = {name, strlen(name)}, .ids = {(uint32_t)id}, .n = 1};
    return true;
}

static bool read_cls(struct json_reader *r, void *base, struct error *err)
{
    return read_mark(r, base, "cls", err);
}

static bool read_sep(struct json_reader *r, void *base, struct error *err)
{
    return read_mark(r, base, "sep", err);
}

static bool prepare_marks(struct stage *stage, struct error *err)
{
    (void)err;
    stage->affixes->items[0].name = (struct json_text){"cls", 3};
    stage->affixes->items[2].name = (struct json_text){"sep", 3};
    stage->affixes->n_items = 3;
    return true;
}

static const struct member mark_members[] = {
    {"cls", MEMBER_READ, 0, true, read_cls},
    {"sep", MEMBER_READ, 0, true, read_sep},
};
static const struct member template_members[] = {
    {"single", MEMBER_READ, 0, true, read_single},
    {"special_tokens", MEMBER_READ, 0, true, read_specials},
};

static const struct stage_row rows[] = {
    {.type = "TemplateProcessing", STAGE_MEMBERS(template_members), .prepare = prepare_template},
    {.type = "BertProcessing", STAGE_MEMBERS(mark_members), .prepare = prepare_marks},
    {.type = "RobertaProcessing", STAGE_MEMBERS(mark_members), .prepare = prepare_marks},
    {.type = "ByteLevel"}, /* trims offsets only, which lancet keeps whole */
};

const struct stage_kind stage_processors = {"post-processor", "processors", rows, sizeof rows / sizeof *rows};

/* The ids of a stage's special tokens on one side of the text. */
static struct affix_ids side(const struct affixes *affixes, bool before,
                             uint32_t out[TEMPLATE_MAX * SPECIAL_MAX])
{
    struct affix_ids ids = {out, 0};
    bool behind = false;
    for (size_t i = 0; i < affixes->n_items; i++) {
        struct json_text name = affixes->items[i].name;
        if (!name.data) {
            behind = true;
            continue;
        }
        const struct special *special = find_special(affixes, name);
        for (size_t k = 0; behind != before && k < special->n; k++)
            out[ids.n++] = special->ids[k];
    }
    return ids;
}

static bool join(struct arena *arena, struct affix_ids a, struct affix_ids b, struct affix_ids *out,
                 struct error *err)
{
    uint32_t *ids = arena_array(arena, a.n + b.n, sizeof *ids);
    if (!ids)
        return error_memory(err, "reading a tokenizer");
    for (size_t i = 0; i < a.n + b.n; i++)
        ids[i] = i < a.n ? a.ids[i] : b.ids[i - a.n];
    *out = (struct affix_ids){ids, a.n + b.n};
    return true;
}

bool postprocess_collect(const struct stage_list *stages, struct arena *arena, struct affix_ids *before,
                         struct affix_ids *after, struct error *err)
{
    *before = *after = (struct affix_ids){0};
    for (size_t i = 0; i < stages->n; i++) {
        uint32_t ids[TEMPLATE_MAX * SPECIAL_MAX];
        const struct affixes *affixes = stages->items[i].affixes;
        if (affixes && (!join(arena, side(affixes, true, ids), *before, before, err) ||
                        !join(arena, *after, side(affixes, false, ids), after, err)))
            return false;
    }
    return true;
}
