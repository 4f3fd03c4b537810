/* GPT-2 (Radford et al. 2019), as transformers' modeling_gpt2.py computes it: LayerNorm before each half,
 * learned positions, biases everywhere, tanh GELU, one fused query/key/value matrix. Linear layers are
 * Conv1D: stored [in, out]. The hub's original files have no "transformer." in front of the names. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_keys keys = {
        .width = "n_embd|hidden_size",
        .n_layers = "n_layer|num_hidden_layers",
        .n_heads = "n_head|num_attention_heads",
        .ff = "n_inner",
        .context = "n_positions|max_position_embeddings",
    };
    static const char *const refused[] = {"add_cross_attention", NULL};
    bool scaled;

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 1024}, out) ||
        !config_activation(reader, "activation_function", "gelu_new", &out->activation) ||
        !config_number_or(reader, "layer_norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_bool_or(reader, "scale_attn_weights", true, &scaled) ||
        !config_bool_or(reader, "scale_attn_by_inverse_layer_idx", false, &out->scale_by_layer) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) || !config_refuse(reader, refused))
        return false;
    out->norm = NORM_LAYER;
    if (!scaled)
        out->attention_scale = 1;
    return true;
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "wte.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_POSITION, "wpe.weight", DIM_CONTEXT, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "ln_f.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "ln_f.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.ln_1.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.ln_1.bias", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "h.{}.attn.c_attn.weight", DIM_QUERY, DIM_WIDTH), .fused = FUSED_QKV,
     .transposed = true},
    {VECTOR(ROLE_QUERY_BIAS, "h.{}.attn.c_attn.bias", DIM_QUERY), .fused = FUSED_QKV},
    {MATRIX(ROLE_KEY, "h.{}.attn.c_attn.weight", DIM_KV, DIM_WIDTH), .fused = FUSED_QKV, .transposed = true},
    {VECTOR(ROLE_KEY_BIAS, "h.{}.attn.c_attn.bias", DIM_KV), .fused = FUSED_QKV},
    {MATRIX(ROLE_VALUE, "h.{}.attn.c_attn.weight", DIM_KV, DIM_WIDTH), .fused = FUSED_QKV,
     .transposed = true},
    {VECTOR(ROLE_VALUE_BIAS, "h.{}.attn.c_attn.bias", DIM_KV), .fused = FUSED_QKV},
    {MATRIX(ROLE_ATTENTION_OUT, "h.{}.attn.c_proj.weight", DIM_WIDTH, DIM_QUERY), .transposed = true},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "h.{}.attn.c_proj.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "h.{}.ln_2.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.ln_2.bias", DIM_WIDTH)},
    {MATRIX(ROLE_UP, "h.{}.mlp.c_fc.weight", DIM_FF, DIM_WIDTH), .transposed = true},
    {VECTOR(ROLE_UP_BIAS, "h.{}.mlp.c_fc.bias", DIM_FF)},
    {MATRIX(ROLE_DOWN, "h.{}.mlp.c_proj.weight", DIM_WIDTH, DIM_FF), .transposed = true},
    {VECTOR(ROLE_DOWN_BIAS, "h.{}.mlp.c_proj.bias", DIM_WIDTH)},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&own, NULL};
const char *const transformer_prefixes[] = {"transformer.", "", NULL};

const struct architecture architecture_gpt2 = {
    .model_type = "gpt2",
    .title = "GPT-2",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = transformer_prefixes,
};
