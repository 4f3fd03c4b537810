/* The tensors of the output and what each is made of.
 *
 * Without slices: every tensor of the first source, which all others must have too. With slices: layer i of a
 * slice is its sources' layers first + i, numbered anew; what lies before the layers (embeddings) comes from
 * the first slice, what lies behind them (final norm, head) from the last. A model without a head stands for
 * itself with its embedding where another one has a head. */
#include <string.h>

#include "plan_build.h"
#include "quote.h"

static bool add(struct planner *p, const char *name, size_t slice, double t, struct merge_tensor **out)
{
    struct merge_plan *plan = p->plan;
    if (plan->n_tensors == p->room_tensors) {
        size_t room = p->room_tensors ? 2 * p->room_tensors : 256;
        struct merge_tensor *more = arena_array(&plan->arena, room, sizeof *more);
        if (!more)
            return plan_memory(p);
        if (plan->n_tensors)
            memcpy(more, plan->tensors, plan->n_tensors * sizeof *more);
        plan->tensors = more;
        p->room_tensors = room;
    }
    struct merge_tensor *tensor = &plan->tensors[plan->n_tensors];
    const struct slice_plan *from = &p->slices[slice];
    *tensor = (struct merge_tensor){.name = name, .slice = slice, .t = t};
    tensor->sources = arena_array(&plan->arena, from->n_sources, sizeof *tensor->sources);
    if (!tensor->sources)
        return plan_memory(p);
    for (size_t i = 0; i < from->n_sources; i++)
        tensor->sources[i] =
            (struct merge_source){.model = from->sources[i].model, .input = from->sources[i].input};
    tensor->n_sources = from->n_sources;
    plan->n_tensors++;
    *out = tensor;
    return true;
}

static bool lacks(struct planner *p, const char *name, size_t with, size_t without)
{
    const struct model_facts *a = &p->facts[with], *b = &p->facts[without];
    if (a->n_stacks == 1 && b->n_stacks == 1 && !p->recipe->is_sliced &&
        a->stacks->n_layers != b->stacks->n_layers)
        return plan_refuse(p, without, ERROR_MISMATCH,
                           "%s has %zu layers and %s has %zu: only slices can merge them", a->shown,
                           a->stacks->n_layers, b->shown, b->stacks->n_layers);
    return plan_refuse(p, without, ERROR_MISMATCH,
                       "tensor %s is in %s and not in %s: a merge needs every tensor from every model",
                       quote(name).text, a->shown, b->shown);
}

/* The name of a tensor of `from`'s model in the layer of another source that stands for it. */
static bool name_in(struct planner *p, const char *name, const struct slice_source *from,
                    const struct slice_source *to, const char **out)
{
    struct layer_name parts;
    *out = name;
    if (!p->recipe->is_sliced || !layer_name_parse(name, &parts) || from->first_layer == to->first_layer)
        return true;
    *out = layer_name_with(name, &parts, parts.layer - from->first_layer + to->first_layer, &p->plan->arena);
    return *out || plan_memory(p);
}

/* Fills in the tensor of every source, `name` being that of the first. */
static bool find_sources(struct planner *p, struct merge_tensor *tensor, const char *name)
{
    const struct slice_source *sources = p->slices[tensor->slice].sources;
    for (size_t i = 0; i < tensor->n_sources; i++) {
        const char *other;
        if (!name_in(p, name, &sources[0], &sources[i], &other))
            return false;
        tensor->sources[i].tensor = checkpoint_find(p->plan->models[sources[i].model].checkpoint, other);
        if (!tensor->sources[i].tensor)
            return lacks(p, name, sources[0].model, sources[i].model);
    }
    return true;
}

static bool is_head(const struct model_facts *facts, const char *name)
{
    return facts->head && strcmp(facts->head->name, name) == 0;
}

static bool in_range(const struct slice_source *source, size_t n_layers, size_t layer)
{
    return layer >= source->first_layer && layer - source->first_layer < n_layers;
}

/* Does the slice make something of this tensor of one of its sources? Heads are looked at apart. */
static bool is_taken(const struct planner *p, size_t slice, const struct slice_source *source,
                     const char *name)
{
    struct layer_name parts;
    const struct model_facts *facts = &p->facts[source->model];
    if (is_head(facts, name))
        return false;
    if (!p->recipe->is_sliced)
        return true;
    if (layer_name_parse(name, &parts))
        return in_range(source, p->slices[slice].n_layers, parts.layer);
    return plan_is_late(facts, name) ? slice + 1 == p->recipe->n_slices : slice == 0;
}

