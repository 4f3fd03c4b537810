#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_names.h"
#include "json_document.h"
#include "memory.h"
#include "quote.h"
#include "rows.h"
#include "str.h"

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

/* Members that say nothing of how a model computes. */
static bool is_idle(const char *key)
{
    static const char *const idle[] = {
        "architectures", "auto_map",   "_name_or_path",  "torch_dtype", "dtype",        "token_id",
        "dropout",       "pdrop",      "initializer",    "use_cache",   "version",      "label",
        "summary_",      "init_std",   "output_",        "return_dict", "gradient_",    "task_",
        "finetuning",    "model_type", "pretraining_tp", "tokenizer",   "problem_type", NULL};

    for (size_t i = 0; idle[i]; i++)
        if (strstr(key, idle[i]))
            return true;
    return false;
}

/* What the nearest row makes of the config: the error that it meets, or what it does not know. */
static void describe_difference(const struct architecture *nearest, const char *name, const cJSON *json,
                                struct str *out)
{
    enum { MOST = 4 };
    struct error ignored = {0};
    struct config_reader reader = {.name = name, .json = json, .err = &ignored};
    struct model_config *config = memory_zeroed(1, sizeof *config);
    const cJSON *item;
    size_t place = 0, n = 0;

    if (config && !nearest->read_config(&reader, config))
        str_printf(out, "; as one of those it fails: %s", ignored.text);
    cJSON_ArrayForEach(item, json)
    {
        bool asked = place >= 64 * sizeof reader.asked / sizeof *reader.asked ||
                     (reader.asked[place / 64] >> place % 64 & 1);

        place++;
        if (asked || cJSON_IsNull(item) || cJSON_IsFalse(item) || is_idle(item->string) || n == MOST)
            continue;
        str_printf(out, "%s%s", n++ ? ", " : "; not known of those: ", quote(item->string).text);
    }
    free(config);
}

static bool refuse_type(const struct model *model, const char *name, const cJSON *json, const char *type,
                        struct error *err)
{
    const struct architecture *nearest = architecture_nearest(type, model->checkpoint);
    struct str difference = {0};

    describe_difference(nearest, name, json, &difference);
    error_set(err, ERROR_UNSUPPORTED, "%s: model_type %s is not supported; the nearest that is: %s (%s)%s",
              name, quote(type).text, nearest->model_type, nearest->title,
              difference.data && !difference.failed ? difference.data : "");
    str_release(&difference);
    return false;
}

/* Weights in a packed form are other tensors than those of the table. */
static bool refuse_packed(const char *name, const cJSON *json, struct error *err)
{
    const cJSON *packed = config_member(json, "quantization_config"),
                *method = config_member(packed, "quant_method");

    return !packed || error_set(err, ERROR_UNSUPPORTED,
                                "%s: quantization_config says that the weights are packed (%s), which lancet "
                                "cannot compute with",
                                name, quote(cJSON_IsString(method) ? method->valuestring : "unnamed").text);
}

