/* Keys by the table of gguf_architecture.c; numbers that every architecture has come from the config as it
 * was read, the rest from the text of config.json. */
#include "gguf_metadata.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gguf_architecture.h"
#include "json_document.h"
#include "memory.h"
#include "quote.h"

struct writer {
    const struct model *model;
    const struct gguf_architecture *architecture;
    const cJSON *json;
    struct gguf_values *values;
};

/* "llama.block_count" */
struct full_key {
    char text[128];
};

static struct full_key full_key(const struct writer *w, const char *key)
{
    struct full_key full;

    snprintf(full.text, sizeof full.text, "%s.%s", w->architecture->name, key);
    return full;
}

static void put_u32(const struct writer *w, const char *key, size_t value)
{
    gguf_put_u32(w->values, full_key(w, key).text, (uint32_t)value);
}

static void put_f32(const struct writer *w, const char *key, double value)
{
    gguf_put_f32(w->values, full_key(w, key).text, (float)value);
}

static void put_text(const struct writer *w, const char *key, const char *text)
{
    gguf_put_text(w->values, full_key(w, key).text, text, strlen(text));
}

/* A number that every config has, by its key; false when it is none of these. */
static bool common_number(const struct model_config *c, const char *key, double *out)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"embedding_length", (double)c->width},
                   {"block_count", (double)c->n_layers},
                   {"attention.head_count", (double)c->n_heads},
                   {"attention.head_count_kv", (double)c->n_kv_heads},
                   {"attention.key_length", (double)c->head_dim},
                   {"feed_forward_length", (double)c->ff},
                   {"context_length", (double)c->context},
                   {"attention.layer_norm_epsilon", c->norm_eps},
                   {"attention.layer_norm_rms_epsilon", c->norm_eps},
                   {"rope.freq_base", c->ropes[0].theta},
                   {"expert_count", (double)c->experts.n},
                   {"expert_used_count", (double)c->experts.used},
                   {"expert_feed_forward_length", (double)c->experts.ff},
                   {"expert_shared_feed_forward_length", (double)c->experts.shared_ff}};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].key, key) == 0) {
            *out = numbers[i].value;
            return true;
        }
    return false;
}

static void put_key(const struct writer *w, const struct gguf_key *key)
{
    const cJSON *member = config_member(w->json, key->json);
    double number = cJSON_IsNumber(member) ? member->valuedouble : 0;

    if (!common_number(&w->model->config, key->key, &number) && !cJSON_IsNumber(member) &&
        !cJSON_IsBool(member))
        return;
    if (number == 0 && key->type == GGUF_F32) /* the theta of a model without rope */
        return;
    if (key->type == GGUF_BOOL)
        gguf_put_bool(w->values, full_key(w, key->key).text, cJSON_IsTrue(member));
    else if (key->type == GGUF_F32)
        put_f32(w, key->key, number);
    else if (number >= 0 && number <= UINT32_MAX)
        put_u32(w, key->key, (size_t)number);
}

/* Llama 3's and longrope's numbers lie in tensors (gguf_convert.c). */
static bool put_rope(const struct writer *w, struct error *err)
{
    const struct model_config *c = &w->model->config;
    const struct rope_config *r = &c->ropes[0];

    if (c->rope == ROPE_NONE)
        return true;
    put_u32(w, "rope.dimension_count", c->rotary_dim);
    switch (r->scaling) {
    case ROPE_SCALE_NONE:
    case ROPE_SCALE_LLAMA3:
        return true;
    case ROPE_SCALE_LINEAR:
        put_text(w, "rope.scaling.type", "linear");
        put_f32(w, "rope.scaling.factor", r->factor);
        return true;
    case ROPE_SCALE_YARN:
        put_text(w, "rope.scaling.type", "yarn");
        put_f32(w, "rope.scaling.factor", r->factor);
        put_u32(w, "rope.scaling.original_context_length", r->original_context);
        return true;
    case ROPE_SCALE_LONG:
        put_f32(w, "rope.scaling.attn_factor", r->attention_factor);
        put_u32(w, "rope.scaling.original_context_length", r->original_context);
        return true;
    case ROPE_SCALE_DYNAMIC:
        break;
    }
    return error_set(err, ERROR_UNSUPPORTED, "%s: rope scaling of type %s has no place in a GGUF",
                     quote(w->model->checkpoint->path).text, config_rope_scaling_name(r->scaling));
}

