/* Command R (Cohere 2024), as transformers' modeling_cohere.py computes it: parallel layers with one
 * LayerNorm without bias, interleaved rope, logits times logit_scale; Command R+ has LayerNorms of queries
 * and keys whose weights differ from head to head, stored [heads, head_dim]. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    bool normed;

    if (!llama_read(reader, &(struct size_defaults){.context = 8192}, out) ||
        !config_number_or(reader, "layer_norm_eps", 1e-5, &out->norm_eps) ||
        !config_number_or(reader, "logit_scale", 0.0625, &out->logit_scale) ||
        !config_bool_or(reader, "use_qk_norm", false, &normed) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied))
        return false;
    out->norm = NORM_LAYER;
    out->qk_norm = normed ? QK_NORM_HEADS : QK_NORM_NONE;
    out->features &= ~(unsigned)FEATURE_MLP_BIAS;
    out->features |= FEATURE_PARALLEL | (normed ? FEATURE_QK_NORM : 0);
    return config_one_rope(reader, ROPE_INTERLEAVED, 500000, 0, out);
}

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_QUERY_NORM, "layers.{}.self_attn.q_norm.weight", DIM_QUERY), .by_head = true,
     .when = FEATURE_QK_NORM},
    {VECTOR(ROLE_KEY_NORM, "layers.{}.self_attn.k_norm.weight", DIM_KV), .by_head = true,
     .when = FEATURE_QK_NORM},
};

static const struct role_list norms = ROLE_LIST(rows), *const tensors[] = {&llama_outer, &llama_attention,
                                                                           &norms, &llama_mlp, NULL};

const struct architecture architecture_cohere = {
    .model_type = "cohere",
    .title = "Command R",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
