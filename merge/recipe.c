/* The keys of a recipe, each mapping a table of them. */
#include "recipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "quote.h"
#include "recipe_read.h"
#include "str.h"

/* ---- sentences ---- */

bool recipe_error(const struct recipe *recipe, struct recipe_place place, enum error_kind kind,
                  struct error *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (place.line == 0)
        return error_set(err, kind, "%s%s%s", recipe->path, *recipe->path ? ": " : "", text);
    return yaml_error(recipe->path, (struct yaml_place){place.line, place.column}, kind, err, "%s", text);
}

struct recipe_place recipe_place_of(const struct recipe_reader *reader, const struct yaml_node *node)
{
    return reader->placed ? (struct recipe_place){node->place.line, node->place.column}
                          : (struct recipe_place){0, 0};
}

bool recipe_refuse(struct recipe_reader *reader, const struct yaml_node *node, const char *format, ...)
{
    char text[sizeof reader->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return recipe_error(reader->recipe, recipe_place_of(reader, node), ERROR_USAGE, reader->err, "%s", text);
}

/* ---- keys ---- */

const struct yaml_node *recipe_find_key(const struct yaml_node *mapping, const char *name)
{
    for (size_t i = 0; i < mapping->n; i++)
        if (strcmp(mapping->keys[i]->text, name) == 0)
            return mapping->values[i];
    return NULL;
}

static bool unknown_key(struct recipe_reader *reader, const struct yaml_node *key, const char *what,
                        const struct recipe_key *keys)
{
    struct nearest nearest = {.word = key->text};
    bool has_parameters = false;
    for (const struct recipe_key *row = keys; row->name; row++) {
        nearest_consider(&nearest, row->name);
        has_parameters |= strcmp(row->name, "parameters") == 0;
    }
    if (has_parameters && recipe_is_parameter(key->text))
        return recipe_refuse(reader, key, "%s belongs under `parameters`: beside it, it would do nothing",
                             key->text);
    if (nearest.best)
        return recipe_refuse(reader, key, "unknown key %s in %s, did you mean \"%s\"?", quote(key->text).text,
                             what, nearest.best);
    return recipe_refuse(reader, key, "unknown key %s in %s", quote(key->text).text, what);
}

bool recipe_read_keys(struct recipe_reader *reader, const struct yaml_node *node, const char *what,
                      const struct recipe_key *keys, void *into)
{
    if (node->kind != YAML_MAPPING)
        return recipe_refuse(reader, node, "%s must be a mapping", what);
    for (size_t i = 0; i < node->n; i++) {
        const struct recipe_key *row = keys;
        while (row->name && strcmp(row->name, node->keys[i]->text) != 0)
            row++;
        if (!row->name)
            return unknown_key(reader, node->keys[i], what, keys);
        if (!row->read(reader, node->values[i], into))
            return false;
    }
    return true;
}

bool recipe_read_text(struct recipe_reader *reader, const struct yaml_node *node, const char *what,
                      const char **out)
{
    if (node->kind != YAML_SCALAR || yaml_is_null(node) || !*node->text)
        return recipe_refuse(reader, node, "%s must be a text", what);
    *out = arena_copy(&reader->recipe->arena, node->text, strlen(node->text));
    return *out ? true : error_memory(reader->err, "reading a recipe");
}

static bool refuse_later(struct recipe_reader *reader, const struct yaml_node *node, const char *what)
{
    return recipe_error(reader->recipe, recipe_place_of(reader, node), ERROR_UNSUPPORTED, reader->err,
                        "%s not supported yet", what);
}

static bool read_tokenizer(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return yaml_is_null(value) || refuse_later(reader, value, "rules for vocabularies (tokenizer) are");
}

static bool read_chat_template(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return yaml_is_null(value) || refuse_later(reader, value, "choosing a chat_template is");
}

/* ---- models and slices ---- */

static bool read_reference(struct recipe_reader *reader, const struct yaml_node *value, const char **out)
{
    if (value->kind == YAML_MAPPING)
        return refuse_later(reader, value,
                            "a model given as a mapping (LoRA, revision, override_architecture) is");
    return recipe_read_text(reader, value, "a model", out);
}

static bool read_input_model(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    return read_reference(reader, value, &((struct recipe_input *)into)->model);
}

static bool read_input_parameters(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    return recipe_read_parameters(reader, value, true, &((struct recipe_input *)into)->parameters);
}

static bool read_layer_range(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    struct recipe_input *input = into;
    if (value->kind != YAML_LIST || value->n != 2)
        return recipe_refuse(reader, value,
                             "layer_range must be [FIRST, END]: two numbers, END not included");
    size_t ends[2];
    for (size_t i = 0; i < 2; i++)
        if (!yaml_size(value->values[i], &ends[i]))
            return recipe_refuse(reader, value->values[i],
                                 "layer_range must hold two whole numbers from 0 on");
    if (ends[0] >= ends[1])
        return recipe_refuse(reader, value, "layer_range [%zu, %zu] holds no layer: FIRST must be below END",
                             ends[0], ends[1]);
    input->has_layers = true;
    input->first_layer = ends[0];
    input->end_layer = ends[1];
    return true;
}

static const struct recipe_key model_keys[] = {
    {"model", read_input_model}, {"parameters", read_input_parameters}, {NULL, NULL}};
static const struct recipe_key source_keys[] = {{"model", read_input_model},
                                                {"layer_range", read_layer_range},
                                                {"parameters", read_input_parameters},
                                                {NULL, NULL}};

static bool read_inputs(struct recipe_reader *reader, const struct yaml_node *value, bool layers,
                        struct recipe_slice *slice)
{
    const char *what = layers ? "sources" : "models";
    if (value->kind != YAML_LIST || value->n == 0)
        return recipe_refuse(reader, value, "%s must be a list of at least one model", what);
    if (value->n > RECIPE_MOST_INPUTS)
        return recipe_refuse(reader, value, "%s are %zu, and can be %d at most", what, value->n,
                             RECIPE_MOST_INPUTS);
    struct recipe_input *inputs = arena_array(&reader->recipe->arena, value->n, sizeof *inputs);
    if (!inputs)
        return error_memory(reader->err, "reading a recipe");
    for (size_t i = 0; i < value->n; i++) {
        const struct yaml_node *node = value->values[i];
        inputs[i].place = recipe_place_of(reader, node);
        if (!recipe_read_keys(reader, node, layers ? "a source" : "a model",
                              layers ? source_keys : model_keys, &inputs[i]))
            return false;
        if (!inputs[i].model)
            return recipe_refuse(reader, node, "an entry of %s without `model`", what);
        if (layers && !inputs[i].has_layers)
            return recipe_refuse(reader, node, "a source without `layer_range`");
        if (layers &&
            inputs[i].end_layer - inputs[i].first_layer != inputs[0].end_layer - inputs[0].first_layer)
            return recipe_refuse(reader, recipe_find_key(node, "layer_range"),
                                 "%zu layers where the first source of the slice has %zu",
                                 inputs[i].end_layer - inputs[i].first_layer,
                                 inputs[0].end_layer - inputs[0].first_layer);
    }
    slice->inputs = inputs;
    slice->n_inputs = value->n;
    return true;
}

static bool read_slice_sources(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    return read_inputs(reader, value, true, into);
}

static bool read_slice_base(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    struct recipe_slice *slice = into;
    slice->base_place = recipe_place_of(reader, value);
    return yaml_is_null(value) || read_reference(reader, value, &slice->base);
}

static bool read_slice_parameters(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    return recipe_read_parameters(reader, value, false, &((struct recipe_slice *)into)->parameters);
}

static bool refuse_residual(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return recipe_refuse(reader, value,
                         "residual_weight has no effect in mergekit and none here: leave it out");
}

static const struct recipe_key slice_keys[] = {{"sources", read_slice_sources},
                                               {"base_model", read_slice_base},
                                               {"parameters", read_slice_parameters},
                                               {"residual_weight", refuse_residual},
                                               {NULL, NULL}};

static bool set_slices(struct recipe_reader *reader, const struct yaml_node *value,
                       struct recipe_slice *slices, size_t n, bool sliced)
{
    struct recipe *recipe = reader->recipe;
    if (recipe->slices)
        return recipe_refuse(reader, value, "more than one of `models`, `slices` and `modules`");
    recipe->slices = slices;
    recipe->n_slices = n;
    recipe->is_sliced = sliced;
    return true;
}

static bool read_models(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    struct recipe_slice *slice = arena_array(&reader->recipe->arena, 1, sizeof *slice);
    if (!slice)
        return error_memory(reader->err, "reading a recipe");
    slice->place = recipe_place_of(reader, value);
    return read_inputs(reader, value, false, slice) && set_slices(reader, value, slice, 1, false);
}

static bool read_slices(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    if (value->kind != YAML_LIST || value->n == 0)
        return recipe_refuse(reader, value, "slices must be a list of at least one slice");
    struct recipe_slice *slices = arena_array(&reader->recipe->arena, value->n, sizeof *slices);
    if (!slices)
        return error_memory(reader->err, "reading a recipe");
    for (size_t i = 0; i < value->n; i++) {
        slices[i].place = recipe_place_of(reader, value->values[i]);
        if (!recipe_read_keys(reader, value->values[i], "a slice", slice_keys, &slices[i]))
            return false;
        if (!slices[i].inputs)
            return recipe_refuse(reader, value->values[i], "a slice without `sources`");
    }
    return set_slices(reader, value, slices, value->n, true);
}

static bool read_module_parameters(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return recipe_read_parameters(reader, value, false, &reader->recipe->module_parameters);
}

static bool read_modules(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    static const struct recipe_key keys[] = {{"models", read_models},
                                             {"slices", read_slices},
                                             {"parameters", read_module_parameters},
                                             {NULL, NULL}};
    if (value->kind != YAML_MAPPING || value->n == 0)
        return recipe_refuse(reader, value, "modules must be a mapping of modules");
    for (size_t i = 0; i < value->n; i++)
        if (strcmp(value->keys[i]->text, "default") != 0)
            return recipe_error(reader->recipe, recipe_place_of(reader, value->keys[i]), ERROR_UNSUPPORTED,
                                reader->err, "the module %s: only \"default\" is supported",
                                quote(value->keys[i]->text).text);
    if (reader->recipe->slices)
        return recipe_refuse(reader, value, "more than one of `models`, `slices` and `modules`");
    if (!recipe_read_keys(reader, value->values[0], "a module", keys, into))
        return false;
    return reader->recipe->slices || recipe_refuse(reader, value, "a module without `models` or `slices`");
}

/* ---- the rest of the recipe ---- */

static bool read_method(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)reader, (void)value, (void)into;
    return true; /* came first: parameters are read by its row */
}