static void put_general(const struct writer *w, enum dtype dtype)
{
    const char *name = w->architecture->name, *base = path_base(w->model->checkpoint->path);
    const struct gguf_tensor_type *type = gguf_tensor_type_for(dtype);

    gguf_put_text(w->values, "general.architecture", name, strlen(name));
    gguf_put_text(w->values, "general.type", "model", strlen("model"));
    if (*base)
        gguf_put_text(w->values, "general.name", base, strlen(base));
    if (type && type->file_type >= 0)
        gguf_put_u32(w->values, "general.file_type", (uint32_t)type->file_type);
    if (dtype_facts(dtype)->block_elements > 1)
        gguf_put_u32(w->values, "general.quantization_version", 2);
}

/* llama.cpp takes every layer of such a model to have experts. */
static bool check_experts(const struct writer *w, struct error *err)
{
    const struct model_config *c = &w->model->config;

    for (size_t l = 0; c->experts.n && l < c->n_layers; l++)
        if (!c->experts.in_layer[l])
            return error_set(err, ERROR_UNSUPPORTED, "%s: layer %zu has no experts, which a GGUF cannot say",
                             quote(w->model->checkpoint->path).text, l);
    return true;
}

static bool put_all(const struct writer *w, enum dtype dtype, struct error *err)
{
    const struct model_config *c = &w->model->config;

    if (!check_experts(w, err))
        return false;
    put_general(w, dtype);
    for (const struct gguf_key *const *list = w->architecture->keys; *list; list++)
        for (const struct gguf_key *key = *list; key->json; key++)
            put_key(w, key);
    put_u32(w, "attention.value_length", c->head_dim);
    put_u32(w, "vocab_size", c->vocabulary);
    return put_rope(w, err);
}

/* ---- what came of it ---- */

static bool same_rope(const struct model_config *a, const struct model_config *b, size_t i)
{
    real x[256], y[256];
    size_t n = a->rotary_dim / 2, lengths[] = {1, a->context};

    if (n > sizeof x / sizeof *x)
        return memcmp(&a->ropes[i], &b->ropes[i], sizeof a->ropes[i]) == 0;
    for (size_t k = 0; k < 2; k++) {
        config_inverse_frequencies(&a->ropes[i], a->rotary_dim, lengths[k], x);
        config_inverse_frequencies(&b->ropes[i], b->rotary_dim, lengths[k], y);
        for (size_t f = 0; f < n; f++)
            if (!(fabs((double)x[f] - (double)y[f]) <= 1e-5 * fabs((double)x[f])))
                return false;
    }
    return fabs(a->ropes[i].attention_factor - b->ropes[i].attention_factor) <= 1e-5;
}

/* The first feature that differs, or NULL. */
static const char *features_differ(const struct model_config *a, const struct model_config *b)
{
    static const struct {
        unsigned feature;
        const char *name;
    } features[] = {{FEATURE_QKV_BIAS, "biases of queries, keys and values"},
                    {FEATURE_OUT_BIAS, "bias of the attention's output"},
                    {FEATURE_MLP_BIAS, "biases of the MLP"},
                    {FEATURE_QK_NORM, "norms of queries and keys"},
                    {FEATURE_PARALLEL, "attention and MLP side by side"},
                    {FEATURE_TWO_NORMS, "two norms of a layer"},
                    {~0u, "features"}};

    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if ((a->features ^ b->features) & features[i].feature)
            return features[i].name;
    return NULL;
}

