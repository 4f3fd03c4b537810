/* Phi-1, 1.5 and 2 (Microsoft 2023), as transformers' modeling_phi.py computes them: parallel layers with one
 * LayerNorm, biases everywhere, rope on a part of each head, optionally one LayerNorm for all heads of
 * queries and one for keys. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!config_sizes(reader, &llama_keys, &(struct size_defaults){.context = 2048, .ff = 8192}, out) ||
        !config_activation(reader, "hidden_act", "gelu_new", &out->activation) ||
        !config_number_or(reader, "layer_norm_eps", 1e-5, &out->norm_eps) ||
        !config_feature_or(reader, "qk_layernorm", false, FEATURE_QK_NORM, out) ||
        !config_bool_or(reader, "tie_word_embeddings", false, &out->tied))
        return false;
    out->norm = NORM_LAYER;
    out->qk_norm = out->features & FEATURE_QK_NORM ? QK_NORM_HEAD : QK_NORM_NONE;
    out->features |= FEATURE_PARALLEL | FEATURE_QKV_BIAS | FEATURE_OUT_BIAS;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0.5, out);
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "embed_tokens.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "final_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "final_layernorm.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_HEAD_BIAS, "lm_head.bias", DIM_VOCABULARY)},
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "layers.{}.input_layernorm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "layers.{}.input_layernorm.bias", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "layers.{}.self_attn.q_proj.weight", DIM_QUERY, DIM_WIDTH)},
    {VECTOR(ROLE_QUERY_BIAS, "layers.{}.self_attn.q_proj.bias", DIM_QUERY)},
    {MATRIX(ROLE_KEY, "layers.{}.self_attn.k_proj.weight", DIM_KV, DIM_WIDTH)},
    {VECTOR(ROLE_KEY_BIAS, "layers.{}.self_attn.k_proj.bias", DIM_KV)},
    {MATRIX(ROLE_VALUE, "layers.{}.self_attn.v_proj.weight", DIM_KV, DIM_WIDTH)},
    {VECTOR(ROLE_VALUE_BIAS, "layers.{}.self_attn.v_proj.bias", DIM_KV)},
    {VECTOR(ROLE_QUERY_NORM, "layers.{}.self_attn.q_layernorm.weight", DIM_HEAD), .when = FEATURE_QK_NORM},
    {VECTOR(ROLE_QUERY_NORM_BIAS, "layers.{}.self_attn.q_layernorm.bias", DIM_HEAD), .when = FEATURE_QK_NORM},
    {VECTOR(ROLE_KEY_NORM, "layers.{}.self_attn.k_layernorm.weight", DIM_HEAD), .when = FEATURE_QK_NORM},
    {VECTOR(ROLE_KEY_NORM_BIAS, "layers.{}.self_attn.k_layernorm.bias", DIM_HEAD), .when = FEATURE_QK_NORM},
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.self_attn.dense.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "layers.{}.self_attn.dense.bias", DIM_WIDTH)},
    {MATRIX(ROLE_UP, "layers.{}.mlp.fc1.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "layers.{}.mlp.fc1.bias", DIM_FF)},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.fc2.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "layers.{}.mlp.fc2.bias", DIM_WIDTH)},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&own, NULL};

const struct architecture architecture_phi = {
    .model_type = "phi",
    .title = "Phi",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
