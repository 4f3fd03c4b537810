/* The mixtures of experts of Qwen 2 and 3 (Alibaba 2024, 2025), as transformers' modeling_qwen2_moe.py and
 * modeling_qwen3_moe.py compute them. Some layers may have one plain MLP instead: those of mlp_only_layers,
 * and all but each decoder_sparse_step-th. Qwen 2 adds an expert that every token goes to, behind a sigmoid.
 */
#include "architecture.h"

static bool read_layers(struct config_reader *reader, struct model_config *out)
{
    const cJSON *plain = config_find(reader, "mlp_only_layers"), *item;
    size_t step;

    if (!config_size_or(reader, "decoder_sparse_step", CONFIG_MAX_LAYERS, 1, &step))
        return false;
    if (plain && !cJSON_IsArray(plain))
        return error_set(reader->err, ERROR_FORMAT, "%s: mlp_only_layers must be a list of layers",
                         reader->name);
    for (size_t layer = 0; layer < out->n_layers; layer++)
        out->experts.in_layer[layer] = (layer + 1) % step == 0;
    cJSON_ArrayForEach(item, plain)
    {
        if (!cJSON_IsNumber(item))
            return error_set(reader->err, ERROR_FORMAT, "%s: mlp_only_layers must be a list of layers",
                             reader->name);
        if (item->valuedouble >= 0 && item->valuedouble < (double)out->n_layers)
            out->experts.in_layer[(size_t)item->valuedouble] = false;
    }
    return true;
}

static bool read_experts(struct config_reader *reader, const struct expert_config *usual,
                         struct model_config *out)
{
    struct expert_config *e = &out->experts;

    return config_size_or(reader, "num_experts|num_local_experts", CONFIG_MAX_EXPERTS, usual->n, &e->n) &&
           config_size_or(reader, "num_experts_per_tok", CONFIG_MAX_EXPERTS, usual->used, &e->used) &&
           config_size_or(reader, "moe_intermediate_size", CONFIG_MAX_FF, usual->ff, &e->ff) &&
           config_bool_or(reader, "norm_topk_prob", false, &e->normalised) && read_layers(reader, out);
}

/* The window of layers that slide; 0 when none does. */
static bool read_window(struct config_reader *reader, size_t *out)
{
    bool on;

    if (!config_bool_or(reader, "use_sliding_window", false, &on))
        return false;
    *out = 0;
    return !on || config_size_or(reader, "sliding_window", CONFIG_MAX_CONTEXT, 4096, out);
}