static bool read_config(struct model *model, const char *name, const char *text, size_t n, struct error *err)
{
    cJSON *document;
    const cJSON *json;
    const char *type;
    struct config_reader reader = {.name = name, .err = err};
    bool ok = false;

    if (!json_document_parse(name, text, n, &document, err))
        return false;
    json = reader.json = text_config(document);
    if (!json_get_string(name, json, "model_type", &type, err))
        goto out;
    model->architecture = architecture_find(type);
    if (!model->architecture) {
        refuse_type(model, name, json, type, err);
        goto out;
    }
    model->config.bos = -1;
    if (!refuse_packed(name, json, err) || !model->architecture->read_config(&reader, &model->config) ||
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

/* What sentences call the config: config.json beside the weights, or the file whose metadata it was made of.
 */
static bool name_config(const struct checkpoint *checkpoint, struct quoted *out, struct error *err)
{
    char *path = checkpoint_gguf(checkpoint) ? memory_string(checkpoint->path)
                                             : path_join(checkpoint->folder, "config.json");

    if (!path)
        return error_memory(err, "opening a model");
    *out = quote(path);
    free(path);
    return true;
}

/* From here on the architecture is what a GGUF makes of it. */
static bool adapt_to_gguf(struct model *model, const char *name, struct error *err)
{
    const struct gguf *gguf = checkpoint_gguf(model->checkpoint);
    const struct gguf_architecture *stored = gguf ? gguf_architecture_of(gguf) : NULL;

    if (!gguf)
        return true;
    if (!stored)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: models of type %s do not run from a GGUF, but from a folder", name,
                         quote(model->architecture->model_type).text);
    model->architecture = gguf_names_of(model->architecture, &model->config, &model->arena);
    return model->architecture ? gguf_names_config(name, stored, &model->config, err)
                               : error_memory(err, "opening a model");
}

static bool open_config(struct model *model, struct error *err)
{
    const struct checkpoint *checkpoint = model->checkpoint;
    char *text = NULL;
    struct quoted name;
    size_t n;
    bool ok;

    if (!name_config(checkpoint, &name, err))
        return false;
    ok = checkpoint_companion(checkpoint, "config.json", &text, &n, err);
    if (ok && !text)
        ok = error_set(err, ERROR_UNSUPPORTED,
                       "%s: there is no config.json beside the weights, so nothing says how to "
                       "run them",
                       quote(checkpoint->path).text);
    else if (ok)
        ok = read_config(model, name.text, text, n, err) && adapt_to_gguf(model, name.text, err);
    free(text);
    return ok;
}

/* ---- tensors ---- */

size_t model_dimension(const struct model_config *c, enum dimension dimension)
{
    const size_t sizes[DIM_COUNT] = {
        [DIM_NONE] = 0,
        [DIM_WIDTH] = c->width,
        [DIM_EMBEDDING] = c->embedding_width,
        [DIM_FF] = c->ff,
        [DIM_VOCABULARY] = c->vocabulary,
        [DIM_CONTEXT] = c->context,
        [DIM_POSITIONS] = c->context + (c->padded ? (size_t)c->padding + 1 : 0),
        [DIM_TOKEN_TYPES] = c->token_types,
        [DIM_QUERY] = c->n_heads * c->head_dim,
        [DIM_KV] = c->n_kv_heads * c->head_dim,
        [DIM_HEAD] = c->head_dim,
        [DIM_HEADS] = c->n_heads,
        [DIM_KV_HEADS] = c->n_kv_heads,
        [DIM_ONE] = 1,
        [DIM_SCAN_IN] = 2 * c->ff,
        [DIM_SCAN_KERNEL] = c->scan.kernel,
        [DIM_SCAN_PARAMETERS] = c->scan.rank + 2 * c->scan.state,
        [DIM_SCAN_RANK] = c->scan.rank,
        [DIM_SCAN_STATE] = c->scan.state,
        [DIM_EXPERTS] = c->experts.n,
        [DIM_EXPERT_FF] = c->experts.ff,
        [DIM_SHARED_FF] = c->experts.shared_ff,
    };

    return sizes[dimension];
}

/* Which part of a fused tensor a role is: 0, 1 or 2. */
static size_t part_of(enum role role)
{
    return role == ROLE_VALUE || role == ROLE_VALUE_BIAS                                          ? 2
           : role == ROLE_KEY || role == ROLE_KEY_BIAS || role == ROLE_UP || role == ROLE_UP_BIAS ? 1
                                                                                                  : 0;
}

size_t model_place(const struct model_config *c, const struct tensor_role *row, struct weight *w)
{
    size_t part = part_of(row->role), group = c->n_heads / c->n_kv_heads, head = c->head_dim;

    w->out = model_dimension(c, row->out);
    w->first_out = row->skip;
    switch (row->fused) {
    case FUSED_NONE:
        break;
    case FUSED_QKV:
        w->first_out = (part == 0 ? 0 : part == 1 ? c->n_heads : c->n_heads + c->n_kv_heads) * head;
        return (c->n_heads + 2 * c->n_kv_heads) * head;
    case FUSED_QKV_HEAD:
        w->first_out = (part == 0 ? 0 : group + part - 1) * head;
        w->run = part == 0 ? group * head : head;
        w->step = (group + 2) * head;
        return c->n_kv_heads * w->step;
    case FUSED_GATE_UP:
        w->first_out = part * w->out;
        return 2 * w->out;
    }
    return row->skip + w->out;
}

/* The stored shape of a row, which is `out` long along that dimension; returns its rank. */
static size_t stored_shape(const struct model_config *c, const struct tensor_role *row, size_t out,
                           size_t shape[3])
{
    size_t in = model_dimension(c, row->in), rank = 0;

    if (row->stacked)
        shape[rank++] = model_dimension(c, row->items);
    shape[rank++] = row->by_head ? out / c->head_dim : row->transposed ? in : out;
    if (row->channels)
        shape[rank++] = 1;
    if (row->by_head || row->in != DIM_NONE)
        shape[rank++] = row->by_head ? c->head_dim : row->transposed ? out : in;
    return rank;
}

static bool check_shape(const struct model *model, const struct tensor_role *row, const struct tensor *tensor,
                        size_t out, struct error *err)
{
    size_t shape[3], rank = stored_shape(&model->config, row, out, shape), used = 0;
    size_t left_out = rank > tensor->rank && shape[0] == 1; /* by writers of GGUF: a dimension of 1 */
    bool equal = tensor->rank + left_out == rank;
    char found[128], expected[80];

    for (size_t i = 0; i < rank; i++) {
        equal = equal && (i < left_out || tensor->shape[i - left_out] == shape[i]);
        used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%zu", i ? ", " : "[", shape[i]);
    }
    snprintf(expected + used, sizeof expected - used, "]");
    tensor_describe(tensor, found, sizeof found);
    if (!equal)
        return error_set(err, ERROR_FORMAT, "%s: tensor %s (%s) is %s, but config.json makes it %s",
                         quote(model->checkpoint->path).text, quote(tensor->name).text, role_name(row->role),
                         found, expected);
    if (!rows_readable(tensor->dtype))
        return error_set(err, ERROR_UNSUPPORTED, "%s: tensor %s is %s, which lancet cannot compute with",
                         quote(model->checkpoint->path).text, quote(tensor->name).text, found);
    return true;
}

static const struct tensor_role *role_row(const struct architecture *a, enum role role)
{
    const struct tensor_role *row;

    for (size_t i = 0; (row = architecture_row(a, i)); i++)
        if (row->role == role)
            return row;
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

static bool row_name(const struct model *model, const struct tensor_role *row, size_t layer, size_t item,
                     char name[NAME_SIZE], struct error *err)
{
    return architecture_tensor_name(row, model->prefix, layer, item, name, NAME_SIZE) ||
           error_set(err, ERROR_UNSUPPORTED, "%s: a tensor name is too long",
                     quote(model->checkpoint->path).text);
}

/* Item `item` of a row, or the one tensor that it is. */
static bool find_item(struct model *model, const struct tensor_role *row, size_t layer, size_t item,
                      struct weight *out, struct error *err)
{
    char name[NAME_SIZE];
    struct weight w = {.overlay = model->overlay, .transposed = row->transposed};
    size_t stored = model_place(&model->config, row, &w);

    if (!row_name(model, row, layer, item, name, err))
        return false;
    w.in = row->in == DIM_NONE ? 1 : model_dimension(&model->config, row->in);
    w.tensor = find_tensor(model, row, name);
    if (!w.tensor)
        return error_set(err, ERROR_FORMAT, "%s: tensor %s (%s) is missing, which config.json asks for",
                         quote(model->checkpoint->path).text, quote(name).text, role_name(row->role));
    if (!check_shape(model, row, w.tensor, stored, err))
        return false;
    if (row->stacked)
        w.first_out += item * stored;
    *out = w;
    return true;
}

/* A list with all its items. */
static bool find_list(struct model *model, const struct tensor_role *row, size_t layer, struct error *err)
{
    struct weight_list *list = &model->list[layer][row->role];

    list->n = model_dimension(&model->config, row->items);
    list->items = arena_array(&model->arena, list->n, sizeof *list->items);
    if (!list->items)
        return error_memory(err, "opening a model");
    for (size_t i = 0; i < list->n; i++)
        if (!find_item(model, row, layer, i, &list->items[i], err))
            return false;
    model->layer[layer][row->role] = list->items[0];
    return true;
}

static bool find_weight(struct model *model, const struct tensor_role *row, size_t layer, struct error *err)
{
    struct weight *out =
        row->role < ROLE_FIRST_OF_LAYER ? &model->global[row->role] : &model->layer[layer][row->role];

    return row->items ? find_list(model, row, layer, err) : find_item(model, row, layer, 0, out, err);
}

bool model_wants(const struct model_config *c, const struct tensor_role *row)
{
    return (c->features & row->when) == row->when && !(c->features & row->unless) &&
           !(row->role == ROLE_HEAD && c->tied);
}

static bool has_layer(const struct model_config *c, const struct tensor_role *row, size_t layer)
{
    return row->layers == LAYERS_ALL || c->experts.in_layer[layer] == (row->layers == LAYERS_WITH_EXPERTS);
}

static bool is_there(struct model *model, const struct tensor_role *row, size_t layer)
{
    char name[NAME_SIZE];

    return architecture_tensor_name(row, model->prefix, layer, 0, name, sizeof name) &&
           find_tensor(model, row, name);
}

/* The rows of one role in one layer: the first that is wanted and there, else the first that is wanted. */
static bool find_role(struct model *model, enum role role, size_t layer, struct error *err)
{
    const struct tensor_role *row, *first = NULL;

    for (size_t i = 0; (row = architecture_row(model->architecture, i)); i++) {
        if (row->role != role || !model_wants(&model->config, row) || !has_layer(&model->config, row, layer))
            continue;
        if (is_there(model, row, layer))
            return find_weight(model, row, layer, err);
        if (!first)
            first = row;
    }
    return !first || role == ROLE_HEAD || find_weight(model, first, layer, err);
}

/* Encoders are often stored without their head. */
static void look_for_head(struct model *model)
{
    const struct tensor_role *row = role_row(model->architecture, ROLE_HEAD_IN);

    if (model->config.encoder && row && is_there(model, row, 0))
        model->config.features |= FEATURE_MASKED_HEAD;
}

/* Not even the tensor that tells the prefix is there. */
static bool no_prefix(const struct model *model, struct error *err)
{
    const struct architecture *a = model->architecture;
    const struct tensor_role *norm = role_row(a, ROLE_FINAL_NORM);
    char name[NAME_SIZE] = "";

    architecture_tensor_name(norm ? norm : role_row(a, ROLE_ATTENTION_OUT), a->prefixes[0], 0, 0, name,
                             sizeof name);
    return error_set(err, ERROR_FORMAT, "%s: config.json says %s, but there is no tensor \"%s\"",
                     quote(model->checkpoint->path).text, a->model_type, name);
}

static bool find_weights(struct model *model, struct error *err)
{
    const struct architecture *a = model->architecture;

    model->prefix = architecture_prefix(a, model->checkpoint);
    if (!model->prefix)
        return no_prefix(model, err);
    look_for_head(model);
    for (size_t role = 0; role < ROLE_COUNT; role++)
        for (size_t l = 0; l < (role < ROLE_FIRST_OF_LAYER ? 1 : model->config.n_layers); l++)
            if (!find_role(model, (enum role)role, l, err))
                return false;
    if (!model->global[ROLE_HEAD].tensor) {
        model->global[ROLE_HEAD] = model->global[ROLE_EMBEDDING];
        model->config.tied = true;
    }
    return true;
}

/* ---- vectors ---- */

/* The weights of a role outside the layers (place 0) or in layer place - 1: one, the items of a list, or
 * none.
 */
static const struct weight *weights_of(const struct model *model, size_t place, size_t role, size_t *n)
{
    const struct weight *one = place ? &model->layer[place - 1][role] : &model->global[role];
    const struct weight_list *list = place ? &model->list[place - 1][role] : NULL;

    *n = list && list->n ? list->n : one->tensor != NULL;
    return list && list->n ? list->items : one;
}

/* Walks all vectors in the order in which they lie; returns how many numbers they take. With `place`, tells
 * each where it lies and converts it. */
static size_t walk_vectors(struct model *model, bool place)
{
    size_t at = 0;

    for (size_t l = 0; l <= model->config.n_layers; l++) {
        const real **vectors = l ? model->layer_vector[l - 1] : model->global_vector;

        for (size_t role = 0; role < ROLE_COUNT; role++) {
            size_t n;
            const struct weight *weights = weights_of(model, l, role, &n);

            if (n == 0 || weights->in != 1)
                continue;
            if (place)
                vectors[role] = model->vectors + at;
            for (size_t i = 0; i < n; at += weights[i++].out)
                if (place)
                    weight_vector(&weights[i], model->vectors + at);
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
    model->vectors = memory_array(walk_vectors(model, false), sizeof *model->vectors);
    if (!model->vectors)
        return error_memory(err, "opening a model");
    walk_vectors(model, true);
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
    model->list = arena_array(&model->arena, n, sizeof *model->list);
    model->layer_vector = arena_array(&model->arena, n, sizeof *model->layer_vector);
    if (!model->overlay || !model->layer || !model->list || !model->layer_vector) {
        error_memory(err, "opening a model");
        goto fail;
    }
    memset(model->layer, 0, n * sizeof *model->layer);
    memset(model->list, 0, n * sizeof *model->list);
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

bool model_has_site(const struct model *model, size_t layer)
{
    return !model->config.encoder && !model->config.experts.in_layer[layer];
}

const struct weight *model_site(const struct model *model, size_t layer)
{
    return &model->layer[layer][ROLE_DOWN];
}

const struct weight *model_sites(const struct model *model, size_t layer, size_t *n)
{
    return weights_of(model, layer + 1, ROLE_DOWN, n);
}

/* ---- what a model can ---- */

bool model_can(const struct model *model, enum ability ability, struct error *err)
{
    const struct model_config *c = &model->config;
    const char *why = NULL;

    if (c->encoder && (ability == ABLE_NEXT || ability == ABLE_EDIT))
        why = "it is an encoder, whose every token sees those behind it: there is no next token to ask for";
    else if (c->encoder && ability == ABLE_LOGITS && !(c->features & FEATURE_MASKED_HEAD))
        why =
            "the file holds no head for masked tokens, so that there are states and attention, but no logits";
    else if (c->scan.state && ability == ABLE_ATTENTION)
        why = "its layers have no attention: each token changes a state, which the next one reads";
    return !why || error_set(err, ERROR_UNSUPPORTED, "%s (%s) cannot do that: %s",
                             quote(model->checkpoint->path).text, model->architecture->title, why);
}

/* ---- lists of tensors ---- */

static int by_name(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* What the keys of a layer depend on: everything up to them. */
static bool is_below(size_t place, size_t layer, size_t role)
{
    return place == 0 ? role < ROLE_FIRST_AFTER_LAYERS : place <= layer || role < ROLE_DOWN;
}

/* Adds the tensors that is_below takes to `list`, unless that is NULL; returns how many they are. */
static size_t add_below(const struct model *model, size_t layer, const struct tensor **list)
{
    size_t count = 0;

    for (size_t place = 0; place <= layer + 1; place++)
        for (size_t role = 0; role < ROLE_COUNT; role++) {
            size_t n;
            const struct weight *weights = weights_of(model, place, role, &n);

            for (size_t i = 0; is_below(place, layer, role) && i < n; i++, count++)
                if (list)
                    list[count] = weights[i].tensor;
        }
    return count;
}

bool model_tensors_below(const struct model *model, size_t layer, const struct tensor ***out, size_t *n,
                         struct error *err)
{
    size_t count = add_below(model, layer, NULL), kept = 0;
    const struct tensor **list = memory_array(count, sizeof *list);

    if (!list)
        return error_memory(err, "listing tensors");
    add_below(model, layer, list);
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

    for (uint64_t at = 0; at < tensor->elements; at += PIECE) {
        size_t n = tensor->elements - at < PIECE ? (size_t)(tensor->elements - at) : PIECE;

        rows_slice_real(tensor->dtype, tensor->data, at, n, piece);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(piece[i]))
                return false;
    }
    return true;
}

const struct tensor *model_not_finite(const struct model *model)
{
    const struct tensor *first = NULL;

    for (size_t place = 0; place <= model->config.n_layers; place++)
        for (size_t role = 0; role < ROLE_COUNT; role++) {
            size_t n;
            const struct weight *weights = weights_of(model, place, role, &n);

            for (size_t i = 0; i < n; i++) {
                const struct tensor *tensor = weights[i].tensor;
                bool seen = i > 0 && tensor == weights[i - 1].tensor; /* the items of a stack */

                if (!seen && (!first || strcmp(tensor->name, first->name) < 0) && !is_finite(tensor))
                    first = tensor;
            }
        }
    return first;
}
