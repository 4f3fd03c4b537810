/* Mistral (2023), as transformers' modeling_mistral.py computes it: Llama without biases, with a sliding
 * window over all layers where the config has one. */
#include "architecture.h"

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 131072, .n_kv_heads = 8}, out))
        return false;
    out->features = 0;
    return config_window(reader, "sliding_window", 4096, out) &&
           config_one_rope(reader, ROPE_HALF_SPLIT, 10000, 0, out);
}

static const struct role_list *const tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                  &llama_mlp, NULL};

const struct architecture architecture_mistral = {
    .model_type = "mistral",
    .title = "Mistral",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
