/* GLM-4 (Zhipu 2024), as transformers' modeling_glm4.py computes it: Llama with norms before and after each
 * half, interleaved rope on half of each head, biases of query, key and value, gate and up in one tensor. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 131072, .n_kv_heads = 2, .head_dim = 128},
                    out) ||
        !config_number_or(reader, "rms_norm_eps", 1.5625e-7, &out->norm_eps))
        return false;
    out->features = 0;
    return config_feature_or(reader, "attention_bias", true, FEATURE_QKV_BIAS, out) &&
           config_one_rope(reader, ROPE_INTERLEAVED, 10000, 0.5, out);
}

static const struct tensor_role fused_mlp[] = {
    {MATRIX(ROLE_GATE, "layers.{}.mlp.gate_up_proj.weight", DIM_FF, DIM_WIDTH), .fused = FUSED_GATE_UP},
    {MATRIX(ROLE_UP, "layers.{}.mlp.gate_up_proj.weight", DIM_FF, DIM_WIDTH), .fused = FUSED_GATE_UP},
    {MATRIX(ROLE_DOWN, "layers.{}.mlp.down_proj.weight", DIM_WIDTH, DIM_FF)},
};
const struct role_list fused_gate_mlp = ROLE_LIST(fused_mlp);

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_POST_NORM, "layers.{}.post_self_attn_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_POST_NORM, "layers.{}.post_mlp_layernorm.weight", DIM_WIDTH)},
};

static const struct role_list norms = ROLE_LIST(rows), *const tensors[] = {&llama_outer, &llama_attention,
                                                                           &norms, &fused_gate_mlp, NULL};

const struct architecture architecture_glm4 = {
    .model_type = "glm4",
    .title = "GLM-4",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
