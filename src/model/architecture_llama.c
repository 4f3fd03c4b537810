/* Llama 1 to 3 and what shares its form (SmolLM2, TinyLlama), as transformers' modeling_llama.py computes it:
 * RMS norms, grouped key/value heads, half-split rope over the whole head, SwiGLU. */
#include "architecture.h"

#include <math.h>

static bool read_rope(const char *name, const cJSON *json, struct model_config *out, struct error *err)
{
    const cJSON *parameters = config_member(json, "rope_parameters");
    double theta;

    if (!parameters)
        parameters = config_member(json, "rope_scaling");
    out->rope = ROPE_HALF_SPLIT;
    out->n_ropes = 1;
    out->rotary_dim = out->head_dim;
    return config_number_or(name, json, "rope_theta", 10000, &theta, err) &&
           config_rope(name, parameters, theta, out->context, &out->ropes[0], err);
}

static bool read_config(const char *name, const cJSON *json, struct model_config *out, struct error *err)
{
    if (!config_size(name, json, "hidden_size", CONFIG_MAX_WIDTH, &out->width, err) ||
        !config_size(name, json, "num_hidden_layers", CONFIG_MAX_LAYERS, &out->n_layers, err) ||
        !config_size(name, json, "num_attention_heads", CONFIG_MAX_HEADS, &out->n_heads, err) ||
        !config_size_or(name, json, "num_key_value_heads", CONFIG_MAX_HEADS, out->n_heads, &out->n_kv_heads,
                        err) ||
        !config_size_or(name, json, "head_dim", CONFIG_MAX_HEAD_DIM, 0, &out->head_dim, err) ||
        !config_size(name, json, "intermediate_size", CONFIG_MAX_FF, &out->ff, err) ||
        !config_size(name, json, "vocab_size", CONFIG_MAX_VOCABULARY, &out->vocabulary, err) ||
        !config_size_or(name, json, "max_position_embeddings", CONFIG_MAX_CONTEXT, 2048, &out->context,
                        err) ||
        !config_activation(name, json, "hidden_act", "silu", &out->activation, err) ||
        !config_number_or(name, json, "rms_norm_eps", 1e-6, &out->norm_eps, err) ||
        !config_bool_or(name, json, "attention_bias", false, &out->attention_bias, err) ||
        !config_bool_or(name, json, "mlp_bias", false, &out->mlp_bias, err) ||
        !config_bool_or(name, json, "tie_word_embeddings", false, &out->tied, err))
        return false;
    if (out->head_dim == 0 && out->width % out->n_heads != 0)
        return error_set(err, ERROR_FORMAT, "%s: hidden_size %zu does not divide into %zu heads", name,
                         out->width, out->n_heads);
    if (out->head_dim == 0)
        out->head_dim = out->width / out->n_heads;
    out->norm = NORM_RMS;
    out->gated = true;
    out->attention_scale = 1 / sqrt((double)out->head_dim);
    out->embedding_scale = 1;
    return read_rope(name, json, out, err);
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
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.self_attn.o_proj.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "layers.{}.self_attn.o_proj.bias", DIM_WIDTH),
     .when = WHEN_ATTENTION_BIAS},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {MATRIX(ROLE_GATE, "layers.{}.mlp.gate_proj.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_GATE_BIAS, "layers.{}.mlp.gate_proj.bias", DIM_FF), .when = WHEN_MLP_BIAS},
    {MATRIX(ROLE_UP, "layers.{}.mlp.up_proj.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "layers.{}.mlp.up_proj.bias", DIM_FF), .when = WHEN_MLP_BIAS},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.down_proj.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "layers.{}.mlp.down_proj.bias", DIM_WIDTH), .when = WHEN_MLP_BIAS},
};

static const char *const prefixes[] = {"model.", "", NULL};

const struct architecture architecture_llama = {
    .model_type = "llama",
    .title = "Llama",
    .read_config = read_config,
    .tensors = tensors,
    .n_tensors = sizeof tensors / sizeof *tensors,
    .prefixes = prefixes,
};
