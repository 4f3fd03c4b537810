/* Parameters of a recipe and their values:
 *     weight: 0.5                      a scalar
 *     weight: [0, 0.5, 1]              a gradient: knots at equal distances over the layers of a slice
 *     weight:                          conditions: the first whose filter is part of the tensor's name
 *       - {filter: mlp, value: [0, 1]}
 *       - {value: 0.3}
 * A mapping without a list is a list of one condition. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "recipe_read.h"

#include "nearest.h"
#include "quote.h"

static const char *const later_methods[] = {
    "nuslerp", "multislerp",  "karcher",          "nearswap",     "model_stock", "arcee_fusion",
    "sce",     "ram",         "ramplus_tl",       "ties",         "dare_ties",   "dare_linear",
    "della",   "breadcrumbs", "breadcrumbs_ties", "della_linear", NULL};
static const char *const later_parameters[] = {
    "density", "gamma",    "epsilon", "int8_mask",   "rescale",     "nuslerp_flatten",   "nuslerp_row_wise",
    "eps",     "max_iter", "tol",     "filter_wise", "select_topk", "normalize_weights", NULL};

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static const struct merge_parameter *find_parameter(const struct merge_method *method, const char *name)
{
    for (size_t i = 0; i < method->n_parameters; i++)
        if (strcmp(method->parameters[i].name, name) == 0)
            return &method->parameters[i];
    return NULL;
}

bool recipe_is_parameter(const char *name)
{
    for (size_t i = 0; merge_methods[i]; i++)
        if (!merge_methods[i]->hidden && find_parameter(merge_methods[i], name))
            return true;
    return is_listed(later_parameters, name);
}

bool recipe_read_method(struct recipe_reader *reader, const char *name, struct recipe_place place)
{
    const struct merge_method *method = merge_method_find(name);
    struct recipe *recipe = reader->recipe;
    if (method && !method->hidden) {
        recipe->method = method;
        recipe->method_place = place;
        return true;
    }
    if (is_listed(later_methods, name))
        return recipe_error(recipe, place, ERROR_UNSUPPORTED, reader->err,
                            "the merge method %s is not supported yet", name);
    struct nearest nearest = {.word = name};
    for (size_t i = 0; merge_methods[i]; i++)
        if (!merge_methods[i]->hidden)
            nearest_consider(&nearest, merge_methods[i]->name);
    if (nearest.best)
        return recipe_error(recipe, place, ERROR_USAGE, reader->err,
                            "unknown merge method %s, did you mean \"%s\"?", quote(name).text, nearest.best);
    return recipe_error(recipe, place, ERROR_USAGE, reader->err,
                        "unknown merge method %s (see 'lancet help merge')", quote(name).text);
}

bool recipe_read_dtype(struct recipe_reader *reader, const char *name, struct recipe_place place,
                       enum dtype *out)
{
    static const struct {
        const char *name;
        enum dtype dtype;
    } rows[] = {
        {"float32", DTYPE_F32}, {"float16", DTYPE_F16}, {"bfloat16", DTYPE_BF16}, {"float64", DTYPE_F64}};
    const char *bare = strncmp(name, "torch.", 6) == 0 ? name + 6 : name;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, bare) == 0) {
            *out = rows[i].dtype;
            return true;
        }
    return recipe_error(reader->recipe, place, ERROR_USAGE, reader->err,
                        "%s is not a dtype that a merge can have: float32, float16, bfloat16, float64%s",
                        quote(name).text,
                        strncmp(bare, "int", 3) == 0 ? " (integers would cut every value off)" : "");
}

bool recipe_read_semantics(struct recipe_reader *reader, const char *name, struct recipe_place place)
{
    struct recipe *recipe = reader->recipe;
    if (strcmp(name, "paper") == 0)
        return recipe_error(recipe, place, ERROR_UNSUPPORTED, reader->err,
                            "the semantics \"paper\" are not supported yet: lancet or mergekit");
    if (strcmp(name, "lancet") != 0 && strcmp(name, "mergekit") != 0)
        return recipe_error(recipe, place, ERROR_USAGE, reader->err,
                            "unknown semantics %s: lancet or mergekit", quote(name).text);
    recipe->semantics = *name == 'm' ? MERGE_MERGEKIT : MERGE_LANCET;
    recipe->semantics_given = true;
    return true;
}

/* ---- values ---- */

