/* The output's config.json: the donor's text with a few values replaced, so that everything else keeps its
 * spelling and its place (1e-05 stays 1e-05). Replaced, also inside text_config: the number of layers and the
 * lists that have an entry a layer, the dtype, tie_word_embeddings. */
#include <stdlib.h>
#include <string.h>

#include "json_scan.h"
#include "model_files.h"
#include "plan_build.h"
#include "str.h"

enum { EDITS_MOST = 32 };

struct edit {
    size_t begin, end;
    char *text;
};

struct config_writer {
    struct planner *p;
    size_t donor;
    const char *name; /* of the donor's config.json, for sentences */
    const struct model_facts *facts;
    size_t n_layers;   /* of the output; 0: as they are */
    const char *dtype; /* NULL: as it is */
    bool untie;
    bool said_layers, said_dtype, said_tie; /* the key was there */
    struct edit edits[EDITS_MOST];
    size_t n_edits;
};

static const char *const count_keys[] = {"num_hidden_layers", "n_layer", "num_layers", "n_layers", NULL};
static const char *const dtype_keys[] = {"torch_dtype", "dtype", NULL};
static const char *const layer_lists[] = {"layer_types", "mlp_layer_types", "layers_block_type",
                                          "no_rope_layers", NULL};

static bool is_one_of(struct json_text key, const char *const *names)
{
    for (; *names; names++)
        if (json_text_equal(key, *names))
            return true;
    return false;
}

/* Takes `text` over; one that says what is there already is no edit. */
static bool replace(struct config_writer *w, const char *start, size_t n, struct str *text)
{
    char *made = str_take(text);
    if (!made)
        return plan_memory(w->p);
    bool same = strlen(made) == n && memcmp(made, start, n) == 0;
    if (same || w->n_edits == EDITS_MOST) {
        free(made);
        return true;
    }
    size_t begin = (size_t)(start - w->facts->config_text);
    w->edits[w->n_edits++] = (struct edit){.begin = begin, .end = begin + n, .text = made};
    return true;
}

static const cJSON *list_of(const struct model_facts *facts, const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(facts->config, key);
    if (!list)
        list = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(facts->config, "text_config"), key);
    return cJSON_IsArray(list) ? list : NULL;
}

/* Which model tells what kind a layer of the slice is: the donor where it takes part. */
static const struct slice_source *teller(const struct config_writer *w, const struct slice_plan *slice)
{
    for (size_t i = 0; i < slice->n_sources; i++)
        if (slice->sources[i].model == w->donor)
            return &slice->sources[i];
    return &slice->sources[0];
}

static bool add_entries(struct config_writer *w, const char *key, const struct slice_plan *slice, bool first,
                        struct str *s)
{
    const struct slice_source *source = teller(w, slice);
    const struct model_facts *facts = &w->p->facts[source->model];
    const cJSON *list = list_of(facts, key);
    if (!list || (size_t)cJSON_GetArraySize(list) != facts->stacks->n_layers)
        return plan_refuse(w->p, source->model, ERROR_MISMATCH,
                           "%s: config.json has no list %s of one entry for each of its %zu "
                           "layers, as %s has",
                           facts->shown, key, facts->stacks->n_layers, w->facts->shown);
    size_t at = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list)
    {
        if (at >= source->first_layer && at - source->first_layer < slice->n_layers) {
            char *text = cJSON_PrintUnformatted(entry);
            s->failed |= !text;
            str_printf(s, "%s\n    %s", first ? "" : ",", text ? text : "");
            cJSON_free(text);
            first = false;
        }
        at++;
    }
    return true;
}

