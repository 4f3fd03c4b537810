/* OPT (Meta 2022), as transformers' modeling_opt.py computes it: GPT-2's form with ReLU and plain linear
 * layers; the table of positions begins at 2. OPT-350m norms the stream after each add instead, has no final
 * norm, and projects narrower embeddings. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    static const struct size_keys keys = {
        .width = "hidden_size",
        .n_layers = "num_hidden_layers",
        .n_heads = "num_attention_heads",
        .ff = "ffn_dim",
        .context = "max_position_embeddings",
    };
    bool before, affine, bare;

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 2048, .ff = 3072}, out) ||
        !config_activation(reader, "activation_function", "relu", &out->activation) ||
        !config_bool_or(reader, "do_layer_norm_before", true, &before) ||
        !config_bool_or(reader, "_remove_final_layer_norm", false, &bare) ||
        !config_bool_or(reader, "layer_norm_elementwise_affine", true, &affine) ||
        !config_feature_or(reader, "enable_bias", true,
                           FEATURE_QKV_BIAS | FEATURE_OUT_BIAS | FEATURE_MLP_BIAS, out) ||
        !config_size_or(reader, "word_embed_proj_dim", CONFIG_MAX_WIDTH, out->width, &out->embedding_width) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied))
        return false;
    if (!affine)
        return error_set(reader->err, ERROR_UNSUPPORTED,
                         "%s: layer_norm_elementwise_affine is false, and norms without weights are not "
                         "computed by lancet",
                         reader->name);
    out->norm = NORM_LAYER;
    out->norm_eps = 1e-5;
    out->features |= (before ? 0 : FEATURE_NORM_AFTER) | (before && !bare ? FEATURE_FINAL_NORM : 0) |
                     (out->embedding_width != out->width ? FEATURE_PROJECTED : 0);
    return true;
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "embed_tokens.weight", DIM_VOCABULARY, DIM_EMBEDDING)},
    {MATRIX(ROLE_POSITION, "embed_positions.weight", DIM_CONTEXT, DIM_WIDTH), .skip = 2},
    {MATRIX(ROLE_EMBEDDING_IN, "project_in.weight", DIM_WIDTH, DIM_EMBEDDING), .when = FEATURE_PROJECTED},
    {VECTOR(ROLE_FINAL_NORM, "final_layer_norm.weight", DIM_WIDTH), .when = FEATURE_FINAL_NORM},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "final_layer_norm.bias", DIM_WIDTH), .when = FEATURE_FINAL_NORM},
    {MATRIX(ROLE_HEAD_IN, "project_out.weight", DIM_EMBEDDING, DIM_WIDTH), .when = FEATURE_PROJECTED},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_EMBEDDING)},
    {VECTOR(ROLE_ATTENTION_NORM, "layers.{}.self_attn_layer_norm.weight", DIM_WIDTH),
     .unless = FEATURE_NORM_AFTER},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "layers.{}.self_attn_layer_norm.bias", DIM_WIDTH),
     .unless = FEATURE_NORM_AFTER},
    {VECTOR(ROLE_MID_NORM, "layers.{}.self_attn_layer_norm.weight", DIM_WIDTH), .when = FEATURE_NORM_AFTER},
    {VECTOR(ROLE_MID_NORM_BIAS, "layers.{}.self_attn_layer_norm.bias", DIM_WIDTH),
     .when = FEATURE_NORM_AFTER},
    {MATRIX(ROLE_QUERY, "layers.{}.self_attn.q_proj.weight", DIM_QUERY, DIM_WIDTH)},
    {VECTOR(ROLE_QUERY_BIAS, "layers.{}.self_attn.q_proj.bias", DIM_QUERY), .when = FEATURE_QKV_BIAS},
    {MATRIX(ROLE_KEY, "layers.{}.self_attn.k_proj.weight", DIM_KV, DIM_WIDTH)},
    {VECTOR(ROLE_KEY_BIAS, "layers.{}.self_attn.k_proj.bias", DIM_KV), .when = FEATURE_QKV_BIAS},
    {MATRIX(ROLE_VALUE, "layers.{}.self_attn.v_proj.weight", DIM_KV, DIM_WIDTH)},
    {VECTOR(ROLE_VALUE_BIAS, "layers.{}.self_attn.v_proj.bias", DIM_KV), .when = FEATURE_QKV_BIAS},
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.self_attn.out_proj.weight", DIM_WIDTH, DIM_QUERY)},
    {VECTOR(ROLE_ATTENTION_OUT_BIAS, "layers.{}.self_attn.out_proj.bias", DIM_WIDTH),
     .when = FEATURE_OUT_BIAS},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.final_layer_norm.weight", DIM_WIDTH), .unless = FEATURE_NORM_AFTER},
    {VECTOR(ROLE_MLP_NORM_BIAS, "layers.{}.final_layer_norm.bias", DIM_WIDTH), .unless = FEATURE_NORM_AFTER},
    {MATRIX(ROLE_UP, "layers.{}.fc1.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "layers.{}.fc1.bias", DIM_FF), .when = FEATURE_MLP_BIAS},
    {MATRIX(ROLE_DOWN, "layers.{}.fc2.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "layers.{}.fc2.bias", DIM_WIDTH), .when = FEATURE_MLP_BIAS},
    {VECTOR(ROLE_STATE_NORM, "layers.{}.final_layer_norm.weight", DIM_WIDTH), .when = FEATURE_NORM_AFTER},
    {VECTOR(ROLE_STATE_NORM_BIAS, "layers.{}.final_layer_norm.bias", DIM_WIDTH), .when = FEATURE_NORM_AFTER},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&own, NULL};
static const char *const prefixes[] = {"model.decoder.", "decoder.", "", NULL};

const struct architecture architecture_opt = {
    .model_type = "opt",
    .title = "OPT",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = prefixes,
};
