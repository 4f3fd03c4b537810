#include "stage.h"

#include <string.h>

#include "charsmap.h"
#include "memory.h"
#include "quote.h"

bool stage_list_add(struct stage_list *list, struct stage stage, struct error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        struct stage *items = memory_resize(list->items, capacity, sizeof *items);
        if (!items)
            return error_memory(err, "reading a tokenizer");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = stage;
    return true;
}

static void release(struct stage *stage)
{
    pattern_free(stage->pattern);
    charsmap_free(stage->charsmap);
}

void stage_list_release(struct stage_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        release(&list->items[i]);
    free(list->items);
    *list = (struct stage_list){0};
}

struct sequence {
    const struct stage_kind *kind;
    struct stage_list *list;
};

static bool read_sequence(struct json_reader *r, void *base, struct error *err)
{
    struct sequence *sequence = base;
    bool more;
    if (!json_array_begin(&r->scan, err))
        return false;
    while (json_array_next(&r->scan, &more, err)) {
        if (!more)
            return true;
        if (!stage_read(r, sequence->kind, sequence->list, err))
            return false;
    }
    return false;
}

static const struct stage_row *find_row(const struct stage_kind *kind, struct json_text type)
{
    for (size_t i = 0; i < kind->n_rows; i++)
        if (json_text_equal(type, kind->rows[i].type))
            return &kind->rows[i];
    return NULL;
}

bool stage_read(struct json_reader *r, const struct stage_kind *kind, struct stage_list *list,
                struct error *err)
{
    struct json_text type = {"", 0};
    bool found;
    if (!json_look(r, "type", &type, &found, err))
        return false;
    if (!found)
        return json_scan_error(&r->scan, err, "the %s has no \"type\"", kind->what);
    if (json_text_equal(type, "Sequence")) {
        const struct member members[] = {{kind->list_key, MEMBER_READ, 0, true, read_sequence}};
        struct sequence sequence = {kind, list};
        return json_members(r, "a Sequence", members, 1, &sequence, err);
    }
    const struct stage_row *row = find_row(kind, type);
    if (!row) {
        error_set(err, ERROR_UNSUPPORTED, "the %s %s is not supported", kind->what,
                  quote_bytes(type.data, type.length).text);
        return json_place(r, err);
    }
    struct stage stage = row->defaults;
    stage.row = row;
    bool fine = json_members(r, row->type, row->members, row->n_members, &stage, err) &&
                (!row->prepare || row->prepare(&stage, err) || json_place(r, err)) &&
                stage_list_add(list, stage, err);
    if (!fine)
        release(&stage);
    return fine;
}

bool stage_list_add_json(struct stage_list *list, const struct stage_kind *kind, struct arena *arena,
                         const char *json, struct error *err)
{
    struct json_reader r = {.arena = arena};
    json_scan_init(&r.scan, kind->what, json, strlen(json));
    bool fine = stage_read(&r, kind, list, err);
    json_scan_release(&r.scan);
    return fine;
}

static bool read_text_or_regex(struct json_reader *r, bool regex, struct stage *stage, struct error *err)
{
    struct json_text text;
    if (!json_string(&r->scan, &text, err))
        return false;
    if (stage->pattern)
        return json_scan_error(&r->scan, err, "a pattern has two forms");
    return pattern_new(text.data, text.length, regex, &stage->pattern, err) || json_place(r, err);
}

static bool read_string_form(struct json_reader *r, void *stage, struct error *err)
{
    return read_text_or_regex(r, false, stage, err);
}

static bool read_regex_form(struct json_reader *r, void *stage, struct error *err)
{
    return read_text_or_regex(r, true, stage, err);
}

bool stage_read_pattern(struct json_reader *r, void *base, struct error *err)
{
    static const struct member forms[] = {
        {"String", MEMBER_READ, 0, false, read_string_form},
        {"Regex", MEMBER_READ, 0, false, read_regex_form},
    };
    struct stage *stage = base;
    if (!json_members(r, "a pattern", forms, 2, stage, err))
        return false;
    return stage->pattern || json_scan_error(&r->scan, err, "a pattern has neither \"String\" nor \"Regex\"");
}

static bool read_choice(struct json_reader *r, const char *const *names, size_t n, unsigned *out,
                        struct error *err)
{
    struct json_text text;
    if (!json_string(&r->scan, &text, err))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (json_text_equal(text, names[i])) {
            *out = i;
            return true;
        }
    return json_scan_error(&r->scan, err, "unknown choice %s", quote_bytes(text.data, text.length).text);
}

bool stage_read_behavior(struct json_reader *r, void *base, struct error *err)
{
    static const char *const names[] = {
        [SPLIT_REMOVED] = "Removed",
        [SPLIT_ISOLATED] = "Isolated",
        [SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [SPLIT_CONTIGUOUS] = "Contiguous",
    };
    unsigned choice = 0;
    if (!read_choice(r, names, sizeof names / sizeof *names, &choice, err))
        return false;
    ((struct stage *)base)->behavior = (enum split_behavior)choice;
    return true;
}

bool stage_read_scheme(struct json_reader *r, void *base, struct error *err)
{
    static const char *const names[] = {
        [PREPEND_ALWAYS] = "always",
        [PREPEND_FIRST] = "first",
        [PREPEND_NEVER] = "never",
    };
    unsigned choice = 0;
    if (!read_choice(r, names, sizeof names / sizeof *names, &choice, err))
        return false;
    ((struct stage *)base)->scheme = (enum prepend_scheme)choice;
    return true;
}