/* What of the layers differs, or NULL. */
static const char *layers_differ(const struct model_config *a, const struct model_config *b)
{
    for (size_t l = 0; l < a->n_layers; l++)
        if (a->window[l] != b->window[l] || a->rope_of[l] != b->rope_of[l])
            return "windows and rope of its layers";
    for (size_t i = 0; i < a->n_ropes; i++)
        if (!same_rope(a, b, i))
            return "scaling of rope";
    return NULL;
}

bool gguf_metadata_refuse(const struct model *source, const char *what, struct error *err)
{
    return error_set(err, ERROR_UNSUPPORTED, "%s: a GGUF of type %s cannot say what it is like: %s",
                     quote(source->checkpoint->path).text, source->architecture->model_type, what);
}

bool gguf_metadata_check(const struct model *source, const struct model *written, struct error *err)
{
    const struct model_config *a = &source->config, *b = &written->config;
    const struct {
        const char *name;
        double a, b;
    } numbers[] = {{"width of heads", (double)a->head_dim, (double)b->head_dim},
                   {"part of heads that rotates", (double)a->rotary_dim, (double)b->rotary_dim},
                   {"heads of keys", (double)a->n_kv_heads, (double)b->n_kv_heads},
                   {"context", (double)a->context, (double)b->context},
                   {"activation", a->activation, b->activation},
                   {"epsilon of norms", a->norm_eps, b->norm_eps},
                   {"scale of attention", a->attention_scale, b->attention_scale},
                   {"scale of attention by layer", a->scale_by_layer, b->scale_by_layer},
                   {"scale of the embedding", a->embedding_scale, b->embedding_scale},
                   {"scale of what layers add", a->residual_scale, b->residual_scale},
                   {"scale of logits", a->logit_scale, b->logit_scale},
                   {"cap of attention", a->attention_cap, b->attention_cap},
                   {"cap of logits", a->logit_cap, b->logit_cap},
                   {"number of ropes", (double)a->n_ropes, (double)b->n_ropes},
                   {"ALiBi", a->alibi, b->alibi},
                   {"number of experts", (double)a->experts.n, (double)b->experts.n},
                   {"experts of a token", (double)a->experts.used, (double)b->experts.used},
                   {"width of experts", (double)a->experts.ff, (double)b->experts.ff},
                   {"width of the shared expert", (double)a->experts.shared_ff, (double)b->experts.shared_ff},
                   {"sum of the weights of experts", a->experts.normalised, b->experts.normalised}};
    const char *differs = features_differ(a, b);

    for (size_t i = 0; !differs && i < sizeof numbers / sizeof *numbers; i++)
        if (!(fabs(numbers[i].a - numbers[i].b) <= 1e-6 * fabs(numbers[i].a)))
            differs = numbers[i].name;
    if (!differs)
        differs = layers_differ(a, b);
    return !differs || gguf_metadata_refuse(source, differs, err);
}

bool gguf_metadata_put(const struct model *model, enum dtype dtype, struct gguf_values *values,
                       struct error *err)
{
    struct writer w = {.model = model,
                       .architecture = gguf_architecture_for(model->architecture->model_type),
                       .values = values};
    const char *name = model->checkpoint->path;
    char *text = NULL;
    cJSON *document = NULL;
    size_t n;
    bool ok = checkpoint_companion(model->checkpoint, "config.json", &text, &n, err);

    if (ok && (!text || !w.architecture))
        ok = error_set(err, ERROR_UNSUPPORTED, "%s: models of its type are not converted", quote(name).text);
    ok = ok && json_document_parse("config.json", text, n, &document, err);
    if (ok) {
        w.json = config_member(document, "text_config") ? config_member(document, "text_config") : document;
        ok = put_all(&w, dtype, err);
    }
    cJSON_Delete(document);
    free(text);
    return ok;
}
