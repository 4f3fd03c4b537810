#include "merge_commands.h"

#include <fnmatch.h>
#include <string.h>

#include "plan_text.h"
#include "quote.h"
#include "resolve.h"
#include "table.h"

struct explain {
    struct recipe recipe;
    struct merge_plan plan;
    const char *tensor; /* name or glob; NULL: all of them */
};

static bool is_wanted(const struct explain *explain, const struct merge_tensor *tensor)
{
    return !explain->tensor || strcmp(explain->tensor, tensor->name) == 0 ||
           fnmatch(explain->tensor, tensor->name, 0) == 0;
}

/* The value again, with where it comes from. `source`: NULL for a parameter of the whole tensor. */
static struct resolved resolve(const struct explain *explain, const struct merge_tensor *tensor,
                               const struct merge_source *source, const struct merge_parameter *parameter)
{
    const struct recipe_slice *slice = &explain->recipe.slices[tensor->slice];
    const struct recipe_input *input =
        source && source->input != RECIPE_NO_INPUT ? &slice->inputs[source->input] : NULL;
    return resolve_value(&explain->recipe, slice, input, parameter,
                         source ? source->tensor->name : tensor->name, tensor->t, NULL);
}

/* ---- for people ---- */

static void origin(struct str *s, const struct resolved *value, double t)
{
    str_append(s, value_level_name(value->level));
    if (!value->value)
        return;
    str_printf(s, ", line %zu", value->value->place.line);
    if (value->condition && value->condition->filter)
        str_printf(s, ", filter %s", quote(value->condition->filter).text);
    else if (value->condition)
        str_append(s, ", condition without a filter");
    if (value->value->kind == VALUE_GRADIENT) {
        str_append(s, ", gradient [");
        for (size_t i = 0; i < value->value->n_knots; i++)
            str_printf(s, "%s%.6g", i ? ", " : "", value->value->knots[i]);
        str_printf(s, "] at %.4g", t);
    }
}

static void add_value(struct table *table, const struct explain *explain, const struct merge_tensor *tensor,
                      const struct merge_source *source, const struct merge_parameter *parameter)
{
    struct resolved value = resolve(explain, tensor, source, parameter);
    struct str number = {0}, from = {0};
    parameter_text(&number, parameter, value.number);
    origin(&from, &value, tensor->t);
    const char *model = source ? explain->plan.models[source->model].path : "-";
    table_cell(table, "%s", parameter->name);
    table_cell_text(table, number.data ? number.data : "", number.length);
    table_cell_text(table, model, strlen(model));
    table_cell(table, "%s", from.data ? from.data : "");
    table->text.failed |= number.failed || from.failed;
    str_release(&number);
    str_release(&from);
}

static void print_title(const struct explain *explain, const struct command_call *call,
                        const struct merge_tensor *tensor)
{
    text_print(call->out, tensor->name, strlen(tensor->name));
    fprintf(call->out, ": %s [", dtype_facts(tensor->dtype)->name);
    for (unsigned d = 0; d < tensor->rank; d++)
        fprintf(call->out, "%s%llu", d ? ", " : "", (unsigned long long)tensor->shape[d]);
    fprintf(call->out, "]%s\n", tensor->copied ? ", copied" : "");
    for (size_t i = 0; i < tensor->n_sources; i++) {
        const struct merge_source *source = &tensor->sources[i];
        const char *path = explain->plan.models[source->model].path;
        fputs("  from ", call->out);
        text_print(call->out, path, strlen(path));
        fputs(": ", call->out);
        text_print(call->out, source->tensor->name, strlen(source->tensor->name));
        fprintf(call->out, " (%s)%s\n", dtype_facts(source->tensor->dtype)->name,
                source_is_base(&explain->plan, i) ? ", the base" : "");
    }
}

