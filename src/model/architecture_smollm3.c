/* SmolLM 3 (Hugging Face 2025), as transformers' modeling_smollm3.py computes it: Llama where every fourth
 * layer, or those that no_rope_layers marks with 0, have no rope. */
#include "architecture.h"

static bool read_rope_layers(struct config_reader *reader, struct model_config *out)
{
    const cJSON *list = config_find(reader, "no_rope_layers"), *item;
    size_t interval, layer = 0;

    if (!config_size_or(reader, "no_rope_layer_interval", CONFIG_MAX_LAYERS, 4, &interval))
        return false;
    for (size_t i = 0; !list && i < out->n_layers; i++)
        if ((i + 1) % interval == 0)
            out->rope_of[i] = CONFIG_NO_ROPE;
    if (list && (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) < out->n_layers))
        return error_set(reader->err, ERROR_FORMAT, "%s: no_rope_layers must hold one number for each layer",
                         reader->name);
    cJSON_ArrayForEach(item, list)
    {
        if (layer < out->n_layers && !(cJSON_IsNumber(item) && item->valuedouble != 0))
            out->rope_of[layer] = CONFIG_NO_ROPE;
        layer++;
    }
    return true;
}

/* Without layer_types the layers without rope slide. */
static bool read_windows(struct config_reader *reader, struct model_config *out)
{
    bool on, named, slides[CONFIG_MAX_LAYERS];
    size_t window;

    if (!config_bool_or(reader, "use_sliding_window", false, &on) ||
        !config_window_or(reader, "sliding_window", 0, &window) ||
        !config_layer_types(reader, out, &named, slides))
        return false;
    for (size_t i = 0; on && i < out->n_layers; i++)
        out->window[i] = (named ? slides[i] : out->rope_of[i] == CONFIG_NO_ROPE) ? window : 0;
    return true;
}

static bool read_config(struct config_reader *reader, struct model_config *out)
{
    if (!llama_read(reader, &(struct size_defaults){.context = 32768, .n_kv_heads = 4}, out) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied) ||
        !config_one_rope(reader, ROPE_HALF_SPLIT, 2000000, 0, out))
        return false;
    return read_rope_layers(reader, out) && read_windows(reader, out);
}

static const struct role_list *const tensors[] = {&llama_outer, &llama_attention, &llama_pre_norms,
                                                  &llama_mlp, NULL};

const struct architecture architecture_smollm3 = {
    .model_type = "smollm3",
    .title = "SmolLM 3",
    .read_config = read_config,
    .tensors = tensors,
    .prefixes = llama_prefixes,
};