static bool read_base(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    struct recipe *recipe = reader->recipe;
    (void)into;
    recipe->base_place = recipe_place_of(reader, value);
    return yaml_is_null(value) || read_reference(reader, value, &recipe->base);
}

static bool read_parameters(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return recipe_read_parameters(reader, value, false, &reader->recipe->parameters);
}

static bool read_one_dtype(struct recipe_reader *reader, const struct yaml_node *value, enum dtype *out)
{
    const char *name;
    if (yaml_is_null(value))
        return true;
    return recipe_read_text(reader, value, "a dtype", &name) &&
           recipe_read_dtype(reader, name, recipe_place_of(reader, value), out);
}

static bool read_dtype(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return read_one_dtype(reader, value, &reader->recipe->dtype);
}

static bool read_out_dtype(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    (void)into;
    return read_one_dtype(reader, value, &reader->recipe->out_dtype);
}

static bool read_semantics(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    const char *name;
    (void)into;
    return recipe_read_text(reader, value, "semantics", &name) &&
           recipe_read_semantics(reader, name, recipe_place_of(reader, value));
}

static bool read_tie(struct recipe_reader *reader, const struct yaml_node *value, void *into)
{
    bool tie;
    (void)into;
    if (!yaml_bool(value, &tie) || tie)
        return recipe_refuse(reader, value,
                             "tie_word_embeddings can only be false: it gives a tied model a head "
                             "of its own");
    reader->recipe->untie = true;
    return true;
}

