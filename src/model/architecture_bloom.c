/* BLOOM (BigScience 2022), as transformers' modeling_bloom.py computes it: GPT-2's form with a LayerNorm of
 * the embeddings and ALiBi, which is added to the scaled scores as it is, in place of positions; query, key
 * and value of each head together in one tensor. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_keys keys = {
        .width = "hidden_size|n_embed",
        .n_layers = "n_layer|num_hidden_layers",
        .n_heads = "n_head|num_attention_heads",
        .context = "seq_length",
    };
    static const char *const refused[] = {"apply_residual_connection_post_layernorm", NULL};

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 2048}, out) ||
        !config_number_or(reader, "layer_norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) || !config_refuse(reader, refused))
        return false;
    out->norm = NORM_LAYER;
    out->activation = ACTIVATION_GELU_TANH;
    out->alibi = ALIBI_PLAIN;
    out->features = FEATURE_QKV_BIAS | FEATURE_OUT_BIAS | FEATURE_MLP_BIAS;
    return true;
}

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_EMBEDDING_NORM, "word_embeddings_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_EMBEDDING_NORM_BIAS, "word_embeddings_layernorm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.input_layernorm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "h.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.post_attention_layernorm.bias", DIM_WIDTH)},
};
static const struct role_list norms = ROLE_LIST(rows), *const tensors[] = {&bloom_body, &norms, NULL};

const struct architecture architecture_bloom = {
    .model_type = "bloom",
    .title = "BLOOM",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = transformer_prefixes,
};

/* ---- shared with Falcon ---- */

static const struct tensor_role body[] = {
    {MATRIX(ROLE_EMBEDDING, "word_embeddings.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "ln_f.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "ln_f.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "h.{}.self_attention.query_key_value.weight", DIM_QUERY, DIM_WIDTH),
     .fused = FUSED_QKV_HEAD},
    {MATRIX(ROLE_KEY, "h.{}.self_attention.query_key_value.weight", DIM_KV, DIM_WIDTH),
     .fused = FUSED_QKV_HEAD},
    {MATRIX(ROLE_VALUE, "h.{}.self_attention.query_key_value.weight", DIM_KV, DIM_WIDTH),
     .fused = FUSED_QKV_HEAD},
    {VECTOR(ROLE_QUERY_BIAS, "h.{}.self_attention.query_key_value.bias", DIM_QUERY), .fused = FUSED_QKV_HEAD,
     .when = FEATURE_QKV_BIAS},
    {VECTOR(ROLE_KEY_BIAS, "h.{}.self_attention.query_key_value.bias", DIM_KV), .fused = FUSED_QKV_HEAD,
     .when = FEATURE_QKV_BIAS},
    {VECTOR(ROLE_VALUE_BIAS, "h.{}.self_attention.query_key_value.bias", DIM_KV), .fused = FUSED_QKV_HEAD,
     .when = FEATURE_QKV_BIAS},
    {MATRIX(ROLE_ATTENTION_OUT, "h.{}.self_attention.dense.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "h.{}.self_attention.dense.bias", DIM_WIDTH), .when = FEATURE_OUT_BIAS},
    {MATRIX(ROLE_UP, "h.{}.mlp.dense_h_to_4h.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "h.{}.mlp.dense_h_to_4h.bias", DIM_FF), .when = FEATURE_MLP_BIAS},
    {MATRIX(ROLE_DOWN, "h.{}.mlp.dense_4h_to_h.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "h.{}.mlp.dense_4h_to_h.bias", DIM_WIDTH), .when = FEATURE_MLP_BIAS},
};
const struct role_list bloom_body = ROLE_LIST(body);
