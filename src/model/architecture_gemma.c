/* Gemma 1 and 2 (Google 2024), as transformers' modeling_gemma.py and modeling_gemma2.py compute them: RMS
 * norms with weight 1 + w, tanh GeGLU, embeddings times sqrt(width). Gemma 2 has norms around each half,
 * every other layer with a sliding window, from the first on, and caps on scores and logits. */
#include "architecture.h"

#include <math.h>

static bool read_both(struct config_reader *reader, const struct size_defaults *defaults,
                      struct model_config *out)
{
    static const char *const refused[] = {"use_bidirectional_attention", NULL};

    if (!config_sizes(reader, &llama_keys, defaults, out) ||
        !config_number_or(reader, "rms_norm_eps", 1e-6, &out->norm_eps) ||
        !config_feature_or(reader, "attention_bias", false, FEATURE_QKV_BIAS | FEATURE_OUT_BIAS, out) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) || !config_refuse(reader, refused))
        return false;
    out->norm = NORM_RMS_PLUS_ONE;
    out->gated = true;
    out->embedding_scale = sqrt((double)out->width);
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

/* "gelu" of the first files means the tanh form. */
static bool read_gemma(struct config_reader *reader, struct model_config *out)
{
    static const struct size_defaults defaults = {.context = 8192, .n_kv_heads = 16, .head_dim = 256};

    if (!read_both(reader, &defaults, out) ||
        !config_activation(reader, "hidden_act", "gelu_pytorch_tanh", &out->activation))
        return false;
    if (out->activation == ACTIVATION_GELU)
        out->activation = ACTIVATION_GELU_TANH;
    return true;
}

static const struct role_list *const gemma_tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                        &llama_mlp, NULL};

const struct architecture architecture_gemma = {
    .model_type = "gemma",
    .title = "Gemma",
    .read_config = read_gemma,
    .tensors = gemma_tensors,
    .prefixes = llama_prefixes,
};

static bool read_gemma2(struct config_reader *reader, struct model_config *out)
{
    double query_scalar;
    bool named, slides[CONFIG_MAX_LAYERS];
    size_t window;

    if (!read_both(reader, &(struct size_defaults){.context = 8192, .n_kv_heads = 4, .head_dim = 256}, out) ||
        !config_activation(reader, "hidden_activation", "gelu_pytorch_tanh", &out->activation) ||
        !config_number_or(reader, "query_pre_attn_scalar", 256, &query_scalar) ||
        !config_cap_or(reader, "attn_logit_softcapping", 50, &out->attention_cap) ||
        !config_cap_or(reader, "final_logit_softcapping", 30, &out->logit_cap) ||
        !config_window_or(reader, "sliding_window", 4096, &window) ||
        !config_layer_types(reader, out, &named, slides))
        return false;
    out->attention_scale = 1 / sqrt(query_scalar);
    for (size_t layer = 0; layer < out->n_layers; layer++)
        out->window[layer] = (named ? slides[layer] : layer % 2 == 0) ? window : 0;
    return true;
}

static const struct role_list *const gemma2_tensors[] = {&llama_outer, &llama_attention, &gemma_norms,
                                                         &llama_mlp, NULL};

const struct architecture architecture_gemma2 = {
    .model_type = "gemma2",
    .title = "Gemma 2",
    .read_config = read_gemma2,
    .tensors = gemma2_tensors,
    .prefixes = llama_prefixes,
};
