/* Gemma 3, text (Google 2025), as transformers' modeling_gemma3.py computes it: RMS norms with weight 1 + w
 * around each half, norms of queries and keys, tanh GeGLU, local layers (sliding window, rope base of their
 * own) with a global one after every fifth, embeddings times sqrt(width). The scale is rounded to the dtype
 * that is computed in: float here, so 25.298 for a width of 640, where a BF16 run multiplies by 25.25. */
#include "architecture.h"

#include <math.h>

enum { GLOBAL_ROPE, LOCAL_ROPE };

/* rope_parameters holds one object for each kind of layer; older files have rope_theta and rope_scaling for
 * the global layers and rope_local_base_freq for the others. */
static bool read_ropes(struct config_reader *reader, struct model_config *out)
{
    const cJSON *nested = config_find(reader, "rope_parameters"), *global, *local;
    double theta, local_theta;

    global = nested ? config_member(nested, "full_attention") : config_find(reader, "rope_scaling");
    local = nested ? config_member(nested, "sliding_attention") : NULL;
    if (nested && !global && !local)
        return error_set(reader->err, ERROR_FORMAT,
                         "%s: rope_parameters has neither full_attention nor sliding_attention",
                         reader->name);
    out->rope = ROPE_HALF_SPLIT;
    out->n_ropes = 2;
    out->rotary_dim = out->head_dim;
    return config_number_or(reader, "rope_theta", 1000000, &theta) &&
           config_number_or(reader, "rope_local_base_freq", 10000, &local_theta) &&
           config_rope(reader, global, theta, out, &out->ropes[GLOBAL_ROPE]) &&
           config_rope(reader, local, local_theta, out, &out->ropes[LOCAL_ROPE]);
}

/* layer_types names each layer's kind; without it every sliding_window_pattern-th layer is global. */
static bool read_layers(struct config_reader *reader, struct model_config *out)
{
    bool named, local[CONFIG_MAX_LAYERS];
    size_t window, pattern;

    if (!config_window_or(reader, "sliding_window", 4096, &window) ||
        !config_size_or(reader, "sliding_window_pattern|_sliding_window_pattern", CONFIG_MAX_LAYERS, 6,
                        &pattern) ||
        !config_layer_types(reader, out, &named, local))
        return false;
    for (size_t layer = 0; layer < out->n_layers; layer++) {
        if (!named)
            local[layer] = (layer + 1) % pattern != 0;
        out->window[layer] = local[layer] ? window : 0;
        out->rope_of[layer] = local[layer] ? LOCAL_ROPE : GLOBAL_ROPE;
    }
    return true;
}

/* Files of vision-language models leave out what is as in the class, so the defaults are transformers'. */
static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_defaults defaults = {.width = 2304,
                                                  .n_layers = 26,
                                                  .n_heads = 8,
                                                  .vocabulary = 262208,
                                                  .context = 131072,
                                                  .n_kv_heads = 4,
                                                  .head_dim = 256,
                                                  .ff = 9216};
    static const char *const refused[] = {"attn_logit_softcapping", "final_logit_softcapping",
                                          "use_bidirectional_attention", NULL};
    double query_scalar;

    if (!config_sizes(reader, &llama_keys, &defaults, out) ||
        !config_activation(reader, "hidden_activation", "gelu_pytorch_tanh", &out->activation) ||
        !config_number_or(reader, "rms_norm_eps", 1e-6, &out->norm_eps) ||
        !config_number_or(reader, "query_pre_attn_scalar", 256, &query_scalar) ||
        !config_feature_or(reader, "attention_bias", false, FEATURE_QKV_BIAS | FEATURE_OUT_BIAS, out) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) || !config_refuse(reader, refused))
        return false;
    out->norm = NORM_RMS_PLUS_ONE;
    out->gated = true;
    out->qk_norm = QK_NORM_HEAD;
    out->attention_scale = 1 / sqrt(query_scalar);
    out->embedding_scale = sqrt((double)out->width);
    return read_ropes(reader, out) && read_layers(reader, out);
}

static const struct tensor_role norms[] = {
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.input_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_POST_NORM, "layers.{}.post_attention_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.pre_feedforward_layernorm.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_POST_NORM, "layers.{}.post_feedforward_layernorm.weight", DIM_WIDTH)},
};
const struct role_list gemma_norms = ROLE_LIST(norms);

static const struct role_list *const tensors[] = {&llama_outer, &llama_attention,  &gemma_norms,
                                                  &llama_mlp,   &llama_head_norms, NULL};

/* The last two: vision-language files. */
static const char *const prefixes[] = {"model.", "", "language_model.model.", "model.language_model.", NULL};

const struct architecture architecture_gemma3 = {
    .model_type = "gemma3_text",
    .title = "Gemma 3 (text)",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = prefixes,
};
