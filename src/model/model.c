#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_document.h"
#include "memory.h"
#include "quote.h"
#include "rows.h"

enum { NAME_SIZE = 256 };

/* ---- config ---- */

/* The object that holds the config: the document, or text_config of a vision-language wrapper. */
static const cJSON *text_config(const cJSON *document)
{
    const cJSON *type = config_member(document, "model_type"), *text = config_member(document, "text_config");

    if (!cJSON_IsObject(text) || (cJSON_IsString(type) && architecture_find(type->valuestring)))
        return document;
    type = config_member(text, "model_type");
    return cJSON_IsString(type) && architecture_find(type->valuestring) ? text : document;
}

static bool read_config(struct model *model, const char *name, const char *text, size_t n, struct error *err)
{
    cJSON *document;
    const cJSON *json;
    const char *type;
    bool ok = false;

    if (!json_document_parse(name, text, n, &document, err))
        return false;
    json = text_config(document);
    if (!json_get_string(name, json, "model_type", &type, err))
        goto out;
    model->architecture = architecture_find(type);
    if (!model->architecture) {
        const struct architecture *nearest = architecture_nearest(type, model->checkpoint);

        error_set(err, ERROR_UNSUPPORTED, "%s: model_type %s is not supported; the nearest that is: %s (%s)",
                  name, quote(type).text, nearest->model_type, nearest->title);
        goto out;
    }
    model->config.bos = -1;
    if (!model->architecture->read_config(name, json, &model->config, err) ||
        !config_check(name, &model->config, err))
        goto out;
    if (cJSON_IsNumber(config_member(json, "bos_token_id"))) {
        double bos = config_member(json, "bos_token_id")->valuedouble;

        if (bos >= 0 && bos < (double)model->config.vocabulary)
            model->config.bos = (int64_t)bos;
    }
    ok = true;
out:
    cJSON_Delete(document);
    return ok;
}

static bool open_config(struct model *model, struct error *err)
{
    const struct checkpoint *checkpoint = model->checkpoint;
    char *text = NULL, *path = path_join(checkpoint->folder, "config.json");
    struct quoted name;
    size_t n;
    bool ok;

    if (!path)
        return error_memory(err, "opening a model");
    name = quote(path);
    free(path);
    ok = checkpoint_companion(checkpoint, "config.json", &text, &n, err);
    if (ok && !text)
        ok = error_set(err, ERROR_UNSUPPORTED,
                       "%s: there is no config.json beside the weights, so nothing says how to "
                       "run them",
                       quote(checkpoint->path).text);
    else if (ok)
        ok = read_config(model, name.text, text, n, err);
    free(text);
    return ok;
}

/* ---- tensors ---- */

static size_t dimension_size(const struct model_config *c, enum dimension dimension)
{
    switch (dimension) {
    case DIM_NONE:
        return 0;
    case DIM_WIDTH:
        return c->width;
    case DIM_FF:
        return c->ff;
    case DIM_VOCABULARY:
        return c->vocabulary;
    case DIM_CONTEXT:
        return c->context;
    case DIM_QUERY:
        return c->n_heads * c->head_dim;
    case DIM_KV:
        return c->n_kv_heads * c->head_dim;
    case DIM_QKV:
        return (c->n_heads + 2 * c->n_kv_heads) * c->head_dim;
    case DIM_HEAD:
        return c->head_dim;
    }
    return 0;
}

static size_t slice_start(const struct model_config *c, unsigned slice)
{
    size_t query = c->n_heads * c->head_dim;

    return slice == 0 ? 0 : slice == 1 ? query : query + c->n_kv_heads * c->head_dim;
}

static bool wanted(const struct model_config *c, enum role_when when)
{
    switch (when) {
    case WHEN_ALWAYS:
        return true;
    case WHEN_ATTENTION_BIAS:
        return c->attention_bias;
    case WHEN_MLP_BIAS:
        return c->mlp_bias;
    case WHEN_UNTIED:
        return !c->tied;
    }
    return false;
}

static bool check_shape(const struct model *model, const struct tensor_role *row, const struct tensor *tensor,
                        struct error *err)
{
    size_t out = dimension_size(&model->config, row->stored ? row->stored : row->out);
    size_t in = dimension_size(&model->config, row->in);
    char found[128], expected[64];
    bool ok;