static const char *kind_of(const struct yaml_node *node)
{
    if (node->kind == YAML_LIST)
        return "a list";
    return node->kind == YAML_MAPPING ? "a mapping" : yaml_is_null(node) ? "nothing" : "text";
}

static bool wrong_type(struct recipe_reader *reader, const struct merge_parameter *row,
                       const struct yaml_node *node)
{
    const char *wanted = row->kind == PARAMETER_BOOL ? "true or false" : "a number";
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return recipe_refuse(reader, node, "%s is %s, and must be %s", row->name, kind_of(node), wanted);
    return recipe_refuse(reader, node, "%s is %s%s, and must be %s", row->name,
                         node->plain ? "" : "the text ", quote(node->text).text, wanted);
}

static bool read_number(struct recipe_reader *reader, const struct merge_parameter *row,
                        const struct yaml_node *node, double *out)
{
    double value;
    bool truth;
    if (row->kind == PARAMETER_BOOL) {
        if (yaml_bool(node, &truth))
            value = truth;
        else if (!yaml_number(node, &value) || (value != 0 && value != 1))
            return wrong_type(reader, row, node);
        *out = value;
        return true;
    }
    if (!yaml_number(node, &value))
        return wrong_type(reader, row, node);
    if (value < row->least || value > row->most)
        return isinf(row->most) ? recipe_refuse(reader, node, "%s is %s, and must be at least %g", row->name,
                                                node->text, row->least)
                                : recipe_refuse(reader, node, "%s is %s, and must be from %g to %g",
                                                row->name, node->text, row->least, row->most);
    *out = value;
    return true;
}

static bool read_gradient(struct recipe_reader *reader, const struct merge_parameter *row,
                          const struct yaml_node *node, struct recipe_value *out)
{
    if (row->kind == PARAMETER_BOOL)
        return recipe_refuse(reader, node, "%s is true or false and cannot change gradually over layers",
                             row->name);
    double *knots = arena_array(&reader->recipe->arena, node->n, sizeof *knots);
    if (!knots)
        return error_memory(reader->err, "reading a recipe");
    for (size_t i = 0; i < node->n; i++)
        if (!read_number(reader, row, node->values[i], &knots[i]))
            return false;
    out->kind = VALUE_GRADIENT;
    out->knots = knots;
    out->n_knots = node->n;
    return true;
}

static bool read_plain_value(struct recipe_reader *reader, const struct merge_parameter *row,
                             const struct yaml_node *node, struct recipe_value *out)
{
    *out = (struct recipe_value){.place = recipe_place_of(reader, node)};
    if (node->kind == YAML_LIST) {
        if (node->n == 0)
            return recipe_refuse(reader, node, "%s is an empty list", row->name);
        return read_gradient(reader, row, node, out);
    }
    out->kind = row->kind == PARAMETER_BOOL ? VALUE_BOOL : VALUE_NUMBER;
    return read_number(reader, row, node, &out->number);
}

struct condition_reading {
    const struct merge_parameter *row;
    struct recipe_condition *condition;
    bool has_value;
};

static bool read_filter(struct recipe_reader *reader, const struct yaml_node *node, void *into)
{
    struct condition_reading *reading = into;
    const char *filter;
    if (yaml_is_null(node))
        return true;
    if (!recipe_read_text(reader, node, "filter", &filter))
        return false;
    reading->condition->place = recipe_place_of(reader, node);
    reading->condition->filter = strcmp(filter, "*") == 0 ? NULL : filter;
    return true;
}

static bool read_condition_value(struct recipe_reader *reader, const struct yaml_node *node, void *into)
{
    struct condition_reading *reading = into;
    reading->has_value = true;
    return read_plain_value(reader, reading->row, node, &reading->condition->value);
}

