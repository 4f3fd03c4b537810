/* Gemma 3, text (Google 2025), as transformers' modeling_gemma3.py computes it: RMS norms with weight 1 + w
 * around each half, norms of queries and keys, tanh GeGLU, local layers (sliding window, rope base of their
 * own) with a global one after every fifth, embeddings times sqrt(width). The scale is rounded to the dtype
 * that is computed in: float here, so 25.298 for a width of 640, where a BF16 run multiplies by 25.25. */
#include "architecture.h"

#include <math.h>
#include <string.h>

enum { GLOBAL_ROPE, LOCAL_ROPE };

/* rope_parameters holds one object for each kind of layer; older files have rope_theta and rope_scaling for
 * the global layers and rope_local_base_freq for the others. */
static bool read_ropes(const char *name, const cJSON *json, struct model_config *out, struct error *err)
{
    const cJSON *nested = config_member(json, "rope_parameters"), *global, *local;
    double theta, local_theta;

    global = nested ? config_member(nested, "full_attention") : config_member(json, "rope_scaling");
    local = nested ? config_member(nested, "sliding_attention") : NULL;
    if (nested && !global && !local)
        return error_set(err, ERROR_FORMAT,
                         "%s: rope_parameters has neither full_attention nor sliding_attention", name);
    out->rope = ROPE_HALF_SPLIT;
    out->n_ropes = 2;
    out->rotary_dim = out->head_dim;
    return config_number_or(name, json, "rope_theta", 1000000, &theta, err) &&
           config_number_or(name, json, "rope_local_base_freq", 10000, &local_theta, err) &&
           config_rope(name, global, theta, out->context, &out->ropes[GLOBAL_ROPE], err) &&
           config_rope(name, local, local_theta, out->context, &out->ropes[LOCAL_ROPE], err);
}

static void set_layer(struct model_config *out, size_t layer, bool local, size_t window)
{
    out->window[layer] = local ? window : 0;
    out->rope_of[layer] = local ? LOCAL_ROPE : GLOBAL_ROPE;
}

/* layer_types names each layer's kind; without it every sliding_window_pattern-th layer is global. */
static bool read_layers(const char *name, const cJSON *json, struct model_config *out, struct error *err)
{
    const cJSON *types = config_member(json, "layer_types"), *type;
    size_t window, pattern, layer = 0;

    if (!config_size_or(name, json, "sliding_window", CONFIG_MAX_CONTEXT, 4096, &window, err) ||
        !config_size_or(name, json, "sliding_window_pattern", CONFIG_MAX_LAYERS, 6, &pattern, err))
        return false;
    if (!types) {
        for (; layer < out->n_layers; layer++)
            set_layer(out, layer, (layer + 1) % pattern != 0, window);
        return true;
    }
    if (!cJSON_IsArray(types) || (size_t)cJSON_GetArraySize(types) != out->n_layers)
        return error_set(err, ERROR_FORMAT, "%s: layer_types must name the kind of each of the %zu layers",
                         name, out->n_layers);
    cJSON_ArrayForEach(type, types)
    {
        bool local = cJSON_IsString(type) && strcmp(type->valuestring, "sliding_attention") == 0;

        if (!local && !(cJSON_IsString(type) && strcmp(type->valuestring, "full_attention") == 0))
            return error_set(
                err, ERROR_UNSUPPORTED,
                "%s: layer_types knows sliding_attention and full_attention only, which layer %zu is not",
                name, layer);
        set_layer(out, layer++, local, window);
    }
    return true;
}

