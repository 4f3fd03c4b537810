#include "context_set.h"

#include <string.h>

#include "json_scan.h"
#include "memory.h"
#include "own_texts.h"
#include "sample.h"

enum { CONTEXT_FILE_LIMIT = 16 << 20, CONTEXT_MAX = 64, CONTEXT_TOKENS = 9, CONTEXT_MAX_IDS = 4096 };

static bool from_list(const char *name, const char *const *list, size_t n, struct context_set *out,
                      struct error *err)
{
    size_t total = 0;
    while (total < n && list[total])
        total++;
    struct context_set set = {.name = name, .n = total};
    set.items = arena_array(&set.arena, total, sizeof(*set.items));
    if (!set.items)
        return error_memory(err, "reading the contexts");
    for (size_t i = 0; i < total; i++)
        set.items[i] = (struct context_prefix){.text = list[i], .n = strlen(list[i])};
    *out = set;
    return true;
}

bool context_set_fixed(enum script script, size_t n, struct context_set *out, struct error *err)
{
    const struct own_texts *texts = own_texts_for(script);
    return from_list(texts->name, texts->contexts, n, out, err);
}

bool context_set_held_out(enum script script, struct context_set *out, struct error *err)
{
    const struct own_texts *texts = own_texts_for(script);
    return from_list(texts->name, texts->held_out, CONTEXT_MAX, out, err);
}

/* ---- from a file ---- */

static bool read_id_list(struct json_scan *scan, struct arena *arena, struct context_prefix *out,
                         struct error *err)
{
    uint32_t ids[CONTEXT_MAX_IDS];
    size_t n = 0;
    bool more;
    if (!json_array_begin(scan, err))
        return false;
    for (;;) {
        uint64_t id;
        if (!json_array_next(scan, &more, err))
            return false;
        if (!more)
            break;
        if (!json_u64(scan, &id, err))
            return false;
        if (id > UINT32_MAX || n == CONTEXT_MAX_IDS)
            return json_scan_error(scan, err, "a context is not a list of at most %d token ids",
                                   CONTEXT_MAX_IDS);
        ids[n++] = (uint32_t)id;
    }
    uint32_t *kept = arena_array(arena, n ? n : 1, sizeof(*kept));
    if (!kept)
        return error_memory(err, "reading the contexts");
    memcpy(kept, ids, n * sizeof(*ids));
    *out = (struct context_prefix){.ids = kept, .n = n};
    return true;
}

static bool read_prefix(struct json_scan *scan, struct arena *arena, struct context_prefix *out,
                        struct error *err)
{
    enum json_type type;
    struct json_text text;
    if (!json_peek(scan, &type, err))
        return false;
    if (type == JSON_ARRAY)
        return read_id_list(scan, arena, out, err);
    if (!json_string(scan, &text, err))
        return false;
    out->text = arena_copy(arena, text.data, text.length);
    out->n = text.length;
    return out->text || error_memory(err, "reading the contexts");
}

static bool read_prefixes(struct json_scan *scan, struct context_set *set, struct error *err)
{
    bool more;
    set->items = arena_array(&set->arena, CONTEXT_MAX, sizeof(*set->items));
    if (!set->items)
        return error_memory(err, "reading the contexts");
    if (!json_array_begin(scan, err))
        return false;
    for (;;) {
        struct context_prefix prefix = {0};
        if (!json_array_next(scan, &more, err))
            return false;
        if (!more)
            return set->n || json_scan_error(scan, err, "there are no contexts");
        if (set->n == CONTEXT_MAX)
            return json_scan_error(scan, err, "more than %d contexts", CONTEXT_MAX);
        if (!read_prefix(scan, &set->arena, &prefix, err))
            return false;
        set->items[set->n++] = prefix;
    }
}

static bool read_document(struct json_scan *scan, struct context_set *set, struct error *err)
{
    struct json_text key;
    bool more, found = false;
    if (!json_object_begin(scan, err))
        return false;
    for (;;) {
        if (!json_object_next(scan, &key, &more, err))
            return false;
        if (!more)
            break;
        bool wanted = json_text_equal(key, "contexts");
        if (wanted && found)
            return json_scan_error(scan, err, "\"contexts\" stands twice");
        found = found || wanted;
        if (!(wanted ? read_prefixes(scan, set, err) : json_skip(scan, NULL, NULL, err)))
            return false;
    }
    return (found || json_scan_error(scan, err, "the object has no \"contexts\"")) && json_end(scan, err);
}

