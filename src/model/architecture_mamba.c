/* Mamba (2023), as transformers' modeling_mamba.py computes it: layers of one mixer (scan.c) behind an RMS
 * norm, no attention, no positions. The nearest thing to a down projection is the mixer's out_proj. */
#include "architecture.h"

#include <string.h>

/* A number, or "auto": a sixteenth of the width. */
static bool read_rank(struct config_reader *reader, struct model_config *out)
{
    const cJSON *rank = config_find(reader, "time_step_rank");

    out->scan.rank = (out->width + 15) / 16;
    return (cJSON_IsString(rank) && strcmp(rank->valuestring, "auto") == 0) ||
           config_size_or(reader, "time_step_rank", CONFIG_MAX_WIDTH, out->scan.rank, &out->scan.rank);
}

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    size_t expand;

    out->norm = NORM_RMS;
    if (!config_size_or(reader, "hidden_size", CONFIG_MAX_WIDTH, 768, &out->width) ||
        !config_size_or(reader, "num_hidden_layers", CONFIG_MAX_LAYERS, 32, &out->n_layers) ||
        !config_size_or(reader, "vocab_size", CONFIG_MAX_VOCABULARY, 50280, &out->vocabulary) ||
        !config_size_or(reader, "expand", CONFIG_MAX_FF / out->width, 2, &expand) ||
        !config_size_or(reader, "state_size", CONFIG_MAX_SCAN_STATE, 16, &out->scan.state) ||
        !config_size_or(reader, "conv_kernel", CONFIG_MAX_SCAN_KERNEL, 4, &out->scan.kernel) ||
        !read_rank(reader, out) || !config_activation(reader, "hidden_act", "silu", &out->activation) ||
        !config_number_or(reader, "layer_norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_feature_or(reader, "use_bias", false, FEATURE_MLP_BIAS, out) ||
        !config_feature_or(reader, "use_conv_bias", true, FEATURE_CONV_BIAS, out) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied))
        return false;
    out->ff = expand * out->width;
    out->n_heads = out->n_kv_heads = out->head_dim = 1; /* none */
    out->context = CONFIG_MAX_CONTEXT;
    out->embedding_width = out->width;
    out->attention_scale = out->embedding_scale = out->residual_scale = out->logit_scale = out->alibi_scale =
        1;
    for (size_t i = 0; i < out->n_layers; i++)
        out->rope_of[i] = CONFIG_NO_ROPE;
    return true;
}

#define MIXER "layers.{}.mixer."
static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "embeddings.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_EMBEDDING, "embedding.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "norm_f.weight", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "layers.{}.norm.weight", DIM_WIDTH)},
    {MATRIX(ROLE_SCAN_IN, MIXER "in_proj.weight", DIM_SCAN_IN, DIM_WIDTH)},
    {VECTOR(ROLE_SCAN_IN_BIAS, MIXER "in_proj.bias", DIM_SCAN_IN), .when = FEATURE_MLP_BIAS},
    {MATRIX(ROLE_SCAN_CONV, MIXER "conv1d.weight", DIM_FF, DIM_SCAN_KERNEL), .channels = true},
    {VECTOR(ROLE_SCAN_CONV_BIAS, MIXER "conv1d.bias", DIM_FF), .when = FEATURE_CONV_BIAS},
    {MATRIX(ROLE_SCAN_PARAMETERS, MIXER "x_proj.weight", DIM_SCAN_PARAMETERS, DIM_FF)},
    {MATRIX(ROLE_SCAN_STEP, MIXER "dt_proj.weight", DIM_FF, DIM_SCAN_RANK)},
    {VECTOR(ROLE_SCAN_STEP_BIAS, MIXER "dt_proj.bias", DIM_FF)},
    {MATRIX(ROLE_SCAN_DECAY, MIXER "A_log", DIM_FF, DIM_SCAN_STATE)},
    {VECTOR(ROLE_SCAN_SKIP, MIXER "D", DIM_FF)},
    {MATRIX(ROLE_DOWN, MIXER "out_proj.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, MIXER "out_proj.bias", DIM_WIDTH), .when = FEATURE_MLP_BIAS},
};
static const struct role_list list = ROLE_LIST(rows), *const tensors[] = {&list, NULL};
static const char *const prefixes[] = {"backbone.", "", NULL};

const struct architecture architecture_mamba = {
    .model_type = "mamba",
    .title = "Mamba",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = prefixes,
};