/* Every other one of the first max_window_layers slides, unless layer_types says otherwise. */
static bool read_qwen2(struct config_reader *reader, struct model_config *out)
{
    static const struct expert_config usual = {.n = 60, .used = 4, .ff = 1408};
    bool named, slides[CONFIG_MAX_LAYERS];
    size_t window, most;

    if (!llama_read(reader, &(struct size_defaults){.context = 32768}, out) ||
        !config_feature_or(reader, "qkv_bias", true, FEATURE_QKV_BIAS, out) ||
        !read_experts(reader, &usual, out) || !read_window(reader, &window) ||
        !config_size_or(reader, "shared_expert_intermediate_size", CONFIG_MAX_FF, 5632,
                        &out->experts.shared_ff) ||
        !config_size_or(reader, "max_window_layers", CONFIG_MAX_LAYERS, 28, &most) ||
        !config_layer_types(reader, out, &named, slides))
        return false;
    out->features &= FEATURE_QKV_BIAS;
    for (size_t i = 0; i < out->n_layers; i++)
        out->window[i] = (named ? slides[i] : i % 2 == 0 && i < most) ? window : 0;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static bool read_qwen3(struct config_reader *reader, struct model_config *out)
{
    static const struct expert_config usual = {.n = 128, .used = 8, .ff = 768};
    size_t window;

    if (!llama_read(reader, &(struct size_defaults){.context = 32768}, out) ||
        !read_experts(reader, &usual, out) || !read_window(reader, &window))
        return false;
    out->features &= ~(unsigned)FEATURE_MLP_BIAS;
    out->qk_norm = QK_NORM_HEAD;
    for (size_t i = 0; i < out->n_layers; i++)
        out->window[i] = window;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

#define MLP "layers.{}.mlp."
#define EXPERTS .layers = LAYERS_WITH_EXPERTS
#define LIST .layers = LAYERS_WITH_EXPERTS, .items = DIM_EXPERTS
static const struct tensor_role mlp[] = {
    {MATRIX(ROLE_GATE, MLP "gate_proj.weight", DIM_FF, DIM_WIDTH), .layers = LAYERS_DENSE},
    {MATRIX(ROLE_UP, MLP "up_proj.weight", DIM_FF, DIM_WIDTH), .layers = LAYERS_DENSE},
    {MATRIX(ROLE_DOWN, MLP "down_proj.weight", DIM_WIDTH, DIM_FF), .layers = LAYERS_DENSE},
    {MATRIX(ROLE_ROUTER, MLP "gate.weight", DIM_EXPERTS, DIM_WIDTH), EXPERTS},
    {MATRIX(ROLE_GATE, MLP "experts.[].gate_proj.weight", DIM_EXPERT_FF, DIM_WIDTH), LIST},
    {MATRIX(ROLE_UP, MLP "experts.[].up_proj.weight", DIM_EXPERT_FF, DIM_WIDTH), LIST},
    {MATRIX(ROLE_DOWN, MLP "experts.[].down_proj.weight", DIM_WIDTH, DIM_EXPERT_FF), LIST},
    {MATRIX(ROLE_GATE, MLP "experts.gate_up_proj", DIM_EXPERT_FF, DIM_WIDTH), LIST, .stacked = true,
     .fused = FUSED_GATE_UP},
    {MATRIX(ROLE_UP, MLP "experts.gate_up_proj", DIM_EXPERT_FF, DIM_WIDTH), LIST, .stacked = true,
     .fused = FUSED_GATE_UP},
    {MATRIX(ROLE_DOWN, MLP "experts.down_proj", DIM_WIDTH, DIM_EXPERT_FF), LIST, .stacked = true},
};
static const struct role_list mlp_list = ROLE_LIST(mlp);

static const struct tensor_role shared[] = {
    {MATRIX(ROLE_SHARED_ROUTER, MLP "shared_expert_gate.weight", DIM_ONE, DIM_WIDTH), EXPERTS},
    {MATRIX(ROLE_SHARED_GATE, MLP "shared_expert.gate_proj.weight", DIM_SHARED_FF, DIM_WIDTH), EXPERTS},
    {MATRIX(ROLE_SHARED_UP, MLP "shared_expert.up_proj.weight", DIM_SHARED_FF, DIM_WIDTH), EXPERTS},
    {MATRIX(ROLE_SHARED_DOWN, MLP "shared_expert.down_proj.weight", DIM_WIDTH, DIM_SHARED_FF), EXPERTS},
};
static const struct role_list shared_list = ROLE_LIST(shared);

static const struct role_list *const qwen2_tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                        &mlp_list,    &shared_list,     NULL};
static const struct role_list *const qwen3_tensors[] = {&llama_outer, &llama_attention,  &llama_pre_norms,
                                                        &mlp_list,    &llama_head_norms, NULL};

const struct architecture architecture_qwen2_moe = {
    .model_type = "qwen2_moe",
    .title = "Qwen 2 with experts",
    .read_config = read_qwen2,
    .tensors = qwen2_tensors,
    .prefixes = llama_prefixes,
};

const struct architecture architecture_qwen3_moe = {
    .model_type = "qwen3_moe",
    .title = "Qwen 3 with experts",
    .read_config = read_qwen3,
    .tensors = qwen3_tensors,
    .prefixes = llama_prefixes,
};
