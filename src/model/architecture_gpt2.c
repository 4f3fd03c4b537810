/* GPT-2 (Radford et al. 2019), as transformers' modeling_gpt2.py computes it: LayerNorm before each half,
 * learned positions, biases everywhere, tanh GELU, one fused query/key/value matrix. Linear layers are
 * Conv1D: stored [in, out]. The hub's original files have no "transformer." in front of the names. */
#include "architecture.h"

#include <math.h>

static bool read_config(const char *name, const cJSON *json, struct model_config *out, struct error *err)
{
    static const char *const refused[] = {"add_cross_attention", NULL};
    bool scaled;

    if (!config_size(name, json, "n_embd", CONFIG_MAX_WIDTH, &out->width, err) ||
        !config_size(name, json, "n_layer", CONFIG_MAX_LAYERS, &out->n_layers, err) ||
        !config_size(name, json, "n_head", CONFIG_MAX_HEADS, &out->n_heads, err) ||
        !config_size(name, json, "vocab_size", CONFIG_MAX_VOCABULARY, &out->vocabulary, err) ||
        !config_size_or(name, json, "n_positions", CONFIG_MAX_CONTEXT, 1024, &out->context, err) ||
        !config_size_or(name, json, "n_inner", CONFIG_MAX_FF, 4 * out->width, &out->ff, err) ||
        !config_activation(name, json, "activation_function", "gelu_new", &out->activation, err) ||
        !config_number_or(name, json, "layer_norm_epsilon", 1e-5, &out->norm_eps, err) ||
        !config_bool_or(name, json, "scale_attn_weights", true, &scaled, err) ||
        !config_bool_or(name, json, "scale_attn_by_inverse_layer_idx", false, &out->scale_by_layer, err) ||
        !config_bool_or(name, json, "tie_word_embeddings", true, &out->tied, err) ||
        !config_refuse(name, json, refused, err))
        return false;
    if (out->width % out->n_heads != 0)
        return error_set(err, ERROR_FORMAT, "%s: n_embd %zu does not divide into %zu heads", name, out->width,
                         out->n_heads);
    out->head_dim = out->width / out->n_heads;
    out->n_kv_heads = out->n_heads;
    out->norm = NORM_LAYER;
    out->attention_bias = out->mlp_bias = true;
    out->attention_scale = scaled ? 1 / sqrt((double)out->head_dim) : 1;
    out->embedding_scale = 1;
    return true;
}

static const struct tensor_role tensors[] = {
    {MATRIX(ROLE_EMBEDDING, "wte.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_POSITION, "wpe.weight", DIM_CONTEXT, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "ln_f.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "ln_f.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH), .when = WHEN_UNTIED},
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.ln_1.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.ln_1.bias", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "h.{}.attn.c_attn.weight", DIM_QUERY, DIM_WIDTH), .stored = DIM_QKV, .slice = 0,
     .transposed = true},
    {VECTOR(ROLE_QUERY_BIAS, "h.{}.attn.c_attn.bias", DIM_QUERY), .stored = DIM_QKV, .slice = 0},
    {MATRIX(ROLE_KEY, "h.{}.attn.c_attn.weight", DIM_KV, DIM_WIDTH), .stored = DIM_QKV, .slice = 1,
     .transposed = true},
    {VECTOR(ROLE_KEY_BIAS, "h.{}.attn.c_attn.bias", DIM_KV), .stored = DIM_QKV, .slice = 1},
    {MATRIX(ROLE_VALUE, "h.{}.attn.c_attn.weight", DIM_KV, DIM_WIDTH), .stored = DIM_QKV, .slice = 2,
     .transposed = true},
    {VECTOR(ROLE_VALUE_BIAS, "h.{}.attn.c_attn.bias", DIM_KV), .stored = DIM_QKV, .slice = 2},
    {MATRIX(ROLE_ATTENTION_OUT, "h.{}.attn.c_proj.weight", DIM_WIDTH, DIM_QUERY), .transposed = true},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "h.{}.attn.c_proj.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "h.{}.ln_2.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.ln_2.bias", DIM_WIDTH)},
    {MATRIX(ROLE_UP, "h.{}.mlp.c_fc.weight", DIM_FF, DIM_WIDTH), .transposed = true},
    {VECTOR(ROLE_UP_BIAS, "h.{}.mlp.c_fc.bias", DIM_FF)},
    {MATRIX(ROLE_DOWN, "h.{}.mlp.c_proj.weight", DIM_WIDTH, DIM_FF), .transposed = true},
    {VECTOR(ROLE_DOWN_BIAS, "h.{}.mlp.c_proj.bias", DIM_WIDTH)},
};

static const char *const prefixes[] = {"transformer.", "", NULL};

const struct architecture architecture_gpt2 = {
    .model_type = "gpt2",
    .title = "GPT-2",
    .read_config = read_config,
    .tensors = tensors,
    .n_tensors = sizeof tensors / sizeof *tensors,
    .prefixes = prefixes,
};
