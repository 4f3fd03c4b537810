/* Phi-3 and Phi-4 (Microsoft 2024), as transformers' modeling_phi3.py computes them: Llama with query, key
 * and value in one tensor and gate and up in another, a window where the config has one, long-range rope
 * factors.
 */
#include "architecture.h"

#include <string.h>

/* The first files call longrope "su" or "yarn". */
static bool is_named_yarn(struct config_reader *reader)
{
    const cJSON *type = config_member(config_find(reader, "rope_scaling|rope_parameters"), "rope_type");

    if (!type)
        type = config_member(config_find(reader, "rope_scaling|rope_parameters"), "type");
    return cJSON_IsString(type) && strcmp(type->valuestring, "yarn") == 0;
}

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 4096}, out) ||
        !config_number_or(reader, "rms_norm_eps", 1e-5, &out->norm_eps) ||
        !config_window(reader, "sliding_window", 0, out))
        return false;
    if (is_named_yarn(reader))
        return error_set(reader->err, ERROR_UNSUPPORTED,
                         "%s: rope_type \"yarn\" of a Phi-3 means longrope: call it so", reader->name);
    out->features = 0;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 1, out);
}

static const struct tensor_role rows[] = {
    {MATRIX(ROLE_QUERY, "layers.{}.self_attn.qkv_proj.weight", DIM_QUERY, DIM_WIDTH), .fused = FUSED_QKV},
    {MATRIX(ROLE_KEY, "layers.{}.self_attn.qkv_proj.weight", DIM_KV, DIM_WIDTH), .fused = FUSED_QKV},
    {MATRIX(ROLE_VALUE, "layers.{}.self_attn.qkv_proj.weight", DIM_KV, DIM_WIDTH), .fused = FUSED_QKV},
    {MATRIX(ROLE_ATTENTION_OUT, "layers.{}.self_attn.o_proj.weight", DIM_WIDTH, DIM_QUERY)},
};

static const struct role_list attention = ROLE_LIST(rows), *const tensors[] = {&llama_outer, &attention,
                                                                               &llama_pre_norms,
                                                                               &fused_gate_mlp, NULL};

const struct architecture architecture_phi3 = {
    .model_type = "phi3",
    .title = "Phi-3",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