static const struct recipe_key recipe_keys[] = {{"merge_method", read_method},
                                                {"base_model", read_base},
                                                {"models", read_models},
                                                {"slices", read_slices},
                                                {"modules", read_modules},
                                                {"parameters", read_parameters},
                                                {"dtype", read_dtype},
                                                {"out_dtype", read_out_dtype},
                                                {"semantics", read_semantics},
                                                {"tie_word_embeddings", read_tie},
                                                {"tokenizer_source", read_tokenizer},
                                                {"tokenizer", read_tokenizer},
                                                {"chat_template", read_chat_template},
                                                {NULL, NULL}};

static bool read_recipe(struct recipe_reader *reader, const struct yaml_node *root)
{
    const char *name;
    if (root->kind != YAML_MAPPING)
        return recipe_refuse(reader, root, "a recipe must be a mapping (`merge_method: ...`)");
    const struct yaml_node *method = recipe_find_key(root, "merge_method");
    if (method && (!recipe_read_text(reader, method, "merge_method", &name) ||
                   !recipe_read_method(reader, name, recipe_place_of(reader, method))))
        return false;
    if (!method)
        return recipe_refuse(reader, root, "the recipe has no `merge_method`");
    if (!recipe_read_keys(reader, root, "the recipe", recipe_keys, NULL))
        return false;
    return reader->recipe->slices ||
           recipe_refuse(reader, root, "the recipe has none of `models`, `slices` and `modules`");
}

bool recipe_parse(const char *path, const char *text, size_t n, struct recipe *out, struct error *err)
{
    struct recipe recipe = {.dtype = DTYPE_COUNT, .out_dtype = DTYPE_COUNT};
    struct recipe_reader reader = {.recipe = &recipe, .placed = true, .err = err};
    struct arena nodes = {0};
    struct str shown = {0};
    const struct yaml_node *root;
    bool ok = false;
    str_append_escaped(&shown, path, strlen(path));
    recipe.path = shown.failed ? NULL : arena_copy(&recipe.arena, shown.data ? shown.data : "", shown.length);
    recipe.text = arena_copy(&recipe.arena, text, n);
    if (!recipe.path || !recipe.text) {
        error_memory(err, "reading a recipe");
        goto out;
    }
    ok = yaml_tree_parse(recipe.path, text, n, &nodes, &root, err) && read_recipe(&reader, root);
out:
    str_release(&shown);
    arena_release(&nodes);
    if (ok)
        *out = recipe;
    else
        arena_release(&recipe.arena);
    return ok;
}

bool recipe_load(const struct fs *fs, const char *path, struct recipe *out, struct error *err)
{
    char *text;
    size_t n;
    if (!fs_read_file(fs, path, YAML_MAX_BYTES, &text, &n, err))
        return false;
    bool ok = recipe_parse(path, text, n, out, err);
    free(text);
    return ok;
}

void recipe_release(struct recipe *recipe)
{
    if (!recipe)
        return;
    arena_release(&recipe->arena);
    *recipe = (struct recipe){0};
}
