/* One tensor of the plan: shapes, dtypes, parameters, whether it is copied. */
#include <string.h>

#include "plan_build.h"
#include "quote.h"
#include "resolve.h"

static bool is_merged(enum dtype dtype)
{
    return dtype == DTYPE_F64 || dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

/* torch's promotion of two floating dtypes. */
static enum dtype promote(enum dtype a, enum dtype b)
{
    if (a == b)
        return a;
    return a == DTYPE_F64 || b == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
}

static const char *model_shown(const struct planner *p, const struct merge_source *source)
{
    return p->facts[source->model].shown;
}

static bool check_shapes(struct planner *p, const struct merge_tensor *tensor)
{
    const struct tensor *first = tensor->sources[0].tensor;
    char here[128], there[128];
    for (size_t i = 1; i < tensor->n_sources; i++) {
        const struct tensor *other = tensor->sources[i].tensor;
        bool same = other->rank == first->rank;
        for (unsigned d = 0; same && d < first->rank; d++)
            same = other->shape[d] == first->shape[d];
        if (same)
            continue;
        tensor_describe(first, here, sizeof here);
        tensor_describe(other, there, sizeof there);
        bool rows = first->rank == 2 && other->rank == 2 && first->shape[1] == other->shape[1] &&
                    (p->facts[tensor->sources[0].model].embedding == first ||
                     p->facts[tensor->sources[0].model].head == first);
        return plan_refuse(
            p, tensor->sources[i].model, ERROR_MISMATCH, "tensor %s is %s in %s and %s in %s%s",
            quote(tensor->name).text, here, model_shown(p, &tensor->sources[0]), there,
            model_shown(p, &tensor->sources[i]),
            rows ? ": different vocabularies, for which rules (tokenizer) are not supported yet" : "");
    }
    return true;
}

/* An integer buffer is the same in all sources, and copied. */
static bool copy_integers(struct planner *p, struct merge_tensor *tensor)
{
    const struct tensor *first = tensor->sources[0].tensor;
    for (size_t i = 0; i < tensor->n_sources; i++) {
        const struct tensor *other = tensor->sources[i].tensor;
        if (is_merged(other->dtype) != is_merged(first->dtype))
            return plan_refuse(p, tensor->sources[i].model, ERROR_UNSUPPORTED,
                               "tensor %s is %s in %s and %s in %s: merges are of F64, F32, F16 and BF16",
                               quote(tensor->name).text, dtype_facts(first->dtype)->name,
                               model_shown(p, &tensor->sources[0]), dtype_facts(other->dtype)->name,
                               model_shown(p, &tensor->sources[i]));
        if (dtype_facts(other->dtype)->is_float || other->dtype == DTYPE_C64)
            return plan_refuse(p, tensor->sources[i].model, ERROR_UNSUPPORTED,
                               "tensor %s is %s in %s: merges are of F64, F32, F16 and BF16",
                               quote(other->name).text, dtype_facts(other->dtype)->name,
                               model_shown(p, &tensor->sources[i]));
        if (other->dtype != first->dtype || memcmp(other->data, first->data, (size_t)first->bytes) != 0)
            return plan_refuse(
                p, tensor->sources[i].model, ERROR_MISMATCH,
                "tensor %s holds integers (%s), and %s and %s have different ones: they cannot be merged",
                quote(tensor->name).text, dtype_facts(first->dtype)->name,
                model_shown(p, &tensor->sources[0]), model_shown(p, &tensor->sources[i]));
    }
    tensor->dtype = tensor->work = first->dtype;
    tensor->cast = DTYPE_COUNT;
    tensor->copied = true;
    return true;
}

/* *integers: it was decided here what becomes of it. */
static bool choose_dtypes(struct planner *p, struct merge_tensor *tensor, bool *integers)
{
    const struct recipe *recipe = p->recipe;
    enum dtype work = tensor->sources[0].tensor->dtype;
    *integers = false;
    for (size_t i = 0; i < tensor->n_sources; i++) {
        enum dtype dtype = tensor->sources[i].tensor->dtype;
        *integers |= !is_merged(dtype);
        work = promote(work, dtype);
    }
    if (*integers)
        return copy_integers(p, tensor);
    tensor->cast = recipe->dtype;
    tensor->work = recipe->dtype == DTYPE_COUNT ? work : recipe->dtype;
    tensor->dtype = recipe->out_dtype == DTYPE_COUNT ? tensor->work : recipe->out_dtype;
    return true;
}

static bool missing(struct planner *p, const struct merge_tensor *tensor, const struct recipe_input *input,
                    size_t model, const struct merge_parameter *parameter)
{
    struct recipe_place place = input ? input->place : p->recipe->method_place;
    if (parameter->scope == PARAMETER_WHOLE)
        return recipe_error(p->recipe, place, ERROR_USAGE, p->err,
                            "%s needs %s, and nothing gives it for tensor %s", p->recipe->method->name,
                            parameter->name, quote(tensor->name).text);
    return recipe_error(p->recipe, place, ERROR_USAGE, p->err,
                        "%s needs a %s for every model, and nothing gives one to %s for tensor %s",
                        p->recipe->method->name, parameter->name, p->facts[model].shown,
                        quote(tensor->name).text);
}

static void notice_gradient(struct planner *p, const struct merge_tensor *tensor,
                            const struct resolved *value)
{
    struct layer_name parts;
    if (!value->value || value->value->kind != VALUE_GRADIENT)
        return;
    p->used_gradient = true;
    p->outside_gradient |= !layer_name_parse(tensor->name, &parts);
}

static bool resolve_source(struct planner *p, struct merge_tensor *tensor, size_t index)
{
    const struct merge_method *method = p->recipe->method;
    struct merge_source *source = &tensor->sources[index];
    const struct recipe_input *input = plan_input(p, tensor->slice, source->input);
    bool ignored = index == 0 && method->base == BASE_REQUIRED;
    for (size_t i = 0; i < method->n_parameters; i++) {
        const struct merge_parameter *parameter = &method->parameters[i];
        if (parameter->scope != PARAMETER_MODEL)
            continue;
        struct resolved value = resolve_value(p->recipe, p->slices[tensor->slice].slice, input, parameter,
                                              source->tensor->name, tensor->t, p->plan->hits);
        if (value.level == LEVEL_MISSING && !ignored)
            return missing(p, tensor, input, source->model, parameter);
        source->values[i] = ignored ? 0 : value.number;
        notice_gradient(p, tensor, &value);
    }
    return true;
}

static bool resolve_whole(struct planner *p, struct merge_tensor *tensor)
{
    const struct merge_method *method = p->recipe->method;
    for (size_t i = 0; i < method->n_parameters; i++) {
        const struct merge_parameter *parameter = &method->parameters[i];
        if (parameter->scope != PARAMETER_WHOLE)
            continue;
        struct resolved value = resolve_value(p->recipe, p->slices[tensor->slice].slice, NULL, parameter,
                                              tensor->name, tensor->t, p->plan->hits);
        if (value.level == LEVEL_MISSING)
            return missing(p, tensor, NULL, 0, parameter);
        tensor->values[i] = value.number;
        notice_gradient(p, tensor, &value);
    }
    return true;
}

static size_t weight_index(const struct merge_method *method)
{
    size_t i = 0;
    while (i < method->n_parameters && method->parameters[i].scope != PARAMETER_MODEL)
        i++;
    return i;
}

static bool check_method(struct planner *p, const struct merge_tensor *tensor)
{
    const struct merge_method *method = p->recipe->method;
    size_t weight = weight_index(method);
    if (!method->fault)
        return true;
    double *weights = arena_array(&p->plan->arena, tensor->n_sources, sizeof *weights);
    if (!weights)
        return plan_memory(p);
    for (size_t i = 0; i < tensor->n_sources && weight < method->n_parameters; i++)
        weights[i] = tensor->sources[i].values[weight];
    struct merge_block block = {.n_sources = tensor->n_sources,
                                .weights = weight < method->n_parameters ? weights : NULL,
                                .values = tensor->values,
                                .dtype = tensor->work};
    const char *why = method->fault(&block);
    return !why ||
           recipe_error(p->recipe, p->recipe->method_place, ERROR_USAGE, p->err,
                        "%s cannot make tensor %s, because %s", method->name, quote(tensor->name).text, why);
}

/* The bytes may stay what they are: one source, nothing to be done with it. */
static bool is_copy(const struct planner *p, const struct merge_tensor *tensor)
{
    const struct merge_method *method = p->recipe->method;
    const struct merge_source *source = &tensor->sources[0];
    size_t scale = weight_index(method);
    return method->most_models == 1 && tensor->n_sources == 1 && scale < method->n_parameters &&
           source->values[scale] == 1 && source->tensor->dtype == tensor->dtype &&
           (tensor->cast == DTYPE_COUNT || tensor->cast == tensor->dtype);
}

bool plan_resolve_tensor(struct planner *p, struct merge_tensor *tensor)
{
    const struct tensor *first = tensor->sources[0].tensor;
    bool integers;
    if (!check_shapes(p, tensor))
        return false;
    tensor->rank = first->rank;
    tensor->elements = first->elements;
    memcpy(tensor->shape, first->shape, sizeof tensor->shape);
    if (!choose_dtypes(p, tensor, &integers))
        return false;
    for (size_t i = 0; i < tensor->n_sources; i++)
        if (!resolve_source(p, tensor, i))
            return false;
    if (!resolve_whole(p, tensor))
        return false;
    if (integers)
        return true;
    tensor->copied = is_copy(p, tensor);
    return check_method(p, tensor);
}

/* ---- filters ---- */

static bool check_value(struct planner *p, const struct recipe_parameter *parameter)
{
    const struct recipe_value *value = &parameter->value;
    for (size_t i = 0; value->kind == VALUE_CONDITIONS && i < value->n_conditions; i++) {
        const struct recipe_condition *c = &value->conditions[i];
        if (p->plan->hits[c->id].fits == 0 && c->filter)
            return recipe_error(p->recipe, c->place, ERROR_USAGE, p->err,
                                "the filter %s of %s fits no tensor", quote(c->filter).text, parameter->name);
    }
    return true;
}

static bool check_list(struct planner *p, const struct recipe_parameters *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (!check_value(p, &list->items[i]))
            return false;
    return true;
}

bool plan_check_filters(struct planner *p)
{
    const struct recipe *recipe = p->recipe;
    if (!check_list(p, &recipe->parameters) || !check_list(p, &recipe->module_parameters))
        return false;
    for (size_t i = 0; i < recipe->n_slices; i++) {
        if (!check_list(p, &recipe->slices[i].parameters))
            return false;
        for (size_t j = 0; j < recipe->slices[i].n_inputs; j++)
            if (!check_list(p, &recipe->slices[i].inputs[j].parameters))
                return false;
    }
    return true;
}