static bool print_tensor(const struct explain *explain, const struct command_call *call,
                         const struct merge_tensor *tensor, struct error *err)
{
    const struct merge_method *method = explain->plan.method;
    struct table table;
    print_title(explain, call, tensor);
    table_init(&table, "lrll");
    static const char *const headings[] = {"parameter", "value", "model", "from"};
    for (size_t i = 0; i < 4; i++)
        table_cell(&table, "%s", headings[i]);
    for (size_t i = 0; i < method->n_parameters; i++) {
        const struct merge_parameter *parameter = &method->parameters[i];
        if (parameter->scope == PARAMETER_WHOLE)
            add_value(&table, explain, tensor, NULL, parameter);
        for (size_t k = 0; parameter->scope == PARAMETER_MODEL && k < tensor->n_sources; k++)
            if (!source_is_base(&explain->plan, k))
                add_value(&table, explain, tensor, &tensor->sources[k], parameter);
    }
    bool ok = table_print(&table, call->out, &call->terminal, err);
    table_release(&table);
    return ok;
}

static bool print_tensors(const struct explain *explain, const struct command_call *call, struct error *err)
{
    bool first = true;
    for (size_t i = 0; i < explain->plan.n_tensors; i++) {
        if (!is_wanted(explain, &explain->plan.tensors[i]))
            continue;
        if (!first)
            fputs("\n", call->out);
        if (!print_tensor(explain, call, &explain->plan.tensors[i], err))
            return false;
        first = false;
    }
    return true;
}

/* ---- filters ---- */

struct filter_walk {
    const struct explain *explain;
    void (*each)(const struct filter_walk *walk, const struct recipe_parameter *parameter,
                 const struct recipe_condition *condition, const struct condition_hits *hits);
    void *user;
    size_t n;
};

static void walk_list(struct filter_walk *walk, const struct recipe_parameters *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct recipe_value *value = &list->items[i].value;
        for (size_t j = 0; value->kind == VALUE_CONDITIONS && j < value->n_conditions; j++, walk->n++)
            walk->each(walk, &list->items[i], &value->conditions[j],
                       &walk->explain->plan.hits[value->conditions[j].id]);
    }
}

static size_t walk_filters(struct filter_walk *walk)
{
    const struct recipe *recipe = &walk->explain->recipe;
    for (size_t i = 0; i < recipe->n_slices; i++) {
        for (size_t j = 0; j < recipe->slices[i].n_inputs; j++)
            walk_list(walk, &recipe->slices[i].inputs[j].parameters);
        walk_list(walk, &recipe->slices[i].parameters);
    }
    walk_list(walk, &recipe->module_parameters);
    walk_list(walk, &recipe->parameters);
    return walk->n;
}

/* Does the condition give this tensor, or one of its sources, a value? */
static bool is_hit(const struct explain *explain, const struct merge_tensor *tensor,
                   const struct merge_parameter *parameter, const struct recipe_condition *condition)
{
    if (parameter->scope == PARAMETER_WHOLE)
        return resolve(explain, tensor, NULL, parameter).condition == condition;
    for (size_t i = 0; i < tensor->n_sources; i++)
        if (!source_is_base(&explain->plan, i) &&
            resolve(explain, tensor, &tensor->sources[i], parameter).condition == condition)
            return true;
    return false;
}

/* The next tensor from `from` on that the condition gives a value; n_tensors: none. */
static size_t next_hit(const struct explain *explain, const char *name,
                       const struct recipe_condition *condition, size_t from)
{
    const struct merge_method *method = explain->plan.method;
    const struct merge_parameter *parameter = method->parameters;
    while (strcmp(parameter->name, name) != 0)
        parameter++;
    while (from < explain->plan.n_tensors &&
           !is_hit(explain, &explain->plan.tensors[from], parameter, condition))
        from++;
    return from;
}

static void filter_row(const struct filter_walk *walk, const struct recipe_parameter *parameter,
                       const struct recipe_condition *condition, const struct condition_hits *hits)
{
    struct table *table = walk->user;
    const struct merge_plan *plan = &walk->explain->plan;
    const char *filter = condition->filter ? condition->filter : "(every tensor)";
    size_t first = next_hit(walk->explain, parameter->name, condition, 0);
    const char *example = first < plan->n_tensors ? plan->tensors[first].name : "";
    table_cell_text(table, filter, strlen(filter));
    table_cell(table, "%s", parameter->name);
    table_cell(table, "%zu", condition->place.line);
    table_cell(table, "%zu", hits->fits);
    table_cell(table, "%zu", hits->wins);
    table_cell_text(table, example, strlen(example));
}