/* The bare prompt is the first row of every method. */
static bool put_bare_first(struct context_set *set, struct error *err)
{
    size_t bare = set->n;
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].n == 0 && bare == set->n)
            bare = i;
        if ((set->items[i].text == NULL) != (set->items[0].text == NULL))
            return error_set(err, ERROR_FORMAT, "%s: texts and token ids in one list of contexts", set->name);
    }
    if (bare == set->n)
        return error_set(err, ERROR_FORMAT, "%s: none of the contexts is empty (the bare prompt)", set->name);
    struct context_prefix first = set->items[bare];
    memmove(set->items + 1, set->items, bare * sizeof(*set->items));
    set->items[0] = first;
    return true;
}

bool context_set_read(const struct context *context, const char *path, struct context_set *out,
                      struct error *err)
{
    char *text = NULL;
    size_t n;
    struct context_set set = {0};
    struct json_scan scan;
    if (!fs_read_file(context->fs, path, CONTEXT_FILE_LIMIT, &text, &n, err))
        return false;
    set.name = arena_copy(&set.arena, path, strlen(path));
    json_scan_init(&scan, path, text, n);
    bool ok = (set.name || error_memory(err, "reading the contexts")) && read_document(&scan, &set, err) &&
              put_bare_first(&set, err);
    json_scan_release(&scan);
    free(text);
    if (ok)
        *out = set;
    else
        context_set_release(&set);
    return ok;
}

/* ---- from the model ---- */

struct sampling { /* ids of every text [n][CONTEXT_TOKENS] */
    uint32_t (*ids)[CONTEXT_TOKENS];
    size_t *n_ids;
    const struct tokenizer *tokenizer;
};

static bool keep_token(void *user, size_t sequence, uint32_t id)
{
    struct sampling *s = user;
    if (tokenizer_is_special(s->tokenizer, id))
        return false;
    s->ids[sequence][s->n_ids[sequence]++] = id;
    return s->n_ids[sequence] < CONTEXT_TOKENS;
}

/* "TEXT. " with line breaks and braces as spaces. */
static bool prefix_from_ids(const struct sampling *s, size_t i, struct arena *arena,
                            struct context_prefix *out, struct error *err)
{
    struct str text = {0};
    if (!tokenizer_decode(s->tokenizer, s->ids[i], s->n_ids[i], true, &text, err)) {
        str_release(&text);
        return false;
    }
    str_append(&text, ". ");
    for (size_t j = 0; !text.failed && j < text.length; j++)
        if (strchr("\n\r\t{}", text.data[j]))
            text.data[j] = ' ';
    out->text = text.failed ? NULL : arena_copy(arena, text.data, text.length);
    out->n = text.length;
    str_release(&text);
    return out->text || error_memory(err, "sampling the contexts");
}

/* The token that a text begins with. */
static uint32_t first_token(const struct model *model, const struct tokenizer *tokenizer)
{
    size_t n;
    const uint32_t *prefix = tokenizer_prefix(tokenizer, &n);
    return n ? prefix[0] : model->config.bos >= 0 ? (uint32_t)model->config.bos : 0;
}

bool context_set_sample(const struct context *context, const struct model *model,
                        const struct tokenizer *tokenizer, size_t n, uint64_t seed, struct context_set *out,
                        struct error *err)
{
    struct context_set set = {.n = n};
    struct sampler sampler = {.temperature = 1, .top_k = 5, .top_p = 1, .seed = seed};
    uint32_t start = first_token(model, tokenizer);
    struct sampling s = {.ids = memory_zeroed(n, sizeof(*s.ids)),
                         .n_ids = memory_zeroed(n, sizeof(*s.n_ids)),
                         .tokenizer = tokenizer};
    struct sequence *starts = memory_array(n, sizeof(*starts));
    struct str name = {0};
    str_printf(&name, "sampled with seed %llu", (unsigned long long)seed);
    set.items = arena_array(&set.arena, n, sizeof(*set.items));
    set.name = name.failed ? NULL : arena_copy(&set.arena, name.data, name.length);
    bool ok =
        (s.ids && s.n_ids && starts && set.items && set.name) || error_memory(err, "sampling the contexts");
    for (size_t i = 0; ok && i < n; i++)
        starts[i] = (struct sequence){.ids = &start, .length = 1};
    if (ok && n > 1)
        ok = sample_continue(context, model, starts, n - 1, CONTEXT_TOKENS, &sampler,
                             tokenizer_size(tokenizer), keep_token, &s, err);
    if (ok)
        set.items[0] = (struct context_prefix){.text = ""};
    for (size_t i = 1; ok && i < n; i++)
        ok = prefix_from_ids(&s, i - 1, &set.arena, &set.items[i], err);
    str_release(&name);
    free(s.ids);
    free(s.n_ids);
    free(starts);
    if (ok)
        *out = set;
    else
        context_set_release(&set);
    return ok;
}

void context_set_release(struct context_set *set)
{
    arena_release(&set->arena);
    *set = (struct context_set){0};
}
