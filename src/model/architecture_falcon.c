/* Falcon (TII 2023), as transformers' modeling_falcon.py computes it. Query, key and value lie together for
 * each key/value head: one for all heads (multi_query, 7B), some (new_decoder_architecture, 40B and on), or
 * as many as heads (RW). Layers are parallel, with a norm each for attention and MLP or one for both, but for
 * RW, which has ALiBi: added to the scores before they are scaled, and rounded to BF16. */
#include "architecture.h"

static bool read_form(struct config_reader *reader, struct model_config *out)
{
    bool newer, multi_query, parallel;
    size_t norms, kv_heads;

    if (!config_bool_or(reader, "new_decoder_architecture", false, &newer) ||
        !config_bool_or(reader, "multi_query", true, &multi_query) ||
        !config_bool_or(reader, "parallel_attn", true, &parallel) ||
        !config_size_or(reader, "num_kv_heads|n_head_kv", CONFIG_MAX_HEADS, out->n_heads, &kv_heads) ||
        !config_size_or(reader, "num_ln_in_parallel_attn", 2, 2, &norms))
        return false;
    if (newer && !parallel)
        return error_set(reader->err, ERROR_UNSUPPORTED,
                         "%s: new_decoder_architecture without parallel_attn is no form of Falcon",
                         reader->name);
    out->n_kv_heads = newer ? kv_heads : multi_query ? 1 : out->n_heads;
    out->features |= (parallel ? FEATURE_PARALLEL : 0) | (newer && norms == 2 ? FEATURE_TWO_NORMS : 0);
    return true;
}

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_keys keys = {
        .width = "hidden_size|n_embed",
        .n_layers = "num_hidden_layers|n_layer",
        .n_heads = "num_attention_heads|n_head",
        .ff = "ffn_hidden_size",
        .context = "max_position_embeddings",
    };
    bool alibi;

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 2048}, out) ||
        !config_activation(reader, "activation", "gelu", &out->activation) ||
        !config_number_or(reader, "layer_norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_feature_or(reader, "bias", false, FEATURE_QKV_BIAS | FEATURE_OUT_BIAS | FEATURE_MLP_BIAS,
                           out) ||
        !config_bool_or(reader, "alibi", false, &alibi) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) || !read_form(reader, out))
        return false;
    out->norm = NORM_LAYER;
    if (!alibi)
        return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
    out->alibi = ALIBI_BF16;
    out->alibi_scale = out->attention_scale;
    return true;
}

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.ln_attn.weight", DIM_WIDTH), .when = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.ln_attn.bias", DIM_WIDTH), .when = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_MLP_NORM, "h.{}.ln_mlp.weight", DIM_WIDTH), .when = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.ln_mlp.bias", DIM_WIDTH), .when = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.input_layernorm.weight", DIM_WIDTH), .unless = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.input_layernorm.bias", DIM_WIDTH), .unless = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_MLP_NORM, "h.{}.input_layernorm.weight", DIM_WIDTH), .when = FEATURE_PARALLEL,
     .unless = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.input_layernorm.bias", DIM_WIDTH), .when = FEATURE_PARALLEL,
     .unless = FEATURE_TWO_NORMS},
    {VECTOR(ROLE_MLP_NORM, "h.{}.post_attention_layernorm.weight", DIM_WIDTH), .unless = FEATURE_PARALLEL},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.post_attention_layernorm.bias", DIM_WIDTH), .unless = FEATURE_PARALLEL},
};

static const struct role_list norms = ROLE_LIST(rows), *const tensors[] = {&bloom_body, &norms, NULL};

const struct architecture architecture_falcon = {
    .model_type = "falcon",
    .title = "Falcon",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = transformer_prefixes,
};