    if (row->in == DIM_NONE) {
        ok = tensor->rank == 1 && tensor->shape[0] == out;
        snprintf(expected, sizeof expected, "[%zu]", out);
    } else {
        size_t first = row->transposed ? in : out, second = row->transposed ? out : in;

        ok = tensor->rank == 2 && tensor->shape[0] == first && tensor->shape[1] == second;
        snprintf(expected, sizeof expected, "[%zu, %zu]", first, second);
    }
    tensor_describe(tensor, found, sizeof found);
    if (!ok)
        return error_set(err, ERROR_MISMATCH, "%s: tensor %s (%s) is %s, but config.json makes it %s",
                         quote(model->checkpoint->path).text, quote(tensor->name).text, role_name(row->role),
                         found, expected);
    if (!rows_readable(tensor->dtype))
        return error_set(err, ERROR_UNSUPPORTED, "%s: tensor %s is %s, which lancet cannot compute with",
                         quote(model->checkpoint->path).text, quote(tensor->name).text, found);
    return true;
}

static const struct tensor_role *role_row(const struct architecture *a, enum role role)
{
    for (size_t i = 0; i < a->n_tensors; i++)
        if (a->tensors[i].role == role)
            return &a->tensors[i];
    return NULL;
}

/* A tied pair may be stored under the head's name alone. */
static const struct tensor *find_tensor(const struct model *model, const struct tensor_role *row,
                                        const char *name)
{
    const struct tensor *tensor = checkpoint_find(model->checkpoint, name);
    const struct tensor_role *head = role_row(model->architecture, ROLE_HEAD);

    return !tensor && row->role == ROLE_EMBEDDING && model->config.tied && head
               ? checkpoint_find(model->checkpoint, head->name)
               : tensor;
}

static bool find_weight(struct model *model, const struct tensor_role *row, size_t layer, struct weight *out,
                        struct error *err)
{
    char name[NAME_SIZE];
    const struct tensor *tensor;

    if (!wanted(&model->config, row->when))
        return true;
    if (!architecture_tensor_name(row, model->prefix, layer, name, sizeof name))
        return error_set(err, ERROR_UNSUPPORTED, "%s: a tensor name is too long",
                         quote(model->checkpoint->path).text);
    tensor = find_tensor(model, row, name);
    if (!tensor && row->when == WHEN_UNTIED)
        return true;
    if (!tensor)
        return error_set(err, ERROR_MISMATCH, "%s: tensor %s (%s) is missing, which config.json asks for",
                         quote(model->checkpoint->path).text, quote(name).text, role_name(row->role));
    if (!check_shape(model, row, tensor, err))
        return false;
    *out = (struct weight){
        .tensor = tensor,
        .overlay = model->overlay,
        .out = dimension_size(&model->config, row->out),
        .in = row->in == DIM_NONE ? 1 : dimension_size(&model->config, row->in),
        .first_out = row->stored ? slice_start(&model->config, row->slice) : 0,
        .transposed = row->transposed,
    };
    return true;
}

static bool find_weights(struct model *model, struct error *err)
{
    const struct architecture *a = model->architecture;

    model->prefix = architecture_prefix(a, model->checkpoint);
    if (!model->prefix)
        return error_set(err, ERROR_MISMATCH, "%s: config.json says %s, but there is no tensor \"%s%s\"",
                         quote(model->checkpoint->path).text, a->model_type, a->prefixes[0],
                         role_row(a, ROLE_FINAL_NORM)->name);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const struct tensor_role *row = &a->tensors[i];

        if (row->role < ROLE_FIRST_OF_LAYER && !find_weight(model, row, 0, &model->global[row->role], err))
            return false;
        for (size_t l = 0; row->role >= ROLE_FIRST_OF_LAYER && l < model->config.n_layers; l++)
            if (!find_weight(model, row, l, &model->layer[l][row->role], err))
                return false;
    }
    if (!model->global[ROLE_HEAD].tensor) {
        model->global[ROLE_HEAD] = model->global[ROLE_EMBEDDING];
        model->config.tied = true;
    }
    return true;
}

/* ---- vectors ---- */

static bool is_vector(const struct weight *w)
{
    return w->tensor && w->in == 1 && w->tensor->rank == 1;
}

/* Walks all vectors in the order in which they lie; returns how many numbers they take. With `place`, tells
 * each where it lies and converts it. */
static size_t walk_vectors(struct model *model, bool place)
{
    size_t at = 0;

    for (size_t l = 0; l <= model->config.n_layers; l++) {
        struct weight *weights = l ? model->layer[l - 1] : model->global;
        const real **vectors = l ? model->layer_vector[l - 1] : model->global_vector;

        for (size_t role = 0; role < ROLE_COUNT; role++) {
            if (!is_vector(&weights[role]))
                continue;
            if (place) {
                weight_vector(&weights[role], model->vectors + at);
                vectors[role] = model->vectors + at;
            }
            at += weights[role].out;
        }
    }
    return at;
}

