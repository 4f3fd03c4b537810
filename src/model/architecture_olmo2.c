/* OLMo 2 (AI2 2024), as transformers' modeling_olmo2.py computes it: Llama with norms after attention and MLP
 * instead of before them, and RMS norms over all queries and all keys of a token. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const char *const refused[] = {"clip_qkv", NULL};

    if (!llama_read(reader, &(struct size_defaults){.context = 2048}, out) ||
        !config_number_or(reader, "rms_norm_eps", 1e-5, &out->norm_eps) || !config_refuse(reader, refused))
        return false;
    out->features &= ~(unsigned)FEATURE_MLP_BIAS;
    out->qk_norm = QK_NORM_ROW;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct tensor_role rows[] = {
    {VECTOR(ROLE_QUERY_NORM, "layers.{}.self_attn.q_norm.weight", DIM_QUERY)},
    {VECTOR(ROLE_KEY_NORM, "layers.{}.self_attn.k_norm.weight", DIM_KV)},
    {VECTOR(ROLE_ATTENTION_POST_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_POST_NORM, "layers.{}.post_feedforward_layernorm.weight", DIM_WIDTH)},
};

static const struct role_list norms = ROLE_LIST(rows), *const tensors[] = {&llama_outer, &llama_attention,
                                                                           &norms, &llama_mlp, NULL};

const struct architecture architecture_olmo2 = {
    .model_type = "olmo2",
    .title = "OLMo 2",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
