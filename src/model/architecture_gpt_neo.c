/* GPT-Neo (EleutherAI 2021; also TinyStories), as transformers' modeling_gpt_neo.py computes it: GPT-2's form
 * with plain linear layers, no biases of query, key and value, scores that are not scaled, and layers that
 * attention_types makes global or local. */
#include "architecture.h"

#include <string.h>

static bool bad_types(struct config_reader *reader)
{
    return error_set(reader->err, ERROR_FORMAT,
                     "%s: attention_types must list [[\"global\" or \"local\", ..], how often], for as many "
                     "layers as there are",
                     reader->name);
}

/* One [kinds, times] of attention_types, from *layer on. */
static bool read_types(struct config_reader *reader, const cJSON *kinds, const cJSON *times, size_t window,
                       size_t *layer, struct model_config *out)
{
    const cJSON *kind;

    if (!cJSON_IsArray(kinds) || cJSON_GetArraySize(kinds) == 0 || !cJSON_IsNumber(times) ||
        !(times->valuedouble >= 0 && times->valuedouble <= CONFIG_MAX_LAYERS))
        return bad_types(reader);
    for (size_t n = (size_t)times->valuedouble; n > 0; n--)
        cJSON_ArrayForEach(kind, kinds)
        {
            bool local = cJSON_IsString(kind) && strcmp(kind->valuestring, "local") == 0;

            if ((!local && !(cJSON_IsString(kind) && strcmp(kind->valuestring, "global") == 0)) ||
                *layer == out->n_layers)
                return bad_types(reader);
            out->window[(*layer)++] = local ? window : 0;
        }
    return true;
}

/* Without attention_types: global and local layers, twelve times. */
static bool read_windows(struct config_reader *reader, struct model_config *out)
{
    const cJSON *types = config_find(reader, "attention_types"), *item;
    size_t window, layer = 0;

    if (!config_size_or(reader, "window_size", CONFIG_MAX_CONTEXT, 256, &window))
        return false;
    for (; !types && layer < out->n_layers && layer < 24; layer++)
        out->window[layer] = layer % 2 ? window : 0;
    cJSON_ArrayForEach(item, types)
    {
        if (!read_types(reader, cJSON_GetArrayItem(item, 0), cJSON_GetArrayItem(item, 1), window, &layer,
                        out))
            return false;
    }
    return layer == out->n_layers || bad_types(reader);
}

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_keys keys = {
        .width = "hidden_size",
        .n_layers = "num_layers|num_hidden_layers",
        .n_heads = "num_heads|num_attention_heads",
        .ff = "intermediate_size",
        .context = "max_position_embeddings",
    };

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 2048}, out) ||
        !config_activation(reader, "activation_function", "gelu_new", &out->activation) ||
        !config_number_or(reader, "layer_norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) || !read_windows(reader, out))
        return false;
    out->norm = NORM_LAYER;
    out->attention_scale = 1;
    return true;
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "wte.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_POSITION, "wpe.weight", DIM_CONTEXT, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "ln_f.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "ln_f.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.ln_1.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.ln_1.bias", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "h.{}.attn.attention.q_proj.weight", DIM_QUERY, DIM_WIDTH)},
    {MATRIX(ROLE_KEY, "h.{}.attn.attention.k_proj.weight", DIM_KV, DIM_WIDTH)},
    {MATRIX(ROLE_VALUE, "h.{}.attn.attention.v_proj.weight", DIM_KV, DIM_WIDTH)},
    {MATRIX(ROLE_ATTENTION_OUT, "h.{}.attn.attention.out_proj.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "h.{}.attn.attention.out_proj.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "h.{}.ln_2.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.ln_2.bias", DIM_WIDTH)},
    {MATRIX(ROLE_UP, "h.{}.mlp.c_fc.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "h.{}.mlp.c_fc.bias", DIM_FF)},
    {MATRIX(ROLE_DOWN, "h.{}.mlp.c_proj.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "h.{}.mlp.c_proj.bias", DIM_WIDTH)},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&own, NULL};

const struct architecture architecture_gpt_neo = {
    .model_type = "gpt_neo",
    .title = "GPT-Neo",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = transformer_prefixes,
};
