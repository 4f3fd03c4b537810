/* Which models a slice takes and in which order. */
#include <string.h>

#include "plan_build.h"
#include "quote.h"

static const char *shown(const struct planner *p, size_t model)
{
    return p->facts[model].shown;
}

static struct recipe_place slice_place(const struct planner *p, size_t index)
{
    const struct recipe_slice *slice = &p->recipe->slices[index];
    return p->recipe->is_sliced ? slice->place : p->recipe->method_place;
}

/* A model twice among `models` is a mistake; two layers of one model in a slice are not, but mergekit has no
 * way to tell them apart. */
static bool refuse_twice(struct planner *p, size_t index, const size_t *models)
{
    const struct recipe_slice *slice = &p->recipe->slices[index];
    if (p->recipe->is_sliced && p->recipe->semantics == MERGE_LANCET)
        return true;
    for (size_t i = 0; i < slice->n_inputs; i++)
        for (size_t j = 0; j < i; j++)
            if (models[i] == models[j])
                return recipe_error(p->recipe, slice->inputs[i].place, ERROR_USAGE, p->err,
                                    "%s is listed twice%s", shown(p, models[i]),
                                    p->recipe->is_sliced ? " in a slice, which mergekit refuses" : "");
    return true;
}

static bool find_base(struct planner *p, size_t index, const size_t *models, size_t *base_input)
{
    const struct recipe_slice *slice = &p->recipe->slices[index];
    const struct merge_method *method = p->recipe->method;
    size_t base = p->slice_bases[index];
    *base_input = RECIPE_NO_INPUT;
    for (size_t i = slice->n_inputs; i-- > 0;)
        if (models[i] == base)
            *base_input = i;
    if (method->base == BASE_UNUSED)
        return true;
    if (base == RECIPE_NO_INPUT)
        return recipe_error(p->recipe, slice_place(p, index), ERROR_USAGE, p->err,
                            "%s needs a base_model (--base), and none is named", method->name);
    if (*base_input == RECIPE_NO_INPUT && p->recipe->is_sliced)
        return recipe_error(p->recipe, slice->place, ERROR_USAGE, p->err,
                            "the slice lacks the base_model %s among its sources: %s needs its layers too",
                            shown(p, base), method->name);
    return true;
}

static bool check_count(struct planner *p, size_t index, size_t n)
{
    const struct merge_method *method = p->recipe->method;
    const char *but = method->base == BASE_REQUIRED ? " beside the base_model" : "";
    if (n >= method->least_models && n <= method->most_models)
        return true;
    if (method->least_models == method->most_models)
        return recipe_error(p->recipe, slice_place(p, index), ERROR_USAGE, p->err,
                            "%s merges %zu model%s%s, and %s %zu", method->name, method->least_models,
                            method->least_models == 1 ? "" : "s", but,
                            p->recipe->is_sliced ? "the slice has" : "the recipe has", n);
    return recipe_error(p->recipe, slice_place(p, index), ERROR_USAGE, p->err,
                        "%s merges at least %zu model%s%s, and %s %zu", method->name, method->least_models,
                        method->least_models == 1 ? "" : "s", but,
                        p->recipe->is_sliced ? "the slice has" : "the recipe has", n);
}

static bool check_layers(struct planner *p, const struct recipe_input *input, size_t model)
{
    const struct model_facts *facts = &p->facts[model];
    const struct layer_stack *stacks = facts->stacks;
    if (facts->n_stacks == 0)
        return recipe_error(p->recipe, input->place, ERROR_MISMATCH, p->err, "%s has no layers to be sliced",
                            facts->shown);
    if (facts->n_stacks > 1)
        return recipe_error(
            p->recipe, input->place, ERROR_UNSUPPORTED, p->err,
            "%s has more than one stack of layers (%s and %s): slices of such a model are not "
            "supported yet",
            facts->shown, quote_bytes(stacks[0].prefix, stacks[0].length).text,
            quote_bytes(stacks[1].prefix, stacks[1].length).text);
    if (input->end_layer > facts->stacks->n_layers)
        return recipe_error(p->recipe, input->place, ERROR_USAGE, p->err,
                            "layer_range [%zu, %zu] of %s, which has %zu layers", input->first_layer,
                            input->end_layer, facts->shown, facts->stacks->n_layers);
    return true;
}

static bool choose(struct planner *p, size_t index, const size_t *models)
{
    const struct recipe_slice *slice = &p->recipe->slices[index];
    struct slice_plan *out = &p->slices[index];
    enum base_rule rule = p->recipe->method->base;
    size_t base_input;
    if (!refuse_twice(p, index, models) || !find_base(p, index, models, &base_input))
        return false;
    *out = (struct slice_plan){.slice = slice, .has_base = rule != BASE_UNUSED};
    out->sources = arena_array(&p->plan->arena, slice->n_inputs + 1, sizeof *out->sources);
    if (!out->sources)
        return plan_memory(p);
    if (out->has_base)
        out->sources[out->n_sources++] = (struct slice_source){
            .model = p->slice_bases[index],
            .input = base_input,
            .first_layer = base_input == RECIPE_NO_INPUT ? 0 : slice->inputs[base_input].first_layer};
    for (size_t i = 0; i < slice->n_inputs; i++)
        if (!out->has_base || i != base_input)
            out->sources[out->n_sources++] = (struct slice_source){
                .model = models[i], .input = i, .first_layer = slice->inputs[i].first_layer};
    /* mergekit makes a base that no list names one of the models. */
    if (!out->has_base && p->recipe->semantics == MERGE_MERGEKIT && !p->recipe->is_sliced &&
        p->base != RECIPE_NO_INPUT && base_input == RECIPE_NO_INPUT)
        out->sources[out->n_sources++] = (struct slice_source){.model = p->base, .input = RECIPE_NO_INPUT};
    for (size_t i = 0; p->recipe->is_sliced && i < slice->n_inputs; i++)
        if (!check_layers(p, &slice->inputs[i], models[i]))
            return false;
    out->n_layers = slice->inputs[0].end_layer - slice->inputs[0].first_layer;
    return check_count(p, index, out->n_sources - (rule == BASE_REQUIRED));
}

size_t plan_late_sources(const struct planner *p)
{
    size_t first = p->slices[0].n_sources, last = p->slices[p->recipe->n_slices - 1].n_sources;
    return p->recipe->semantics == MERGE_MERGEKIT && first < last ? first : last;
}

/* mergekit's cut of the last slice's sources may lose the base. */
static bool check_late_base(struct planner *p)
{
    const struct slice_plan *last = &p->slices[p->recipe->n_slices - 1];
    size_t n = plan_late_sources(p);
    return !p->recipe->is_sliced || !last->has_base || last->sources[0].input < n ||
           recipe_error(
               p->recipe, last->slice->place, ERROR_USAGE, p->err,
               "mergekit makes final norm and head of the first %zu source%s of the last slice, as many "
               "as the first slice has, and the base_model %s is not among them",
               n, n == 1 ? "" : "s", shown(p, last->sources[0].model));
}

bool plan_choose_sources(struct planner *p)
{
    const struct recipe *recipe = p->recipe;
    size_t at = 0;
    p->slices = arena_array(&p->plan->arena, recipe->n_slices, sizeof *p->slices);
    if (!p->slices)
        return plan_memory(p);
    for (size_t i = 0; i < recipe->n_slices; at += recipe->slices[i++].n_inputs)
        if (!choose(p, i, p->input_models + at))
            return false;
    return check_late_base(p);
}
