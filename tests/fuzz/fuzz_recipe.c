/* The bytes are a merge recipe. Bytes that begin with '=' are the value of a parameter on a command line. */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "resolve.h"

static void check_number(const struct merge_parameter *parameter, double number)
{
    FUZZ_HOLDS(isfinite(number) && number >= parameter->least && number <= parameter->most);
}

static void check_value(const struct recipe *recipe, const struct merge_parameter *parameter,
                        const struct recipe_value *value, bool nested)
{
    switch (value->kind) {
    case VALUE_NUMBER:
        check_number(parameter, value->number);
        break;
    case VALUE_BOOL:
        FUZZ_HOLDS(value->number == 0 || value->number == 1);
        break;
    case VALUE_GRADIENT:
        FUZZ_HOLDS(value->n_knots > 0);
        for (size_t i = 0; i < value->n_knots; i++)
            check_number(parameter, value->knots[i]);
        break;
    case VALUE_CONDITIONS:
        FUZZ_HOLDS(!nested && value->n_conditions > 0);
        for (size_t i = 0; i < value->n_conditions; i++) {
            FUZZ_HOLDS(value->conditions[i].id < recipe->n_conditions);
            check_value(recipe, parameter, &value->conditions[i].value, true);
        }
    }
}

static void check_parameters(const struct recipe *recipe, const struct recipe_parameters *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct merge_parameter *row = NULL;
        for (size_t k = 0; k < recipe->method->n_parameters; k++)
            if (strcmp(recipe->method->parameters[k].name, list->items[i].name) == 0)
                row = &recipe->method->parameters[k];
        FUZZ_HOLDS(row);
        check_value(recipe, row, &list->items[i].value, false);
    }
}

static void check_recipe(const struct recipe *recipe)
{
    FUZZ_HOLDS(recipe->method && recipe->text && recipe->n_slices > 0);
    check_parameters(recipe, &recipe->parameters);
    check_parameters(recipe, &recipe->module_parameters);
    for (size_t i = 0; i < recipe->n_slices; i++) {
        const struct recipe_slice *slice = &recipe->slices[i];
        FUZZ_HOLDS(slice->n_inputs > 0);
        check_parameters(recipe, &slice->parameters);
        for (size_t j = 0; j < slice->n_inputs; j++) {
            FUZZ_HOLDS(slice->inputs[j].model && slice->inputs[j].has_layers == recipe->is_sliced);
            FUZZ_HOLDS(!recipe->is_sliced || slice->inputs[j].first_layer < slice->inputs[j].end_layer);
            check_parameters(recipe, &slice->inputs[j].parameters);
            for (size_t k = 0; k < recipe->method->n_parameters; k++)
                resolve_value(recipe, slice, &slice->inputs[j], &recipe->method->parameters[k],
                              "model.layers.0.mlp.up_proj.weight", 0.5, NULL);
        }
    }
}

static void check_refusal(const struct error *err)
{
    FUZZ_HOLDS(err->kind == ERROR_FORMAT || err->kind == ERROR_USAGE || err->kind == ERROR_UNSUPPORTED);
    FUZZ_HOLDS(err->text[0]);
}

static bool parse_flags(const uint8_t *data, size_t size, struct recipe *out, struct error *err)
{
    static const char *const models[] = {"a:1", "b"};
    char text[4096] = "weight";
    size_t n = size < sizeof text - 7 ? size : sizeof text - 7;
    const char *parameter = text;
    memcpy(text + 6, data, n);
    struct recipe_flags flags = {.method = "task_arithmetic",
                                 .base = "c",
                                 .models = models,
                                 .n_models = 2,
                                 .parameters = &parameter,
                                 .n_parameters = 1};
    return recipe_from_flags(&flags, out, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recipe recipe;
    struct error err = {0};
    bool flags = size && *data == '=';
    if (!(flags ? parse_flags(data, size, &recipe, &err)
                : recipe_parse("fuzz", (const char *)data, size, &recipe, &err))) {
        check_refusal(&err);
        FUZZ_HOLDS(flags || strncmp(err.text, "fuzz:", 5) == 0);
        return 0;
    }
    check_recipe(&recipe);
    if (flags) { /* the YAML of a command line says the same */
        struct recipe again;
        FUZZ_HOLDS(recipe_parse("again", recipe.text, strlen(recipe.text), &again, &err));
        check_recipe(&again);
        recipe_release(&again);
    }
    recipe_release(&recipe);
    return 0;
}
