/* Llama 1 to 3 and what shares its form (SmolLM2, TinyLlama), as transformers' modeling_llama.py computes it:
 * RMS norms, grouped key/value heads, half-split rope over the whole head, SwiGLU. */
#include "architecture.h"

const struct size_keys llama_keys = {
    .width = "hidden_size",
    .n_layers = "num_hidden_layers",
    .n_heads = "num_attention_heads",
    .n_kv_heads = "num_key_value_heads",
    .head_dim = "head_dim",
    .ff = "intermediate_size",
    .context = "max_position_embeddings",
};

bool llama_read(struct config_reader *reader, const struct size_defaults *defaults, struct model_config *out)
{
    out->norm = NORM_RMS;
    out->gated = true;
    return config_sizes(reader, &llama_keys, defaults, out) &&
           config_activation(reader, "hidden_act", "silu", &out->activation) &&
           config_number_or(reader, "rms_norm_eps", 1e-6, &out->norm_eps) &&
           config_feature_or(reader, "attention_bias", false, FEATURE_QKV_BIAS | FEATURE_OUT_BIAS, out) &&
           config_feature_or(reader, "mlp_bias", false, FEATURE_MLP_BIAS, out) &&
           config_bool_or(reader, "tie_word_embeddings", false, &out->tied);
}

static const struct tensor_role outer[] = {
    {MATRIX(ROLE_EMBEDDING, "embed_tokens.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "norm.weight", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
};
const struct role_list llama_outer = ROLE_LIST(outer);

static const struct tensor_role attention[] = {
    {MATRIX(ROLE_QUERY, "layers.{}.self_attn.q_proj.weight", DIM_QUERY, DIM_WIDTH)},
    {MATRIX(ROLE_KEY, "layers.{}.self_attn.k_proj.weight", DIM_KV, DIM_WIDTH)},
    {MATRIX(ROLE_VALUE, "layers.{}.self_attn.v_proj.weight", DIM_KV, DIM_WIDTH)},
    {VECTOR(ROLE_QUERY_BIAS, "layers.{}.self_attn.q_proj.bias", DIM_QUERY), .when = FEATURE_QKV_BIAS},
    {VECTOR(ROLE_KEY_BIAS, "layers.{}.self_attn.k_proj.bias", DIM_KV), .when = FEATURE_QKV_BIAS},
    {VECTOR(ROLE_VALUE_BIAS, "layers.{}.self_attn.v_proj.bias", DIM_KV), .when = FEATURE_QKV_BIAS},
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.self_attn.o_proj.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "layers.{}.self_attn.o_proj.bias", DIM_WIDTH), .when = FEATURE_OUT_BIAS},
};
const struct role_list llama_attention = ROLE_LIST(attention);

static const struct tensor_role pre_norms[] = {
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
};
const struct role_list llama_pre_norms = ROLE_LIST(pre_norms);

static const struct tensor_role mlp[] = {
    {MATRIX(ROLE_GATE, "layers.{}.mlp.gate_proj.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_GATE_BIAS, "layers.{}.mlp.gate_proj.bias", DIM_FF), .when = FEATURE_MLP_BIAS},
    {MATRIX(ROLE_UP, "layers.{}.mlp.up_proj.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "layers.{}.mlp.up_proj.bias", DIM_FF), .when = FEATURE_MLP_BIAS},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.down_proj.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "layers.{}.mlp.down_proj.bias", DIM_WIDTH), .when = FEATURE_MLP_BIAS},
};
const struct role_list llama_mlp = ROLE_LIST(mlp);

static const struct tensor_role head_norms[] = {
    {VECTOR(ROLE_QUERY_NORM, "layers.{}.self_attn.q_norm.weight", DIM_HEAD)},
    {VECTOR(ROLE_KEY_NORM, "layers.{}.self_attn.k_norm.weight", DIM_HEAD)},
};
const struct role_list llama_head_norms = ROLE_LIST(head_norms);

const char *const llama_prefixes[] = {"model.", "", NULL};

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    return llama_read(reader, &(struct size_defaults){.context = 2048}, out) &&
           config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct role_list *const tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                  &llama_mlp, NULL};

const struct architecture architecture_llama = {
    .model_type = "llama",
    .title = "Llama",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
