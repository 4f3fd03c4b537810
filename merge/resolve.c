#include "resolve.h"

#include <string.h>

const char *value_level_name(enum value_level level)
{
    static const char *const names[] = {
        [LEVEL_SOURCE] = "source", [LEVEL_SLICE] = "slice",     [LEVEL_MODULE] = "module",
        [LEVEL_GLOBAL] = "global", [LEVEL_DEFAULT] = "default", [LEVEL_MISSING] = "missing"};
    return names[level];
}

double gradient_at(const double *knots, size_t n, double t)
{
    double at = t * (double)(n - 1);
    size_t left = (size_t)at, right = left + 1 < n ? left + 1 : n - 1;
    double part = at - (double)left;
    return (1 - part) * knots[left] + part * knots[right];
}

static const struct recipe_parameter *find(const struct recipe_parameters *list, const char *name)
{
    for (size_t i = 0; list && i < list->n; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

/* The condition that fits first; every one that fits is counted. */
static const struct recipe_condition *choose(const struct recipe_value *value, const char *name,
                                             struct condition_hits *hits)
{
    const struct recipe_condition *chosen = NULL;
    for (size_t i = 0; i < value->n_conditions; i++) {
        const struct recipe_condition *condition = &value->conditions[i];
        if (condition->filter && !strstr(name, condition->filter))
            continue;
        if (hits)
            hits[condition->id].fits++;
        if (!chosen)
            chosen = condition;
    }
    return chosen;
}

struct resolved resolve_value(const struct recipe *recipe, const struct recipe_slice *slice,
                              const struct recipe_input *input, const struct merge_parameter *parameter,
                              const char *name, double t, struct condition_hits *hits)
{
    const struct recipe_parameters *levels[] = {
        [LEVEL_SOURCE] = input && parameter->scope == PARAMETER_MODEL ? &input->parameters : NULL,
        [LEVEL_SLICE] = &slice->parameters,
        [LEVEL_MODULE] = &recipe->module_parameters,
        [LEVEL_GLOBAL] = &recipe->parameters};
    struct resolved found = {.level = LEVEL_MISSING};
    /* All levels are walked, so that a filter counts what it fits even where a nearer value wins. */
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const struct recipe_parameter *given = find(levels[i], parameter->name);
        const struct recipe_value *value = given ? &given->value : NULL;
        const struct recipe_condition *condition = NULL;
        if (value && value->kind == VALUE_CONDITIONS) {
            condition = choose(value, name, hits);
            value = condition ? &condition->value : NULL;
        }
        if (!value || found.level != LEVEL_MISSING)
            continue;
        if (condition && hits)
            hits[condition->id].wins++;
        found = (struct resolved){.level = (enum value_level)i, .value = value, .condition = condition};
        found.number =
            value->kind == VALUE_GRADIENT ? gradient_at(value->knots, value->n_knots, t) : value->number;
    }
    if (found.level == LEVEL_MISSING && !parameter->required)
        found = (struct resolved){.level = LEVEL_DEFAULT, .number = parameter->standard};
    return found;
}
