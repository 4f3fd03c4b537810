/* GPT-NeoX and Pythia (EleutherAI 2022, 2023), as transformers' modeling_gpt_neox.py computes them:
 * LayerNorms of their own for attention and MLP, which are parallel unless the config says otherwise, query,
 * key and value of each head together in one tensor, half-split rope on a quarter of each head. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_keys keys = {
        .width = "hidden_size",
        .n_layers = "num_hidden_layers",
        .n_heads = "num_attention_heads",
        .ff = "intermediate_size",
        .context = "max_position_embeddings",
    };
    double theta, partial;

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 2048, .ff = 24576}, out) ||
        !config_activation(reader, "hidden_act", "gelu", &out->activation) ||
        !config_number_or(reader, "layer_norm_eps", 1e-5, &out->norm_eps) ||
        !config_feature_or(reader, "use_parallel_residual", true, FEATURE_PARALLEL, out) ||
        !config_feature_or(reader, "attention_bias", true, FEATURE_QKV_BIAS | FEATURE_OUT_BIAS, out) ||
        !config_bool_or(reader, "tie_word_embeddings", false, &out->tied) ||
        !config_number_or(reader, "rotary_emb_base", 10000, &theta) ||
        !config_number_or(reader, "rotary_pct", 0.25, &partial))
        return false;
    out->norm = NORM_LAYER;
    return config_one_rope(reader, ROPE_HALF_SPLIT, theta, partial, out);
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "embed_in.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "final_layer_norm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "final_layer_norm.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "embed_out.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "layers.{}.input_layernorm.bias", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "layers.{}.attention.query_key_value.weight", DIM_QUERY, DIM_WIDTH),
     .fused = FUSED_QKV_HEAD},
    {MATRIX(ROLE_KEY, "layers.{}.attention.query_key_value.weight", DIM_KV, DIM_WIDTH),
     .fused = FUSED_QKV_HEAD},
    {MATRIX(ROLE_VALUE, "layers.{}.attention.query_key_value.weight", DIM_KV, DIM_WIDTH),
     .fused = FUSED_QKV_HEAD},
    {VECTOR(ROLE_QUERY_BIAS, "layers.{}.attention.query_key_value.bias", DIM_QUERY), .fused = FUSED_QKV_HEAD,
     .when = FEATURE_QKV_BIAS},
    {VECTOR(ROLE_KEY_BIAS, "layers.{}.attention.query_key_value.bias", DIM_KV), .fused = FUSED_QKV_HEAD,
     .when = FEATURE_QKV_BIAS},
    {VECTOR(ROLE_VALUE_BIAS, "layers.{}.attention.query_key_value.bias", DIM_KV), .fused = FUSED_QKV_HEAD,
     .when = FEATURE_QKV_BIAS},
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.attention.dense.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "layers.{}.attention.dense.bias", DIM_WIDTH), .when = FEATURE_OUT_BIAS},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "layers.{}.post_attention_layernorm.bias", DIM_WIDTH)},
    {MATRIX(ROLE_UP, "layers.{}.mlp.dense_h_to_4h.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "layers.{}.mlp.dense_h_to_4h.bias", DIM_FF)},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.dense_4h_to_h.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "layers.{}.mlp.dense_4h_to_h.bias", DIM_WIDTH)},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&own, NULL};
static const char *const prefixes[] = {"gpt_neox.", "", NULL};

const struct architecture architecture_gpt_neox = {
    .model_type = "gpt_neox",
    .title = "GPT-NeoX",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = prefixes,
};
