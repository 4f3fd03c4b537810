/* What the user should be told before a merge starts. */
#include <stdlib.h>
#include <string.h>

#include "plan_build.h"
#include "quote.h"
#include "str.h"
#include "tokenizer.h"

/* ---- configs ---- */

static const cJSON *member(const struct model_facts *facts, const char *key)
{
    const cJSON *item = config_member(facts->config, key);
    return item ? item : config_member(config_member(facts->config, "text_config"), key);
}

/* transformers 5 writes rope_parameters where 4 wrote rope_theta and rope_scaling. */
static const cJSON *rope_scaling(const struct model_facts *facts)
{
    const cJSON *scaling = member(facts, "rope_scaling");
    return scaling ? scaling : member(facts, "rope_parameters");
}

static const cJSON *rope_theta(const struct model_facts *facts)
{
    const cJSON *theta = config_member(member(facts, "rope_parameters"), "rope_theta");
    return theta ? theta : member(facts, "rope_theta");
}

static bool same_item(const cJSON *a, const cJSON *b)
{
    return (!a && !b) || (a && b && cJSON_Compare(a, b, true));
}

static const char *rope_type(const cJSON *scaling)
{
    const cJSON *type = config_member(scaling, "rope_type");
    type = type ? type : config_member(scaling, "type");
    return cJSON_IsString(type) ? type->valuestring : "default";
}

static bool same_scaling(const cJSON *a, const cJSON *b)
{
    return strcmp(rope_type(a), rope_type(b)) == 0 &&
           same_item(config_member(a, "factor"), config_member(b, "factor"));
}

static bool is_tied(const struct model_facts *facts)
{
    return cJSON_IsTrue(member(facts, "tie_word_embeddings"));
}

/* " is 10000 in models/a" */
static void append_item(struct str *s, const cJSON *item, const struct model_facts *facts)
{
    char *text = item ? cJSON_PrintUnformatted(item) : NULL;
    s->failed |= item && !text;
    str_append(s, " is ");
    if (text)
        str_append_escaped(s, text, strlen(text));
    else
        str_append(s, "absent");
    str_printf(s, " in %s", facts->shown);
    cJSON_free(text);
}

static bool note_items(struct planner *p, const char *what, const struct model_facts *a, const cJSON *left,
                       const struct model_facts *b, const cJSON *right)
{
    struct str s = {0};
    str_append(&s, what);
    append_item(&s, left, a);
    str_append(&s, " and");
    append_item(&s, right, b);
    bool ok = s.failed ? plan_memory(p) : plan_note(p, "%s: the output has the former", s.data);
    str_release(&s);
    return ok;
}

static bool compare_keys(struct planner *p, const struct model_facts *a, const struct model_facts *b)
{
    static const char *const keys[] = {"model_type",
                                       "num_attention_heads",
                                       "num_key_value_heads",
                                       "head_dim",
                                       "max_position_embeddings",
                                       "sliding_window",
                                       "hidden_act",
                                       "rms_norm_eps",
                                       "bos_token_id",
                                       "eos_token_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *left = member(a, keys[i]), *right = member(b, keys[i]);
        if (!same_item(left, right) && !note_items(p, keys[i], a, left, b, right))
            return false;
    }
    if (!same_item(rope_theta(a), rope_theta(b)) &&
        !note_items(p, "rope_theta", a, rope_theta(a), b, rope_theta(b)))
        return false;
    if (!same_scaling(rope_scaling(a), rope_scaling(b)) &&
        !note_items(p, "rope_scaling", a, rope_scaling(a), b, rope_scaling(b)))
        return false;
    return is_tied(a) == is_tied(b) ||
           plan_note(p, "tie_word_embeddings is %s in %s and %s in %s", is_tied(a) ? "true" : "false",
                     a->shown, is_tied(b) ? "true" : "false", b->shown);
}

/* ---- vocabularies ---- */