static bool print_filters(const struct explain *explain, const struct command_call *call, struct error *err)
{
    struct table table;
    table_init(&table, "llrrrl");
    static const char *const headings[] = {"filter", "of", "line", "fits", "decides", "first of them"};
    for (size_t i = 0; i < 6; i++)
        table_cell(&table, "%s", headings[i]);
    struct filter_walk walk = {.explain = explain, .each = filter_row, .user = &table};
    bool ok = true;
    if (walk_filters(&walk)) {
        fputs("\n", call->out);
        ok = table_print(&table, call->out, &call->terminal, err);
    }
    table_release(&table);
    return ok;
}

static bool print_all(const struct explain *explain, const struct command_call *call, struct error *err)
{
    if (!plan_print_head(&explain->plan, call->out, &call->terminal, err))
        return false;
    fputs("\n", call->out);
    if (!plan_print_tensors(&explain->plan, call->out, &call->terminal, err) ||
        !print_filters(explain, call, err))
        return false;
    if (explain->plan.n_notes)
        fputs("\n", call->out);
    plan_print_notes(&explain->plan, call->out);
    return true;
}

/* ---- JSON ---- */

static void json_value(struct json_write *w, const struct explain *explain, const struct merge_tensor *tensor,
                       const struct merge_source *source, const struct merge_parameter *parameter)
{
    struct resolved value = resolve(explain, tensor, source, parameter);
    json_write_object_begin(w);
    json_write_member_string(w, "name", parameter->name);
    json_write_key(w, "value");
    parameter_json(w, parameter, value.number);
    json_write_member_string(w, "from", value_level_name(value.level));
    if (value.value) {
        json_write_member_u64(w, "line", value.value->place.line);
        json_write_member_u64(w, "column", value.value->place.column);
    }
    if (value.condition && value.condition->filter)
        json_write_member_string(w, "filter", value.condition->filter);
    if (value.value && value.value->kind == VALUE_GRADIENT) {
        json_write_key(w, "knots");
        json_write_array_begin(w);
        for (size_t i = 0; i < value.value->n_knots; i++)
            json_write_double(w, value.value->knots[i]);
        json_write_array_end(w);
    }
    json_write_object_end(w);
}

static void json_values(struct json_write *w, const struct explain *explain,
                        const struct merge_tensor *tensor, const struct merge_source *source)
{
    const struct merge_method *method = explain->plan.method;
    json_write_key(w, "parameters");
    json_write_array_begin(w);
    for (size_t i = 0; i < method->n_parameters; i++)
        if ((method->parameters[i].scope == PARAMETER_MODEL) == (source != NULL))
            json_value(w, explain, tensor, source, &method->parameters[i]);
    json_write_array_end(w);
}

