/* Granite (IBM 2024), as transformers' modeling_granite.py computes it: Llama with four factors, of the
 * embeddings, of the scores (in place of 1 / sqrt(head_dim)), of what attention and MLP add, and, as a
 * divisor, of the logits. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    double divisor;

    if (!llama_read(reader, &(struct size_defaults){.context = 2048}, out) ||
        !config_number_or(reader, "embedding_multiplier", 1, &out->embedding_scale) ||
        !config_number_or(reader, "attention_multiplier", 1, &out->attention_scale) ||
        !config_number_or(reader, "residual_multiplier", 1, &out->residual_scale) ||
        !config_number_or(reader, "logits_scaling", 1, &divisor))
        return false;
    out->logit_scale = 1 / divisor;
    return config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct role_list *const tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                  &llama_mlp, NULL};

const struct architecture architecture_granite = {
    .model_type = "granite",
    .title = "Granite",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