static bool differ(const struct tokenizer *a, const struct tokenizer *b, uint32_t *id)
{
    uint32_t n = tokenizer_size(a) < tokenizer_size(b) ? tokenizer_size(a) : tokenizer_size(b);
    for (*id = 0; *id < n; ++*id) {
        const char *left = tokenizer_piece(a, *id), *right = tokenizer_piece(b, *id);
        if (left != right && (!left || !right || strcmp(left, right) != 0))
            return true;
    }
    return tokenizer_size(a) != tokenizer_size(b);
}

static bool compare_tokens(struct planner *p, size_t a, size_t b)
{
    struct tokenizer *left = NULL, *right = NULL;
    struct error why = {0};
    uint32_t id;
    bool ok = true;
    if (tokenizer_open(p->context, p->plan->models[a].checkpoint, &left, &why) &&
        tokenizer_open(p->context, p->plan->models[b].checkpoint, &right, &why)) {
        if (differ(left, right, &id))
            ok = plan_note(
                p,
                "the vocabularies of %s and %s differ (from token %u on): rows of the embedding that mean "
                "different tokens are merged",
                p->facts[a].shown, p->facts[b].shown, (unsigned)id);
    } else if (why.kind == ERROR_MEMORY)
        ok = plan_memory(p);
    else
        ok = plan_note(p, "the tokenizers of %s and %s differ, and cannot be compared: %s", p->facts[a].shown,
                       p->facts[b].shown, why.text);
    tokenizer_close(left);
    tokenizer_close(right);
    return ok;
}

/* Vocabularies are read only where the files are not the same. */
static bool compare_vocabularies(struct planner *p, size_t a, size_t b)
{
    char *left = NULL, *right = NULL;
    size_t n, m;
    bool ok = checkpoint_companion(p->plan->models[a].checkpoint, "tokenizer.json", &left, &n, p->err) &&
              checkpoint_companion(p->plan->models[b].checkpoint, "tokenizer.json", &right, &m, p->err);
    bool same = !ok || !left || !right || (n == m && memcmp(left, right, n) == 0);
    free(left);
    free(right);
    return ok && (same || compare_tokens(p, a, b));
}

static bool compare_models(struct planner *p)
{
    size_t donor = p->plan->donor;
    for (size_t i = 0; i < p->plan->n_models; i++)
        if (i != donor &&
            (!compare_keys(p, &p->facts[donor], &p->facts[i]) || !compare_vocabularies(p, donor, i)))
            return false;
    return true;
}

/* ---- the recipe ---- */

static bool note_gradient(struct planner *p)
{
    if (p->used_gradient && p->recipe->n_slices > 1 && !plan_note(p, "a gradient starts anew in every slice"))
        return false;
    if (!p->outside_gradient)
        return true;
    if (p->recipe->semantics == MERGE_MERGEKIT)
        return plan_note(
            p, "embedding, final norm and head all take the first value of a gradient, as in mergekit");
    return plan_note(
        p, "the embedding takes the first value of a gradient, final norm and head the last (mergekit: "
           "the first)");
}

static bool note_conditions(struct planner *p, const struct recipe_parameters *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct recipe_value *value = &list->items[i].value;
        for (size_t j = 0; value->kind == VALUE_CONDITIONS && j < value->n_conditions; j++) {
            const struct recipe_condition *c = &value->conditions[j];
            if (p->plan->hits[c->id].wins == 0 &&
                !plan_note(p,
                           "line %zu: this condition of %s is never used: what it fits has a value already",
                           c->place.line, list->items[i].name))
                return false;
        }
    }
    return true;
}

