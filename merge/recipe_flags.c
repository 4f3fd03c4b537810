/* A recipe from a command line. Values are read as YAML, so gradients and conditions work there too; the text
 * that says the same is written for the model card. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_write.h"
#include "quote.h"
#include "recipe_read.h"
#include "str.h"

static bool no_memory(struct recipe_reader *reader)
{
    return error_memory(reader->err, "reading a recipe");
}

static const struct recipe_place nowhere = {0};

/* nan, inf, -infinity, 1e999; also YAML's .nan and .inf */
static bool is_not_finite(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    char *end;
    p += *p == '.';
    return strchr("nNiI0123456789", *p) && !isfinite(strtod(p, &end)) && *end == '\0';
}

/* "PATH:0.5": what stands behind the last colon is the number if it is one. */
static bool split_weight(struct recipe_reader *reader, const char *text, const char **path,
                         const struct yaml_node **weight)
{
    const char *colon = strrchr(text, ':');
    double number;
    *weight = NULL;
    struct yaml_node node = {.kind = YAML_SCALAR, .plain = true, .text = colon ? colon + 1 : ""};
    size_t n = strlen(text);
    if (colon && colon > text && yaml_number(&node, &number)) {
        n = (size_t)(colon - text);
        struct yaml_node *copy = arena_array(&reader->recipe->arena, 1, sizeof *copy);
        if (!copy || !(node.text = arena_copy(&reader->recipe->arena, colon + 1, strlen(colon + 1))))
            return no_memory(reader);
        *copy = node;
        *weight = copy;
    } else if (colon && is_not_finite(colon + 1))
        return error_set(reader->err, ERROR_USAGE, "weight %s of %s is not a finite number", colon + 1,
                         quote(text).text);
    if (n == 0)
        return error_set(reader->err, ERROR_USAGE, "%s names no model", quote(text).text);
    *path = arena_copy(&reader->recipe->arena, text, n);
    return *path || no_memory(reader);
}

static const struct merge_parameter *first_of_model(const struct merge_method *method)
{
    for (size_t i = 0; i < method->n_parameters; i++)
        if (method->parameters[i].scope == PARAMETER_MODEL)
            return &method->parameters[i];
    return NULL;
}

static bool read_model(struct recipe_reader *reader, const char *text, struct recipe_input *input)
{
    const struct merge_method *method = reader->recipe->method;
    const struct merge_parameter *row = first_of_model(method);
    const struct yaml_node *weight;
    if (!split_weight(reader, text, &input->model, &weight))
        return false;
    if (!weight)
        return true;
    if (!row)
        return error_set(reader->err, ERROR_USAGE, "%s: %s has no number for each model", quote(text).text,
                         method->name);
    struct recipe_parameter *item = arena_array(&reader->recipe->arena, 1, sizeof *item);
    if (!item)
        return no_memory(reader);
    input->parameters = (struct recipe_parameters){.items = item, .n = 1};
    return recipe_read_parameter(reader, row->name, nowhere, weight, true, item);
}

static bool read_models(struct recipe_reader *reader, const struct recipe_flags *flags)
{
    struct recipe *recipe = reader->recipe;
    struct recipe_slice *slice = arena_array(&recipe->arena, 1, sizeof *slice);
    struct recipe_input *inputs = arena_array(&recipe->arena, flags->n_models, sizeof *inputs);
    if (!slice || !inputs)
        return no_memory(reader);
    if (flags->n_models == 0 || flags->n_models > RECIPE_MOST_INPUTS)
        return error_set(reader->err, ERROR_USAGE, "%zu models to merge: from 1 to %d are possible",
                         flags->n_models, RECIPE_MOST_INPUTS);
    for (size_t i = 0; i < flags->n_models; i++)
        if (!read_model(reader, flags->models[i], &inputs[i]))
            return false;
    slice->inputs = inputs;
    slice->n_inputs = flags->n_models;
    recipe->slices = slice;
    recipe->n_slices = 1;
    return true;
}

static bool read_parameter(struct recipe_reader *reader, const char *text, struct recipe_parameter *out)
{
    const char *equals = strchr(text, '=');
    const struct yaml_node *value;
    if (!equals || equals == text)
        return error_set(reader->err, ERROR_USAGE, "%s is not NAME=VALUE", quote(text).text);
    const char *name = arena_copy(&reader->recipe->arena, text, (size_t)(equals - text));
    if (!name)
        return no_memory(reader);
    if (!equals[1])
        return error_set(reader->err, ERROR_USAGE, "%s gives no value", quote(text).text);
    if (!yaml_tree_parse(quote(text).text, equals + 1, strlen(equals + 1), &reader->recipe->arena, &value,
                         reader->err)) {
        if (reader->err->kind == ERROR_FORMAT)
            reader->err->kind = ERROR_USAGE;
        return false;
    }
    return recipe_read_parameter(reader, name, nowhere, value, false, out);
}