/* Nothing of the other sources may be left out. */
static bool check_others(struct planner *p, size_t slice)
{
    const struct slice_plan *plan = &p->slices[slice];
    const struct slice_source *first = &plan->sources[0];
    const struct checkpoint *donor = p->plan->models[first->model].checkpoint;
    for (size_t i = 1; i < plan->n_sources; i++) {
        const struct checkpoint *c = p->plan->models[plan->sources[i].model].checkpoint;
        if (c == donor && plan->sources[i].first_layer == first->first_layer)
            continue;
        for (size_t j = 0; j < c->n_tensors; j++) {
            const char *name = c->tensors[j].name, *there;
            if (!is_taken(p, slice, &plan->sources[i], name))
                continue;
            if (!name_in(p, name, &plan->sources[i], first, &there))
                return false;
            if (!checkpoint_find(donor, there))
                return lacks(p, name, plan->sources[i].model, first->model);
        }
    }
    return true;
}

static bool is_outside(const char *name)
{
    struct layer_name parts;
    return !layer_name_parse(name, &parts);
}

static double place_in_gradient(const struct planner *p, const struct model_facts *facts, size_t slice,
                                const char *name)
{
    struct layer_name parts;
    if (!layer_name_parse(name, &parts))
        return p->recipe->semantics == MERGE_LANCET && plan_is_late(facts, name) ? 1 : 0;
    size_t n = p->recipe->is_sliced ? p->slices[slice].n_layers : plan_stack(facts, name, &parts)->n_layers;
    size_t i = p->recipe->is_sliced ? parts.layer - p->slices[slice].sources[0].first_layer : parts.layer;
    return n == 1 ? 1 : (double)i / (double)(n - 1);
}

static bool output_name(struct planner *p, size_t slice, size_t first_out, const char *name, const char **out)
{
    struct layer_name parts;
    size_t first_in = p->slices[slice].sources[0].first_layer;
    *out = name;
    if (!p->recipe->is_sliced || !layer_name_parse(name, &parts) || first_in == first_out)
        return true;
    *out = layer_name_with(name, &parts, parts.layer - first_in + first_out, &p->plan->arena);
    return *out || plan_memory(p);
}

static bool list_slice(struct planner *p, size_t slice, size_t first_out)
{
    const struct slice_source *first = &p->slices[slice].sources[0];
    const struct model_facts *facts = &p->facts[first->model];
    const struct checkpoint *c = p->plan->models[first->model].checkpoint;
    for (size_t i = 0; i < c->n_tensors; i++) {
        const char *name = c->tensors[i].name, *out;
        struct merge_tensor *tensor;
        if (!is_taken(p, slice, first, name))
            continue;
        if (!output_name(p, slice, first_out, name, &out) ||
            !add(p, out, slice, place_in_gradient(p, facts, slice, name), &tensor))
            return false;
        if (is_outside(name) && plan_is_late(facts, name))
            tensor->n_sources = plan_late_sources(p);
        if (!find_sources(p, tensor, name))
            return false;
    }
    return check_others(p, slice);
}

/* ---- the head ---- */

static bool refuse_mixed(struct planner *p, size_t tied, size_t untied)
{
    return plan_refuse(p, tied, ERROR_MISMATCH,
                       "%s has no head of its own (it uses its embedding) and %s has one (%s): "
                       "`lancet merge --untie`, or `tie_word_embeddings: false` in the recipe, gives the "
                       "result a head of its own",
                       p->facts[tied].shown, p->facts[untied].shown, quote(p->facts[untied].head->name).text);
}

static bool list_head(struct planner *p)
{
    size_t last = p->recipe->n_slices - 1, n_heads = 0, tied = 0, untied = 0;
    const struct slice_plan *slice = &p->slices[last];
    size_t n = plan_late_sources(p);
    for (size_t i = 0; i < n; i++) {
        bool has = p->facts[slice->sources[i].model].head != NULL;
        n_heads += has;
        *(has ? &untied : &tied) = slice->sources[i].model;
    }
    bool mixed = n_heads && n_heads < n;
    if (n_heads == 0 && !p->recipe->untie)
        return true;
    if (mixed && !p->recipe->untie && p->recipe->semantics == MERGE_LANCET)
        return refuse_mixed(p, tied, untied);
    struct merge_tensor *tensor;
    const char *name = n_heads ? p->facts[untied].head->name : "lm_head.weight";
    double t = p->recipe->semantics == MERGE_LANCET ? 1 : 0;
    if (!add(p, name, last, t, &tensor))
        return false;
    tensor->n_sources = n;
    for (size_t i = 0; i < n; i++) {
        const struct model_facts *facts = &p->facts[slice->sources[i].model];
        const struct tensor *source = facts->head ? facts->head : facts->embedding;
        if (!source)
            return plan_refuse(p, slice->sources[i].model, ERROR_MISMATCH,
                               "%s has neither a head nor an embedding that is known", facts->shown);
        if (facts->head && strcmp(source->name, name) != 0)
            return lacks(p, name, untied, slice->sources[i].model);
        tensor->sources[i].tensor = source;
    }
    return true;
}

bool plan_list_tensors(struct planner *p)
{
    size_t first_out = 0;
    for (size_t i = 0; i < p->recipe->n_slices; first_out += p->slices[i++].n_layers)
        if (!list_slice(p, i, first_out))
            return false;
    return list_head(p);
}
