/* Qwen 2 and 3 (Alibaba 2024, 2025), as transformers' modeling_qwen2.py and modeling_qwen3.py compute them:
 * Llama with biases of query, key and value (2), or with norms of queries and keys (3). Layers may slide,
 * from max_window_layers on or by layer_types. */
#include "architecture.h"

/* Shared with the mixtures of experts. */
bool qwen_windows(struct config_reader *reader, struct model_config *out)
{
    bool on, named, slides[CONFIG_MAX_LAYERS];
    size_t window, first;

    if (!config_bool_or(reader, "use_sliding_window", false, &on) ||
        !config_window_or(reader, "sliding_window", 4096, &window) ||
        !config_count_or(reader, "max_window_layers", CONFIG_MAX_LAYERS, 28, &first) ||
        !config_layer_types(reader, out, &named, slides))
        return false;
    for (size_t layer = 0; on && layer < out->n_layers; layer++)
        out->window[layer] = (named ? slides[layer] : layer >= first) ? window : 0;
    return true;
}

static bool read_qwen2(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 32768}, out) || !qwen_windows(reader, out))
        return false;
    out->features = FEATURE_QKV_BIAS;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct role_list *const qwen2_tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                        &llama_mlp, NULL};

const struct architecture architecture_qwen2 = {
    .model_type = "qwen2",
    .title = "Qwen 2",
    .read_config = read_qwen2,
    .tensors = qwen2_tensors,
    .prefixes = llama_prefixes,
};

static bool read_qwen3(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 32768, .head_dim = 128}, out) ||
        !qwen_windows(reader, out))
        return false;
    out->features &= ~(unsigned)FEATURE_MLP_BIAS;
    out->qk_norm = QK_NORM_HEAD;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct role_list *const qwen3_tensors[] = {&llama_outer, &llama_attention,  &llama_pre_norms,
                                                        &llama_mlp,   &llama_head_norms, NULL};

const struct architecture architecture_qwen3 = {
    .model_type = "qwen3",
    .title = "Qwen 3",
    .read_config = read_qwen3,
    .tensors = qwen3_tensors,
    .prefixes = llama_prefixes,
};
