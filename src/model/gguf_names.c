/* Names: docs/gguf.md of ggml and the gguf package 0.19 (TENSOR_NAMES). Queries, keys and values in one
 * matrix are all queries, all keys, all values there, whatever their order was; gate and up in one matrix are
 * called up. Experts, and norms that each head has, lie in one tensor behind one another. */
#include "gguf_names.h"

#include <string.h>

#include "quote.h"

#define PAIR(ROLE, NAME) [ROLE] = NAME ".weight", [ROLE_BIAS_OF(ROLE)] = NAME ".bias"

static const char *const names[ROLE_COUNT] = {
    [ROLE_EMBEDDING] = "token_embd.weight",
    [ROLE_POSITION] = "position_embd.weight",
    PAIR(ROLE_EMBEDDING_NORM, "token_embd_norm"),
    PAIR(ROLE_FINAL_NORM, "output_norm"),
    PAIR(ROLE_HEAD, "output"),
    PAIR(ROLE_ATTENTION_NORM, "blk.{}.attn_norm"),
    PAIR(ROLE_QUERY, "blk.{}.attn_q"),
    PAIR(ROLE_KEY, "blk.{}.attn_k"),
    PAIR(ROLE_VALUE, "blk.{}.attn_v"),
    PAIR(ROLE_QUERY_NORM, "blk.{}.attn_q_norm"),
    PAIR(ROLE_KEY_NORM, "blk.{}.attn_k_norm"),
    PAIR(ROLE_ATTENTION_OUT, "blk.{}.attn_output"),
    PAIR(ROLE_ATTENTION_POST_NORM, "blk.{}.post_attention_norm"),
    PAIR(ROLE_MID_NORM, "blk.{}.attn_output_norm"),
    PAIR(ROLE_MLP_NORM, "blk.{}.ffn_norm"),
    PAIR(ROLE_ROUTER, "blk.{}.ffn_gate_inp"),
    PAIR(ROLE_GATE, "blk.{}.ffn_gate"),
    PAIR(ROLE_UP, "blk.{}.ffn_up"),
    PAIR(ROLE_DOWN, "blk.{}.ffn_down"),
    PAIR(ROLE_SHARED_ROUTER, "blk.{}.ffn_gate_inp_shexp"),
    PAIR(ROLE_SHARED_GATE, "blk.{}.ffn_gate_shexp"),
    PAIR(ROLE_SHARED_UP, "blk.{}.ffn_up_shexp"),
    PAIR(ROLE_SHARED_DOWN, "blk.{}.ffn_down_shexp"),
    PAIR(ROLE_MLP_POST_NORM, "blk.{}.post_ffw_norm"),
    PAIR(ROLE_STATE_NORM, "blk.{}.layer_output_norm"),
};

/* Of roles that share a matrix. */
static const char *const fused_names[ROLE_COUNT] = {
    PAIR(ROLE_QUERY, "blk.{}.attn_qkv"), PAIR(ROLE_KEY, "blk.{}.attn_qkv"),
    PAIR(ROLE_VALUE, "blk.{}.attn_qkv"), PAIR(ROLE_GATE, "blk.{}.ffn_up"),
    PAIR(ROLE_UP, "blk.{}.ffn_up"),
};

/* Of roles that each expert has, in one tensor. */
static const char *const expert_names[ROLE_COUNT] = {
    PAIR(ROLE_GATE, "blk.{}.ffn_gate_exps"),
    PAIR(ROLE_UP, "blk.{}.ffn_up_exps"),
    PAIR(ROLE_DOWN, "blk.{}.ffn_down_exps"),
};

/* Of Falcon's layers with two norms: the MLP's is the first. */
static const char *const two_norms[ROLE_COUNT] = {
    PAIR(ROLE_ATTENTION_NORM, "blk.{}.attn_norm_2"),
    PAIR(ROLE_MLP_NORM, "blk.{}.attn_norm"),
};

/* The first role that is in the row's tensor: a norm may be that of attention and that of the MLP. */
static enum role first_role(const struct architecture *architecture, const struct tensor_role *row)
{
    const struct tensor_role *other;

    for (size_t i = 0; (other = architecture_row(architecture, i)); i++)
        if (strcmp(other->name, row->name) == 0)
            return other->role;
    return row->role;
}

static const char *name_of(const struct architecture *architecture, const struct tensor_role *row,
                           const struct model_config *config)
{
    enum role role = first_role(architecture, row);

    if (row->items == DIM_EXPERTS)
        return expert_names[row->role];
    if (row->fused)
        return fused_names[row->role];
    if (config->features & FEATURE_TWO_NORMS && two_norms[role])
        return two_norms[role];
    return names[role];
}

static void rename_row(const struct architecture *architecture, struct tensor_role *row,
                       const struct model_config *config)
{
    const char *name = name_of(architecture, row, config);

    if (!name) /* what GGUF does not know keeps its name, and is not found */
        return;
    row->name = name;
    row->transposed = false;
    row->skip = 0;
    if (row->fused == FUSED_QKV_HEAD)
        row->fused = FUSED_QKV;
    if (row->items == DIM_EXPERTS)
        row->fused = FUSED_NONE;
    row->stacked = row->items != DIM_NONE;
}

const struct architecture *gguf_names_of(const struct architecture *architecture,
                                         const struct model_config *config, struct arena *arena)
{
    static const char *const prefixes[] = {"", NULL};
    struct architecture *out = arena_array(arena, 1, sizeof *out);
    struct role_list *list = arena_array(arena, 1, sizeof *list);
    const struct role_list **lists = arena_array(arena, 2, sizeof *lists);
    struct tensor_role *rows;
    size_t n = 0;

    while (architecture_row(architecture, n))
        n++;
    rows = arena_array(arena, n, sizeof *rows);
    if (!out || !list || !lists || !rows)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        rows[i] = *architecture_row(architecture, i);
        rename_row(architecture, &rows[i], config);
    }
    *list = (struct role_list){rows, n};
    lists[0] = list;
    *out = *architecture;
    out->tensors = lists;
    out->prefixes = prefixes;
    return out;
}

bool gguf_names_config(const char *name, const struct gguf_architecture *stored, struct model_config *config,
                       struct error *err)
{
    if (stored->traits & GGUF_NORM_PLUS_ONE && config->norm == NORM_RMS_PLUS_ONE)
        config->norm = NORM_RMS;
    if (!(stored->traits & GGUF_PERMUTED))
        return true;
    if (config->rope != ROPE_HALF_SPLIT || config->rotary_dim != config->head_dim)
        return error_set(err, ERROR_UNSUPPORTED,
                         "%s: heads of %s rotate in part, which its GGUF does not tell", name,
                         quote(stored->model_type).text);
    config->rope = ROPE_INTERLEAVED;
    return true;
}