/* Files of vision-language models leave out what is as in the class, so the defaults are transformers'. */
static bool read_config(const char *name, const cJSON *json, struct model_config *out, struct error *err)
{
    static const char *const refused[] = {"attn_logit_softcapping", "final_logit_softcapping",
                                          "use_bidirectional_attention", NULL};
    double query_scalar;

    if (!config_size_or(name, json, "hidden_size", CONFIG_MAX_WIDTH, 2304, &out->width, err) ||
        !config_size_or(name, json, "num_hidden_layers", CONFIG_MAX_LAYERS, 26, &out->n_layers, err) ||
        !config_size_or(name, json, "num_attention_heads", CONFIG_MAX_HEADS, 8, &out->n_heads, err) ||
        !config_size_or(name, json, "num_key_value_heads", CONFIG_MAX_HEADS, 4, &out->n_kv_heads, err) ||
        !config_size_or(name, json, "head_dim", CONFIG_MAX_HEAD_DIM, 256, &out->head_dim, err) ||
        !config_size_or(name, json, "intermediate_size", CONFIG_MAX_FF, 9216, &out->ff, err) ||
        !config_size_or(name, json, "vocab_size", CONFIG_MAX_VOCABULARY, 262208, &out->vocabulary, err) ||
        !config_size_or(name, json, "max_position_embeddings", CONFIG_MAX_CONTEXT, 131072, &out->context,
                        err) ||
        !config_activation(name, json, "hidden_activation", "gelu_pytorch_tanh", &out->activation, err) ||
        !config_number_or(name, json, "rms_norm_eps", 1e-6, &out->norm_eps, err) ||
        !config_number_or(name, json, "query_pre_attn_scalar", 256, &query_scalar, err) ||
        !config_bool_or(name, json, "attention_bias", false, &out->attention_bias, err) ||
        !config_bool_or(name, json, "tie_word_embeddings", true, &out->tied, err) ||
        !config_refuse(name, json, refused, err))
        return false;
    out->norm = NORM_RMS_PLUS_ONE;
    out->gated = out->qk_norm = out->post_norms = true;
    out->attention_scale = 1 / sqrt(query_scalar);
    out->embedding_scale = sqrt((double)out->width);
    return read_ropes(name, json, out, err) && read_layers(name, json, out, err);
}

static const struct tensor_role tensors[] = {
    {MATRIX(ROLE_EMBEDDING, "embed_tokens.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "norm.weight", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH), .when = WHEN_UNTIED},
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "layers.{}.self_attn.q_proj.weight", DIM_QUERY, DIM_WIDTH)},
    {MATRIX(ROLE_KEY, "layers.{}.self_attn.k_proj.weight", DIM_KV, DIM_WIDTH)},
    {MATRIX(ROLE_VALUE, "layers.{}.self_attn.v_proj.weight", DIM_KV, DIM_WIDTH)},
    {VECTOR(ROLE_QUERY_BIAS, "layers.{}.self_attn.q_proj.bias", DIM_QUERY), .when = WHEN_ATTENTION_BIAS},
    {VECTOR(ROLE_KEY_BIAS, "layers.{}.self_attn.k_proj.bias", DIM_KV), .when = WHEN_ATTENTION_BIAS},
    {VECTOR(ROLE_VALUE_BIAS, "layers.{}.self_attn.v_proj.bias", DIM_KV), .when = WHEN_ATTENTION_BIAS},
    {VECTOR(ROLE_QUERY_NORM, "layers.{}.self_attn.q_norm.weight", DIM_HEAD)},
    {VECTOR(ROLE_KEY_NORM, "layers.{}.self_attn.k_norm.weight", DIM_HEAD)},
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.self_attn.o_proj.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "layers.{}.self_attn.o_proj.bias", DIM_WIDTH),
     .when = WHEN_ATTENTION_BIAS},
    {VECTOR(ROLE_ATTENTION_POST_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.pre_feedforward_layernorm.weight", DIM_WIDTH)},
    {MATRIX(ROLE_GATE, "layers.{}.mlp.gate_proj.weight", DIM_FF, DIM_WIDTH)},
    {MATRIX(ROLE_UP, "layers.{}.mlp.up_proj.weight", DIM_FF, DIM_WIDTH)},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.down_proj.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_MLP_POST_NORM, "layers.{}.post_feedforward_layernorm.weight", DIM_WIDTH)},
};

/* The last two: vision-language files. */
static const char *const prefixes[] = {"model.", "", "language_model.model.", "model.language_model.", NULL};

const struct architecture architecture_gemma3 = {
    .model_type = "gemma3_text",
    .title = "Gemma 3 (text)",
    .read_config = read_config,
    .tensors = tensors,
    .n_tensors = sizeof tensors / sizeof *tensors,
    .prefixes = prefixes,
};