/* [start, start + n) is a list of the donor with an entry a layer. */
static bool replace_list(struct config_writer *w, const char *key, const char *start, size_t n)
{
    struct str s = {0};
    const cJSON *old = list_of(w->facts, key);
    if (!old || w->facts->n_stacks != 1 || (size_t)cJSON_GetArraySize(old) != w->facts->stacks->n_layers)
        return true;
    str_append(&s, "[");
    for (size_t i = 0; i < w->p->recipe->n_slices; i++)
        if (!add_entries(w, key, &w->p->slices[i], i == 0, &s)) {
            str_release(&s);
            return false;
        }
    str_append(&s, "\n  ]");
    cJSON *made = s.failed ? NULL : cJSON_Parse(s.data);
    bool same = made && cJSON_Compare(old, made, true);
    bool ok = made || plan_memory(w->p);
    cJSON_Delete(made);
    if (ok && !same)
        return replace(w, start, n, &s);
    str_release(&s);
    return ok;
}

static bool replace_value(struct config_writer *w, struct json_text key, const char *start, size_t n)
{
    struct str s = {0};
    if (w->n_layers && is_one_of(key, count_keys)) {
        w->said_layers = true;
        str_printf(&s, "%zu", w->n_layers);
    } else if (w->dtype && is_one_of(key, dtype_keys)) {
        w->said_dtype = true;
        str_printf(&s, "\"%s\"", w->dtype);
    } else if (w->untie && json_text_equal(key, "tie_word_embeddings")) {
        w->said_tie = true;
        str_append(&s, "false");
    } else {
        for (const char *const *list = layer_lists; w->n_layers && *list; list++)
            if (json_text_equal(key, *list))
                return replace_list(w, *list, start, n);
        return true;
    }
    return replace(w, start, n, &s);
}

/* The members of one object; text_config is one of them. */
static bool scan_object(struct config_writer *w, struct json_scan *scan, bool outermost)
{
    struct json_text key;
    bool more;
    if (!json_object_begin(scan, w->p->err))
        return false;
    for (;;) {
        if (!json_object_next(scan, &key, &more, w->p->err))
            return false;
        if (!more)
            return true;
        enum json_type type;
        const char *start;
        size_t n;
        bool text_config = outermost && json_text_equal(key, "text_config");
        char name[64] = "";
        if (key.length < sizeof name)
            memcpy(name, key.data, key.length);
        struct json_text kept = {name, key.length < sizeof name ? key.length : 0};
        if (!json_peek(scan, &type, w->p->err))
            return false;
        if (text_config && type == JSON_OBJECT) {
            if (!scan_object(w, scan, false))
                return false;
        } else if (!json_skip(scan, &start, &n, w->p->err) || !replace_value(w, kept, start, n))
            return false;
    }
}

/* ---- what changes ---- */

static const char *dtype_name(enum dtype dtype)
{
    return dtype == DTYPE_F32    ? "float32"
           : dtype == DTYPE_F16  ? "float16"
           : dtype == DTYPE_BF16 ? "bfloat16"
           : dtype == DTYPE_F64  ? "float64"
                                 : NULL;
}

static enum dtype most_elements(const uint64_t *elements)
{
    enum dtype most = DTYPE_F32;
    for (size_t i = 0; i < DTYPE_COUNT; i++)
        if (elements[i] > elements[most])
            most = (enum dtype)i;
    return most;
}

/* The dtype that most of the output has, if most of the donor has another one, or the recipe asks for it. */
static const char *new_dtype(const struct planner *p, size_t donor)
{
    uint64_t before[DTYPE_COUNT] = {0}, after[DTYPE_COUNT] = {0};
    const struct checkpoint *c = p->plan->models[donor].checkpoint;
    for (size_t i = 0; i < c->n_tensors; i++)
        before[c->tensors[i].dtype] += c->tensors[i].elements;
    for (size_t i = 0; i < p->plan->n_tensors; i++)
        after[p->plan->tensors[i].dtype] += p->plan->tensors[i].elements;
    bool asked = p->recipe->dtype != DTYPE_COUNT || p->recipe->out_dtype != DTYPE_COUNT;
    enum dtype is = most_elements(after);
    return asked || is != most_elements(before) ? dtype_name(is) : NULL;
}

