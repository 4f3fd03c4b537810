/* GPT-J (EleutherAI 2021), as transformers' modeling_gptj.py computes it: parallel layers with one LayerNorm,
 * interleaved rope on the first rotary_dim dimensions of each head, a head with a bias. */
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

    if (!config_sizes(reader, &keys, &(struct size_defaults){.context = 2048}, out) ||
        !config_activation(reader, "activation_function", "gelu_new", &out->activation) ||
        !config_number_or(reader, "layer_norm_epsilon", 1e-5, &out->norm_eps) ||
        !config_bool_or(reader, "tie_word_embeddings", false, &out->tied) ||
        !config_one_rope(reader, ROPE_INTERLEAVED, 10000, 0, out) ||
        !config_size_or(reader, "rotary_dim", CONFIG_MAX_HEAD_DIM, 64, &out->rotary_dim))
        return false;
    out->norm = NORM_LAYER;
    out->features = FEATURE_PARALLEL;
    return true;
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_EMBEDDING, "wte.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM, "ln_f.weight", DIM_WIDTH)},
    {VECTOR(ROLE_FINAL_NORM_BIAS, "ln_f.bias", DIM_WIDTH)},
    {MATRIX(ROLE_HEAD, "lm_head.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {VECTOR(ROLE_HEAD_BIAS, "lm_head.bias", DIM_VOCABULARY)},
    {VECTOR(ROLE_ATTENTION_NORM, "h.{}.ln_1.weight", DIM_WIDTH)},
    {VECTOR(ROLE_ATTENTION_NORM_BIAS, "h.{}.ln_1.bias", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM, "h.{}.ln_1.weight", DIM_WIDTH)},
    {VECTOR(ROLE_MLP_NORM_BIAS, "h.{}.ln_1.bias", DIM_WIDTH)},
    {MATRIX(ROLE_QUERY, "h.{}.attn.q_proj.weight", DIM_QUERY, DIM_WIDTH)},
    {MATRIX(ROLE_KEY, "h.{}.attn.k_proj.weight", DIM_KV, DIM_WIDTH)},
    {MATRIX(ROLE_VALUE, "h.{}.attn.v_proj.weight", DIM_KV, DIM_WIDTH)},
    {MATRIX(ROLE_ATTENTION_OUT, "h.{}.attn.out_proj.weight", DIM_WIDTH, DIM_QUERY)},
    {MATRIX(ROLE_UP, "h.{}.mlp.fc_in.weight", DIM_FF, DIM_WIDTH)},
    {VECTOR(ROLE_UP_BIAS, "h.{}.mlp.fc_in.bias", DIM_FF)},
    {MATRIX(ROLE_DOWN, "h.{}.mlp.fc_out.weight", DIM_WIDTH, DIM_FF)},
    {VECTOR(ROLE_DOWN_BIAS, "h.{}.mlp.fc_out.bias", DIM_WIDTH)},
};

static const struct role_list own = ROLE_LIST(rows), *const tensors[] = {&own, NULL};

const struct architecture architecture_gptj = {
    .model_type = "gptj",
    .title = "GPT-J",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = transformer_prefixes,
};