static void json_tensor(struct json_write *w, const struct explain *explain,
                        const struct merge_tensor *tensor)
{
    json_write_object_begin(w);
    plan_json_tensor(w, tensor);
    json_write_member_u64(w, "slice", tensor->slice);
    json_write_member_double(w, "t", tensor->t);
    json_values(w, explain, tensor, NULL);
    json_write_key(w, "sources");
    json_write_array_begin(w);
    for (size_t i = 0; i < tensor->n_sources; i++) {
        const struct merge_source *source = &tensor->sources[i];
        json_write_object_begin(w);
        json_write_member_string(w, "model", explain->plan.models[source->model].path);
        json_write_member_string(w, "tensor", source->tensor->name);
        json_write_member_string(w, "dtype", dtype_facts(source->tensor->dtype)->name);
        if (!source_is_base(&explain->plan, i))
            json_values(w, explain, tensor, source);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static void json_filter(const struct filter_walk *walk, const struct recipe_parameter *parameter,
                        const struct recipe_condition *condition, const struct condition_hits *hits)
{
    struct json_write *w = walk->user;
    const struct merge_plan *plan = &walk->explain->plan;
    json_write_object_begin(w);
    json_write_member_string(w, "filter", condition->filter);
    json_write_member_string(w, "parameter", parameter->name);
    json_write_member_u64(w, "line", condition->place.line);
    json_write_member_u64(w, "fits", hits->fits);
    json_write_member_u64(w, "decides", hits->wins);
    json_write_key(w, "tensors");
    json_write_array_begin(w);
    for (size_t i = next_hit(walk->explain, parameter->name, condition, 0); i < plan->n_tensors;
         i = next_hit(walk->explain, parameter->name, condition, i + 1))
        json_write_string(w, plan->tensors[i].name);
    json_write_array_end(w);
    json_write_object_end(w);
}

static bool print_json(const struct explain *explain, const struct command_call *call, struct error *err)
{
    struct json_write w;
    command_json_begin(call, &w);
    json_write_member_string(&w, "recipe", call->args[0]);
    plan_json_head(&w, &explain->plan);
    json_write_key(&w, "filters");
    json_write_array_begin(&w);
    struct filter_walk walk = {.explain = explain, .each = json_filter, .user = &w};
    walk_filters(&walk);
    json_write_array_end(&w);
    json_write_key(&w, "tensors");
    json_write_array_begin(&w);
    for (size_t i = 0; i < explain->plan.n_tensors; i++)
        if (is_wanted(explain, &explain->plan.tensors[i]))
            json_tensor(&w, explain, &explain->plan.tensors[i]);
    json_write_array_end(&w);
    return command_json_end(call, &w, err);
}

/* ---- the command ---- */

static bool check_wanted(const struct explain *explain, struct error *err)
{
    for (size_t i = 0; i < explain->plan.n_tensors; i++)
        if (is_wanted(explain, &explain->plan.tensors[i]))
            return true;
    return error_set(err, ERROR_ANSWER_NO, "none of the %zu tensors of the output has a name like %s",
                     explain->plan.n_tensors, quote(explain->tensor).text);
}

static bool run(struct command_call *call, struct error *err)
{
    struct explain explain = {.tensor = call->n_args > 1 ? call->args[1] : NULL};
    bool ok = recipe_load(call->context.fs, call->args[0], &explain.recipe, err);
    if (!ok)
        return false;
    if (option_given(call, "semantics"))
        explain.recipe.semantics = *option_string(call, "semantics") == 'm' ? MERGE_MERGEKIT : MERGE_LANCET;
    ok = plan_recipe(&call->context, &explain.recipe, NULL, &explain.plan, err) &&
         (!explain.tensor || check_wanted(&explain, err));
    if (ok && call->json)
        ok = print_json(&explain, call, err);
    else if (ok)
        ok = explain.tensor ? print_tensors(&explain, call, err) : print_all(&explain, call, err);
    plan_release(&explain.plan);
    recipe_release(&explain.recipe);
    return ok;
}

static const char *const semantics[] = {"lancet", "mergekit", NULL};

static const struct option_row options[] = {
    {.name = "semantics",
     .kind = OPTION_STRING,
     .value = "NAME",
     .choices = semantics,
     .help =
         "lancet, or mergekit for its choices and roundings (default: what the recipe says, else lancet)"},
    {0}};

static const struct command_example examples[] = {
    {"lancet explain recipe.yml", "every tensor and its parameters"},
    {"lancet explain recipe.yml '*.layers.3.mlp.*'", "where each value comes from"},
    {NULL, NULL},
};

const struct command command_explain = {
    .name = "explain",
    .summary = "show what a merge recipe would do",
    .synopsis = "RECIPE [TENSOR]",
    .help =
        "Reads a merge recipe (mergekit's YAML), opens the models that it names and shows which value each "
        "parameter gets for each tensor of the output; nothing is computed or written. Layers that are "
        "treated alike are one row.\n\n"
        "With TENSOR, a name or a glob (quote it), it also says where each value comes from: the model's own "
        "parameters (source), the slice's, the module's, the recipe's (global) or the method's default, with "
        "the line, the filter and the gradient. Every filter of the recipe is listed with how many tensors "
        "it "
        "fits and how many values it decides.",
    .options = options,
    .examples = examples,
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
