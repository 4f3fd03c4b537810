/* Mixtral (Mistral AI 2023), as transformers' modeling_mixtral.py computes it: Mistral with eight experts in
 * place of each MLP, of which a token uses the two best; their weights add up to 1. Files hold each expert
 * apart, or all of them stacked, with gate and up in one. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 131072, .n_kv_heads = 8}, out) ||
        !config_size_or(reader, "num_local_experts|num_experts", CONFIG_MAX_EXPERTS, 8, &out->experts.n) ||
        !config_size_or(reader, "num_experts_per_tok", CONFIG_MAX_EXPERTS, 2, &out->experts.used) ||
        !config_number_or(reader, "rms_norm_eps", 1e-5, &out->norm_eps))
        return false;
    out->features = 0;
    out->experts.ff = out->ff;
    out->experts.normalised = true;
    for (size_t i = 0; i < out->n_layers; i++)
        out->experts.in_layer[i] = true;
    return config_window(reader, "sliding_window", 0, out) &&
           config_one_rope(reader, ROPE_HALF_SPLIT, 1000000, 0, out);
}

#define BLOCK "layers.{}.block_sparse_moe."
#define STACK "layers.{}.mlp."
static const struct tensor_role experts[] = {
    {MATRIX(ROLE_ROUTER, BLOCK "gate.weight", DIM_EXPERTS, DIM_WIDTH)},
    {MATRIX(ROLE_GATE, BLOCK "experts.[].w1.weight", DIM_EXPERT_FF, DIM_WIDTH), .items = DIM_EXPERTS},
    {MATRIX(ROLE_UP, BLOCK "experts.[].w3.weight", DIM_EXPERT_FF, DIM_WIDTH), .items = DIM_EXPERTS},
    {MATRIX(ROLE_DOWN, BLOCK "experts.[].w2.weight", DIM_WIDTH, DIM_EXPERT_FF), .items = DIM_EXPERTS},
    {MATRIX(ROLE_ROUTER, STACK "gate.weight", DIM_EXPERTS, DIM_WIDTH)},
    {MATRIX(ROLE_GATE, STACK "experts.gate_up_proj", DIM_EXPERT_FF, DIM_WIDTH), .items = DIM_EXPERTS,
     .stacked = true, .fused = FUSED_GATE_UP},
    {MATRIX(ROLE_UP, STACK "experts.gate_up_proj", DIM_EXPERT_FF, DIM_WIDTH), .items = DIM_EXPERTS,
     .stacked = true, .fused = FUSED_GATE_UP},
    {MATRIX(ROLE_DOWN, STACK "experts.down_proj", DIM_WIDTH, DIM_EXPERT_FF), .items = DIM_EXPERTS,
     .stacked = true},
};
static const struct role_list expert_list = ROLE_LIST(experts);

static const struct role_list *const tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                  &expert_list, NULL};

const struct architecture architecture_mixtral = {
    .model_type = "mixtral",
    .title = "Mixtral",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
