/* StarCoder 2 (BigCode 2024), as transformers' modeling_starcoder2.py computes it: Llama's attention with
 * LayerNorms and biases everywhere (use_bias), an MLP without a gate, a window where the config has one. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 4096, .n_kv_heads = 2}, out) ||
        !config_activation(reader, "hidden_act", "gelu_pytorch_tanh", &out->activation) ||
        !config_number_or(reader, "norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) ||
        !config_window(reader, "sliding_window", 0, out))
        return false;
    out->norm = NORM_LAYER;
    out->gated = false;
    return config_feature_or(reader, "use_bias", true, FEATURE_QKV_BIAS | FEATURE_OUT_BIAS | FEATURE_MLP_BIAS,
                             out) &&
           config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_FINAL_NORM_BIAS, "norm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "layers.{}.input_layernorm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "layers.{}.post_attention_layernorm.bias", DIM_WIDTH)},
    {MATRIX(ROLE_UP, "layers.{}.mlp.c_fc.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "layers.{}.mlp.c_fc.bias", DIM_FF), .when = FEATURE_MLP_BIAS},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.c_proj.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "layers.{}.mlp.c_proj.bias", DIM_WIDTH), .when = FEATURE_MLP_BIAS},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&llama_outer, &llama_attention,
                                                                         &llama_pre_norms, &own, NULL};

const struct architecture architecture_starcoder2 = {
    .model_type = "starcoder2",
    .title = "StarCoder 2",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