static bool read_parameters(struct recipe_reader *reader, const struct recipe_flags *flags)
{
    struct recipe_parameter *items = arena_array(&reader->recipe->arena, flags->n_parameters, sizeof *items);
    if (!items)
        return no_memory(reader);
    for (size_t i = 0; i < flags->n_parameters; i++) {
        if (!read_parameter(reader, flags->parameters[i], &items[i]))
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(items[j].name, items[i].name) == 0)
                return error_set(reader->err, ERROR_USAGE, "%s is given twice", items[i].name);
    }
    reader->recipe->parameters = (struct recipe_parameters){.items = items, .n = flags->n_parameters};
    return true;
}

/* ---- the same as YAML ---- */

static void quoted(struct str *s, const char *text)
{
    str_append(s, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            str_printf(s, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            str_printf(s, "\\x%02x", c);
        else
            str_append_bytes(s, text, 1);
    }
    str_append(s, "\"");
}

static void write_number(struct str *s, double number)
{
    struct json_write w;
    json_write_to_str(&w, s, false);
    json_write_double(&w, number);
}

static void write_value(struct str *s, const struct recipe_value *value)
{
    switch (value->kind) {
    case VALUE_NUMBER:
        str_printf(s, "%.17g", value->number);
        break;
    case VALUE_BOOL:
        str_append(s, value->number != 0 ? "true" : "false");
        break;
    case VALUE_GRADIENT:
        for (size_t i = 0; i < value->n_knots; i++) {
            str_append(s, i ? ", " : "[");
            write_number(s, value->knots[i]);
        }
        str_append(s, "]");
        break;
    case VALUE_CONDITIONS:
        for (size_t i = 0; i < value->n_conditions; i++) {
            str_append(s, i ? ", {" : "[{");
            if (value->conditions[i].filter) {
                str_append(s, "filter: ");
                quoted(s, value->conditions[i].filter);
                str_append(s, ", ");
            }
            str_append(s, "value: ");
            write_value(s, &value->conditions[i].value);
            str_append(s, "}");
        }
        str_append(s, "]");
    }
}

static void write_models(struct str *s, const struct recipe *recipe)
{
    str_append(s, "models:\n");
    for (size_t i = 0; i < recipe->slices[0].n_inputs; i++) {
        const struct recipe_input *input = &recipe->slices[0].inputs[i];
        str_append(s, "  - model: ");
        quoted(s, input->model);
        if (input->parameters.n) {
            str_printf(s, "\n    parameters: {%s: ", input->parameters.items[0].name);
            write_value(s, &input->parameters.items[0].value);
            str_append(s, "}");
        }
        str_append(s, "\n");
    }
}

static bool write_text(struct recipe_reader *reader, const struct recipe_flags *flags)
{
    struct recipe *recipe = reader->recipe;
    struct str s = {0};
    str_printf(&s, "merge_method: %s\n", flags->method);
    if (flags->base) {
        str_append(&s, "base_model: ");
        quoted(&s, flags->base);
        str_append(&s, "\n");
    }
    write_models(&s, recipe);
    for (size_t i = 0; i < recipe->parameters.n; i++) {
        str_printf(&s, "%s  %s: ", i ? "" : "parameters:\n", recipe->parameters.items[i].name);
        write_value(&s, &recipe->parameters.items[i].value);
        str_append(&s, "\n");
    }
    const struct {
        const char *key, *value;
    } rest[] = {{"dtype", flags->dtype}, {"out_dtype", flags->out_dtype}, {"semantics", flags->semantics}};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (rest[i].value)
            str_printf(&s, "%s: %s\n", rest[i].key, rest[i].value);
    if (flags->untie)
        str_append(&s, "tie_word_embeddings: false\n");
    recipe->text = s.failed ? NULL : arena_copy(&recipe->arena, s.data, s.length);
    str_release(&s);
    return recipe->text || no_memory(reader);
}

static bool read_flags(struct recipe_reader *reader, const struct recipe_flags *flags)
{
    struct recipe *recipe = reader->recipe;
    if (!recipe_read_method(reader, flags->method, nowhere))
        return false;
    if (flags->base && !(recipe->base = arena_copy(&recipe->arena, flags->base, strlen(flags->base))))
        return no_memory(reader);
    recipe->untie = flags->untie;
    return read_models(reader, flags) && read_parameters(reader, flags) &&
           (!flags->dtype || recipe_read_dtype(reader, flags->dtype, nowhere, &recipe->dtype)) &&
           (!flags->out_dtype || recipe_read_dtype(reader, flags->out_dtype, nowhere, &recipe->out_dtype)) &&
           (!flags->semantics || recipe_read_semantics(reader, flags->semantics, nowhere)) &&
           write_text(reader, flags);
}

bool recipe_from_flags(const struct recipe_flags *flags, struct recipe *out, struct error *err)
{
    struct recipe recipe = {.path = "", .text = "", .dtype = DTYPE_COUNT, .out_dtype = DTYPE_COUNT};
    struct recipe_reader reader = {.recipe = &recipe, .err = err};
    bool ok = read_flags(&reader, flags);
    if (ok)
        *out = recipe;
    else
        arena_release(&recipe.arena);
    return ok;
}