static bool has_head(const struct planner *p)
{
    size_t last = p->recipe->n_slices - 1;
    const struct slice_plan *slice = &p->slices[last];
    for (size_t i = 0; i < slice->n_sources; i++)
        if (p->facts[slice->sources[i].model].head)
            return true;
    return p->recipe->untie;
}

static bool find_edits(struct config_writer *w)
{
    struct json_scan scan;
    struct planner *p = w->p;
    json_scan_init(&scan, w->name, w->facts->config_text, strlen(w->facts->config_text));
    bool ok = scan_object(w, &scan, true);
    json_scan_release(&scan);
    if (ok && w->n_layers && !w->said_layers)
        return plan_refuse(p, w->donor, ERROR_MISMATCH,
                           "%s: does not say how many layers there are, so it cannot be "
                           "adapted to %zu",
                           w->name, w->n_layers);
    return ok;
}

static int by_place(const void *a, const void *b)
{
    const struct edit *left = a, *right = b;
    return (left->begin > right->begin) - (left->begin < right->begin);
}

static bool put_together(struct config_writer *w)
{
    const char *text = w->facts->config_text, *last = strrchr(text, '}');
    struct str s = {0};
    size_t at = 0, end = last ? (size_t)(last - text) : strlen(text);
    bool add_dtype = w->dtype && !w->said_dtype, add_tie = w->untie && !w->said_tie;
    if (w->n_edits == 0 && !add_dtype && !add_tie)
        return true;
    qsort(w->edits, w->n_edits, sizeof *w->edits, by_place);
    for (size_t i = 0; i < w->n_edits; at = w->edits[i++].end) {
        str_append_bytes(&s, text + at, w->edits[i].begin - at);
        str_append(&s, w->edits[i].text);
    }
    while (end > at && strchr(" \t\r\n", text[end - 1]))
        end--;
    str_append_bytes(&s, text + at, end - at);
    if (add_dtype)
        str_printf(&s, ",\n  \"torch_dtype\": \"%s\"", w->dtype);
    if (add_tie)
        str_append(&s, ",\n  \"tie_word_embeddings\": false");
    str_append(&s, add_dtype || add_tie ? "\n" : "");
    str_append(&s, add_dtype || add_tie ? "}\n" : text + end);
    w->p->plan->config = s.failed ? NULL : arena_copy(&w->p->plan->arena, s.data, s.length);
    str_release(&s);
    return w->p->plan->config || plan_memory(w->p);
}

/* The model whose config.json it is: in place, that of the model that the merge goes into. */
static size_t config_donor(const struct planner *p)
{
    for (size_t i = 0; p->target && i < p->plan->n_models; i++)
        if (p->plan->models[i].is_target)
            return i;
    return p->target ? RECIPE_NO_INPUT : p->plan->donor;
}

static size_t output_layers(const struct planner *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->recipe->n_slices; i++)
        n += p->slices[i].n_layers;
    return n;
}

bool plan_write_config(struct planner *p)
{
    struct config_writer w = {.p = p, .donor = config_donor(p)};
    if (w.donor == RECIPE_NO_INPUT)
        return true;
    w.facts = &p->facts[w.donor];
    w.name = model_files_shown(p->plan->models[w.donor].checkpoint->folder, "config.json", &p->plan->arena);
    if (!w.name)
        return plan_memory(p);
    w.n_layers = p->recipe->is_sliced ? output_layers(p) : 0;
    w.dtype = p->target ? NULL : new_dtype(p, w.donor);
    w.untie = has_head(p) && p->recipe->untie;
    bool ok = find_edits(&w);
    if (ok && p->target && (w.n_edits || (w.untie && !w.said_tie)))
        ok = error_set(
            p->err, ERROR_MISMATCH,
            "the merge would change %s (kinds of layers or tying), which is not possible in place: write "
            "it to a new folder with --output",
            w.name);
    ok = ok && (p->target || put_together(&w));
    for (size_t i = 0; i < w.n_edits; i++)
        free(w.edits[i].text);
    return ok;
}
