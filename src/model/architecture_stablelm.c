/* StableLM (Stability AI 2023), as transformers' modeling_stablelm.py computes it: Llama's names and MLP with
 * LayerNorms, rope on a quarter of each head; optionally biases of query, key and value, a LayerNorm of its
 * own for each head of queries and keys (one tensor each), and parallel layers with one norm. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 4096}, out) ||
        !config_number_or(reader, "layer_norm_eps", 1e-5, &out->norm_eps))
        return false;
    out->norm = NORM_LAYER;
    out->features = 0;
    if (!config_feature_or(reader, "use_qkv_bias", false, FEATURE_QKV_BIAS, out) ||
        !config_feature_or(reader, "qk_layernorm", false, FEATURE_QK_NORM, out) ||
        !config_feature_or(reader, "use_parallel_residual", false, FEATURE_PARALLEL, out))
        return false;
    out->qk_norm = out->features & FEATURE_QK_NORM ? QK_NORM_HEADS : QK_NORM_NONE;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0.25, out);
}

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_FINAL_NORM_BIAS, "norm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "layers.{}.input_layernorm.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH), .when = FEATURE_PARALLEL},
    {VECTOR(ROLE_MLP_NORM_BIAS, "layers.{}.input_layernorm.bias", DIM_WIDTH), .when = FEATURE_PARALLEL},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH),
     .unless = FEATURE_PARALLEL},
    {VECTOR(ROLE_MLP_NORM_BIAS, "layers.{}.post_attention_layernorm.bias", DIM_WIDTH),
     .unless = FEATURE_PARALLEL},
    {VECTOR(ROLE_QUERY_NORM, "layers.{}.self_attn.q_layernorm.norms.[].weight", DIM_HEAD), .items = DIM_HEADS,
     .when = FEATURE_QK_NORM},
    {VECTOR(ROLE_KEY_NORM, "layers.{}.self_attn.k_layernorm.norms.[].weight", DIM_HEAD),
     .items = DIM_KV_HEADS, .when = FEATURE_QK_NORM},
};

static const struct role_list norms = ROLE_LIST(rows), *const tensors[] = {&llama_outer, &llama_attention,
                                                                           &norms, &llama_mlp, NULL};

const struct architecture architecture_stablelm = {
    .model_type = "stablelm",
    .title = "StableLM",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