static bool read_condition(struct recipe_reader *reader, const struct merge_parameter *row,
                           const struct yaml_node *node, struct recipe_condition *out)
{
    static const struct recipe_key keys[] = {
        {"filter", read_filter}, {"value", read_condition_value}, {NULL, NULL}};
    struct condition_reading reading = {.row = row, .condition = out};
    *out = (struct recipe_condition){.place = recipe_place_of(reader, node),
                                     .id = reader->recipe->n_conditions++};
    if (!recipe_read_keys(reader, node, "a condition", keys, &reading))
        return false;
    return reading.has_value || recipe_refuse(reader, node, "a condition of %s without a value", row->name);
}

static bool read_conditions(struct recipe_reader *reader, const struct merge_parameter *row,
                            const struct yaml_node *node, struct recipe_value *out)
{
    bool list = node->kind == YAML_LIST;
    size_t n = list ? node->n : 1;
    struct recipe_condition *conditions = arena_array(&reader->recipe->arena, n, sizeof *conditions);
    if (!conditions)
        return error_memory(reader->err, "reading a recipe");
    for (size_t i = 0; i < n; i++)
        if (!read_condition(reader, row, list ? node->values[i] : node, &conditions[i]))
            return false;
    *out = (struct recipe_value){.place = recipe_place_of(reader, node),
                                 .kind = VALUE_CONDITIONS,
                                 .conditions = conditions,
                                 .n_conditions = n};
    return true;
}

/* ---- parameters ---- */

static bool unknown_parameter(struct recipe_reader *reader, const char *name, struct recipe_place place)
{
    const struct recipe *recipe = reader->recipe;
    const struct merge_method *method = recipe->method;
    struct nearest nearest = {.word = name};
    for (size_t i = 0; i < method->n_parameters; i++)
        nearest_consider(&nearest, method->parameters[i].name);
    if (recipe_is_parameter(name))
        return recipe_error(recipe, place, ERROR_USAGE, reader->err,
                            "%s is a parameter of another method: %s has none of that name", name,
                            method->name);
    if (nearest.best)
        return recipe_error(recipe, place, ERROR_USAGE, reader->err,
                            "unknown parameter %s, did you mean \"%s\"?", quote(name).text, nearest.best);
    return recipe_error(recipe, place, ERROR_USAGE, reader->err,
                        "unknown parameter %s: %s has none of that name", quote(name).text, method->name);
}

bool recipe_read_parameter(struct recipe_reader *reader, const char *name, struct recipe_place place,
                           const struct yaml_node *value, bool of_model, struct recipe_parameter *out)
{
    const struct merge_parameter *row = find_parameter(reader->recipe->method, name);
    if (!row)
        return unknown_parameter(reader, name, place);
    if (of_model && row->scope == PARAMETER_WHOLE)
        return recipe_error(reader->recipe, place, ERROR_USAGE, reader->err,
                            "%s is no parameter of one model: it belongs under `parameters` of the %s", name,
                            "slice or of the recipe");
    *out = (struct recipe_parameter){.name = row->name, .place = place};
    bool conditions = value->kind == YAML_MAPPING ||
                      (value->kind == YAML_LIST && value->n && value->values[0]->kind == YAML_MAPPING);
    return conditions ? read_conditions(reader, row, value, &out->value)
                      : read_plain_value(reader, row, value, &out->value);
}

bool recipe_read_parameters(struct recipe_reader *reader, const struct yaml_node *node, bool of_model,
                            struct recipe_parameters *out)
{
    *out = (struct recipe_parameters){0};
    if (yaml_is_null(node))
        return true;
    if (node->kind != YAML_MAPPING)
        return recipe_refuse(reader, node, "parameters are %s, and must be a mapping", kind_of(node));
    struct recipe_parameter *items = arena_array(&reader->recipe->arena, node->n, sizeof *items);
    if (!items)
        return error_memory(reader->err, "reading a recipe");
    for (size_t i = 0; i < node->n; i++)
        if (!recipe_read_parameter(reader, node->keys[i]->text, recipe_place_of(reader, node->keys[i]),
                                   node->values[i], of_model, &items[i]))
            return false;
    *out = (struct recipe_parameters){.items = items, .n = node->n};
    return true;
}