void model_refresh(struct model *model)
{
    walk_vectors(model, true);
}

static bool make_vectors(struct model *model, struct error *err)
{
    const struct model_config *c = &model->config;

    model->vectors = memory_array(walk_vectors(model, false), sizeof *model->vectors);
    if (!model->vectors)
        return error_memory(err, "opening a model");
    walk_vectors(model, true);
    for (size_t i = 0; i < c->n_ropes; i++) {
        model->inverse_frequencies[i] = arena_array(&model->arena, c->rotary_dim / 2, sizeof(real));
        if (!model->inverse_frequencies[i])
            return error_memory(err, "opening a model");
        config_inverse_frequencies(&c->ropes[i], c->rotary_dim, model->inverse_frequencies[i]);
    }
    return true;
}

/* ---- opening ---- */

bool model_open(const struct context *context, const struct checkpoint *checkpoint, struct model **out,
                struct error *err)
{
    struct model *model = memory_zeroed(1, sizeof *model);
    size_t n;

    if (!model)
        return error_memory(err, "opening a model");
    model->context = context;
    model->checkpoint = checkpoint;
    if (!open_config(model, err))
        goto fail;
    n = model->config.n_layers;
    model->overlay = overlay_new();
    model->layer = arena_array(&model->arena, n, sizeof *model->layer);
    model->layer_vector = arena_array(&model->arena, n, sizeof *model->layer_vector);
    if (!model->overlay || !model->layer || !model->layer_vector) {
        error_memory(err, "opening a model");
        goto fail;
    }
    memset(model->layer, 0, n * sizeof *model->layer);
    memset(model->layer_vector, 0, n * sizeof *model->layer_vector);
    if (!find_weights(model, err) || !make_vectors(model, err))
        goto fail;
    *out = model;
    return true;
fail:
    model_close(model);
    return false;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    overlay_free(model->overlay);
    free(model->vectors);
    arena_release(&model->arena);
    free(model);
}

const struct weight *model_site(const struct model *model, size_t layer)
{
    return &model->layer[layer][ROLE_DOWN];
}

/* ---- lists of tensors ---- */

static int by_name(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static bool follows_key(enum role role)
{
    return role == ROLE_DOWN || role == ROLE_DOWN_BIAS || role == ROLE_MLP_POST_NORM;
}

bool model_tensors_below(const struct model *model, size_t layer, const struct tensor ***out, size_t *n,
                         struct error *err)
{
    const struct tensor **list = memory_array((layer + 2) * ROLE_COUNT, sizeof *list);
    size_t count = 0, kept = 0;

    if (!list)
        return error_memory(err, "listing tensors");
    for (size_t role = ROLE_EMBEDDING; role <= ROLE_POSITION; role++)
        if (model->global[role].tensor)
            list[count++] = model->global[role].tensor;
    for (size_t l = 0; l <= layer; l++)
        for (size_t role = 0; role < ROLE_COUNT; role++)
            if (model->layer[l][role].tensor && !(l == layer && follows_key(role)))
                list[count++] = model->layer[l][role].tensor;
    qsort(list, count, sizeof *list, by_name);
    for (size_t i = 0; i < count; i++) /* slices of one tensor */
        if (i == 0 || list[i] != list[kept - 1])
            list[kept++] = list[i];
    *out = list;
    *n = kept;
    return true;
}

static bool is_finite(const struct tensor *tensor)
{
    enum { PIECE = 1024 };
    real piece[PIECE];
    size_t element = dtype_facts(tensor->dtype)->block_bits / 8;

    for (uint64_t at = 0; at < tensor->elements; at += PIECE) {
        size_t n = tensor->elements - at < PIECE ? (size_t)(tensor->elements - at) : PIECE;

        rows_to_real(tensor->dtype, (const uint8_t *)tensor->data + at * element, n, piece);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(piece[i]))
                return false;
    }
    return true;
}

const struct tensor *model_not_finite(const struct model *model)
{
    const struct tensor *first = NULL;

    for (size_t l = 0; l <= model->config.n_layers; l++) {
        const struct weight *weights = l ? model->layer[l - 1] : model->global;

        for (size_t role = 0; role < ROLE_COUNT; role++) {
            const struct tensor *tensor = weights[role].tensor;

            if (tensor && (!first || strcmp(tensor->name, first->name) < 0) && !is_finite(tensor))
                first = tensor;
        }
    }
    return first;
}