static bool note_recipe(struct planner *p)
{
    const struct recipe *recipe = p->recipe;
    if (!note_conditions(p, &recipe->parameters) || !note_conditions(p, &recipe->module_parameters))
        return false;
    for (size_t i = 0; i < recipe->n_slices; i++) {
        const struct slice_plan *slice = &p->slices[i];
        if (!note_conditions(p, &recipe->slices[i].parameters))
            return false;
        for (size_t j = 0; j < recipe->slices[i].n_inputs; j++) {
            const struct recipe_parameters *list = &recipe->slices[i].inputs[j].parameters;
            bool base = recipe->method->base == BASE_REQUIRED && slice->sources[0].input == j;
            if (base && list->n ? !plan_note(p, "parameters of the base_model %s are not used by %s",
                                             p->facts[slice->sources[0].model].shown, recipe->method->name)
                                : !note_conditions(p, list))
                return false;
        }
    }
    return true;
}

static bool note_dtypes(struct planner *p)
{
    size_t n = 0, example = 0;
    for (size_t i = 0; i < p->plan->n_tensors; i++) {
        const struct merge_tensor *tensor = &p->plan->tensors[i];
        bool mixed = false;
        for (size_t j = 1; j < tensor->n_sources; j++)
            mixed |= tensor->sources[j].tensor->dtype != tensor->sources[0].tensor->dtype;
        if (mixed && n++ == 0)
            example = i;
    }
    if (n == 0 || p->recipe->out_dtype != DTYPE_COUNT || p->recipe->dtype != DTYPE_COUNT)
        return true;
    const struct merge_tensor *tensor = &p->plan->tensors[example];
    return plan_note(p,
                     "%zu tensor%s %s different dtypes in the models, and will be %s (%s): out_dtype "
                     "(--out-dtype) chooses another",
                     n, n == 1 ? "" : "s", n == 1 ? "has" : "have", dtype_facts(tensor->dtype)->name,
                     quote(tensor->name).text);
}

static bool note_slices(struct planner *p)
{
    const struct recipe *recipe = p->recipe;
    if (recipe->n_slices > 1 &&
        !plan_note(p, "embeddings come from the first slice, final norm and head from the last"))
        return false;
    static const char *const by_place[] = {"sliding_window_pattern",  "_sliding_window_pattern",
                                           "mlp_only_layers",         "first_k_dense_replace",
                                           "max_window_layers",       "attn_layer_period",
                                           "full_attention_interval", "no_rope_layer_interval"};
    const struct model_facts *donor = &p->facts[p->plan->donor];
    for (size_t i = 0;
         recipe->is_sliced && !member(donor, "layer_types") && i < sizeof by_place / sizeof *by_place; i++)
        if (member(donor, by_place[i]) &&
            !plan_note(
                p,
                "config.json of %s has %s, which tells layers apart by their place: check that it fits the "
                "new order",
                donor->shown, by_place[i]))
            return false;
    return true;
}

static bool note_tying(struct planner *p)
{
    size_t n_heads = 0;
    for (size_t i = 0; i < p->plan->n_models; i++)
        n_heads += p->facts[i].head != NULL;
    if (n_heads == 0 || n_heads == p->plan->n_models || p->recipe->untie)
        return true;
    return p->recipe->semantics != MERGE_MERGEKIT ||
           plan_note(
               p,
               "some models have no head of their own: a head is written, and config.json stays as it is, as "
               "in mergekit; a reader that trusts tie_word_embeddings drops it");
}

bool plan_add_notes(struct planner *p)
{
    const struct slice_plan *last = &p->slices[p->recipe->n_slices - 1];
    bool appended = p->recipe->method->base == BASE_UNUSED && last->n_sources > last->slice->n_inputs;
    if (appended &&
        !plan_note(p,
                   "the base_model %s is merged too, as in mergekit, though the recipe does not list "
                   "it",
                   p->facts[p->base].shown))
        return false;
    if (plan_late_sources(p) < last->n_sources &&
        !plan_note(
            p,
            "final norm and head take only %zu of the %zu sources of the last slice, as in mergekit: the "
            "first slice has no more",
            plan_late_sources(p), last->n_sources))
        return false;
    return note_gradient(p) && note_slices(p) && note_tying(p) && note_dtypes(p) && note_recipe(p) &&
           compare_models(p);
}
