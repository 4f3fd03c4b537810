/* Names from the gguf package 0.19 (constants.py) and from llama.cpp's convert_hf_to_gguf.py; what configs
 * call them, from transformers 5.23. */
#include "gguf_architecture.h"

#include <stdio.h>
#include <string.h>

/* ---- keys ---- */

static const struct gguf_key sizes[] = {
    {"hidden_size", "embedding_length", GGUF_U32},
    {"num_hidden_layers", "block_count", GGUF_U32},
    {"num_attention_heads", "attention.head_count", GGUF_U32},
    {"num_key_value_heads", "attention.head_count_kv", GGUF_U32},
    {"head_dim", "attention.key_length", GGUF_U32},
    {"intermediate_size", "feed_forward_length", GGUF_U32},
    {"max_position_embeddings", "context_length", GGUF_U32},
    {0},
};
static const struct gguf_key rms[] = {{"rms_norm_eps", "attention.layer_norm_rms_epsilon", GGUF_F32}, {0}};
static const struct gguf_key layer_norm[] = {{"layer_norm_eps", "attention.layer_norm_epsilon", GGUF_F32},
                                             {0}};
static const struct gguf_key rope[] = {{"rope_theta", "rope.freq_base", GGUF_F32}, {0}};
static const struct gguf_key window[] = {{"sliding_window", "attention.sliding_window", GGUF_U32}, {0}};
static const struct gguf_key pattern[] = {
    {"sliding_window_pattern", "attention.sliding_window_pattern", GGUF_U32}, {0}};
static const struct gguf_key parallel[] = {{"use_parallel_residual", "use_parallel_residual", GGUF_BOOL},
                                           {0}};
static const struct gguf_key caps[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", GGUF_F32},
    {"final_logit_softcapping", "final_logit_softcapping", GGUF_F32},
    {0},
};
static const struct gguf_key scales[] = {
    {"attention_multiplier", "attention.scale", GGUF_F32},
    {"embedding_multiplier", "embedding_scale", GGUF_F32},
    {"residual_multiplier", "residual_scale", GGUF_F32},
    {"logits_scaling", "logit_scale", GGUF_F32},
    {0},
};
static const struct gguf_key experts_mixtral[] = {
    {"num_local_experts", "expert_count", GGUF_U32},
    {"num_experts_per_tok", "expert_used_count", GGUF_U32},
    {0},
};
static const struct gguf_key experts_qwen[] = {
    {"num_experts", "expert_count", GGUF_U32},
    {"num_experts_per_tok", "expert_used_count", GGUF_U32},
    {"moe_intermediate_size", "expert_feed_forward_length", GGUF_U32},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length", GGUF_U32},
    {0},
};
static const struct gguf_key gpt2_sizes[] = {
    {"n_embd", "embedding_length", GGUF_U32},
    {"n_layer", "block_count", GGUF_U32},
    {"n_head", "attention.head_count", GGUF_U32},
    {"n_inner", "feed_forward_length", GGUF_U32},
    {"n_positions", "context_length", GGUF_U32},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", GGUF_F32},
    {0},
};
static const struct gguf_key bloom_sizes[] = {
    {"hidden_size", "embedding_length", GGUF_U32},
    {"n_layer", "block_count", GGUF_U32},
    {"n_head", "attention.head_count", GGUF_U32},
    {"n_inner", "feed_forward_length", GGUF_U32}, /* for llama.cpp: it is 4 times the width */
    {"seq_length", "context_length", GGUF_U32},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", GGUF_F32},
    {0},
};
static const struct gguf_key falcon_sizes[] = {
    {"hidden_size", "embedding_length", GGUF_U32},
    {"num_hidden_layers", "block_count", GGUF_U32},
    {"num_attention_heads", "attention.head_count", GGUF_U32},
    {"num_kv_heads", "attention.head_count_kv", GGUF_U32},
    {"ffn_hidden_size", "feed_forward_length", GGUF_U32},
    {"max_position_embeddings", "context_length", GGUF_U32},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", GGUF_F32},
    {0},
};
static const struct gguf_key starcoder_norm[] = {{"norm_epsilon", "attention.layer_norm_epsilon", GGUF_F32},
                                                 {0}};
static const struct gguf_key cohere_scale[] = {{"logit_scale", "logit_scale", GGUF_F32}, {0}};
#define KEYS(...) ((const struct gguf_key *const[]){__VA_ARGS__, NULL})

/* ---- facts ---- */

static const struct gguf_fact llama_facts[] = {
    {"attention_bias", "blk.0.attn_q.bias", NULL}, {"mlp_bias", "blk.0.ffn_up.bias", NULL}, {0}};
static const struct gguf_fact qwen2moe_facts[] = {
    {"qkv_bias", "blk.0.attn_q.bias", NULL}, {"norm_topk_prob", NULL, "false"}, {0}};
static const struct gguf_fact qwen3moe_facts[] = {
    {"attention_bias", "blk.0.attn_q.bias", NULL}, {"norm_topk_prob", NULL, "true"}, {0}};
static const struct gguf_fact attention_bias[] = {{"attention_bias", "blk.0.attn_q.bias", NULL}, {0}};
static const struct gguf_fact gemma_facts[] = {{"hidden_activation", NULL, "gelu_pytorch_tanh"}, {0}};
static const struct gguf_fact gelu_new[] = {
    {"activation_function", NULL, "gelu_new"}, {"hidden_act", NULL, "gelu_new"}, {0}};
static const struct gguf_fact neox_facts[] = {
    {"hidden_act", NULL, "gelu"}, {"attention_bias", "blk.0.attn_qkv.bias", NULL}, {0}};
static const struct gguf_fact stablelm_facts[] = {
    {"use_qkv_bias", "blk.0.attn_q.bias", NULL}, {"qk_layernorm", "blk.0.attn_q_norm.weight", NULL}, {0}};
static const struct gguf_fact starcoder_facts[] = {{"use_bias", "blk.0.ffn_up.bias", NULL}, {0}};
static const struct gguf_fact cohere_facts[] = {{"attention_bias", NULL, "false"}, /* llama.cpp reads none */
                                                {"use_qk_norm", "blk.0.attn_q_norm.weight", NULL},
                                                {0}};
static const struct gguf_fact falcon_facts[] = {
    {"bias", "blk.0.attn_qkv.bias", NULL}, {"parallel_attn", NULL, "true"}, {"alibi", NULL, "false"}, {0}};

/* ---- what the lists cannot say ---- */

static uint64_t own_number(const struct checkpoint *checkpoint, const char *key)
{
    uint64_t value = 0;
    gguf_u64(gguf_own(checkpoint_gguf(checkpoint), key), 0, &value);
    return value;
}

/* The scale of queries: heads are as wide as keys but in the largest Gemma 2 and 3, which llama.cpp knows by
 * their layers. */
static bool gemma_scale(const struct checkpoint *checkpoint, struct json_write *w, struct error *err)
{
    uint64_t layers = own_number(checkpoint, "block_count"),
             heads = own_number(checkpoint, "attention.head_count");
    uint64_t head = own_number(checkpoint, "attention.key_length");
    (void)err;
    if ((layers == 46 || layers == 62) && heads)
        head = own_number(checkpoint, "embedding_length") / heads;
    if (head)
        json_write_member_u64(w, "query_pre_attn_scalar", head);
    return true;
}

static bool falcon_layout(const struct checkpoint *checkpoint, struct json_write *w, struct error *err)
{
    uint64_t kv = own_number(checkpoint, "attention.head_count_kv"),
             heads = own_number(checkpoint, "attention.head_count");
    bool two_norms = checkpoint_find(checkpoint, "blk.0.attn_norm_2.weight");
    (void)err;
    json_write_member_bool(w, "new_decoder_architecture", two_norms || (kv > 1 && kv < heads));
    json_write_member_u64(w, "num_ln_in_parallel_attn", two_norms ? 2 : 1);
    json_write_member_bool(w, "multi_query", kv == 1);
    return true;
}

/* ---- the table ---- */

static const struct gguf_architecture architectures_known[] = {
    {.name = "llama",
     .only_with = "expert_count",
     .model_type = "mixtral",
     .class_name = "MixtralForCausalLM",
     .keys = KEYS(sizes, rms, rope, experts_mixtral),
     .traits = GGUF_PERMUTED},
    {.name = "llama",
     .model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .keys = KEYS(sizes, rms, rope),
     .facts = llama_facts,
     .traits = GGUF_PERMUTED},
    {.name = "llama", /* as which llama.cpp's converter writes it: without a window */
     .model_type = "mistral",
     .class_name = "MistralForCausalLM",
     .keys = KEYS(sizes, rms, rope),
     .traits = GGUF_PERMUTED},
    {.name = "mistral",
     .model_type = "mistral",
     .class_name = "MistralForCausalLM",
     .keys = KEYS(sizes, rms, rope, window),
     .traits = GGUF_PERMUTED},
    {.name = "smollm3",
     .model_type = "smollm3",
     .class_name = "SmolLM3ForCausalLM",
     .keys = KEYS(sizes, rms, rope),
     .facts = llama_facts,
     .traits = GGUF_PERMUTED},
    {.name = "granite",
     .model_type = "granite",
     .class_name = "GraniteForCausalLM",
     .keys = KEYS(sizes, rms, rope, scales),
     .facts = llama_facts,
     .traits = GGUF_PERMUTED},
    {.name = "qwen2",
     .model_type = "qwen2",
     .class_name = "Qwen2ForCausalLM",
     .keys = KEYS(sizes, rms, rope)},
    {.name = "qwen2moe",
     .model_type = "qwen2_moe",
     .class_name = "Qwen2MoeForCausalLM",
     .keys = KEYS(sizes, rms, rope, experts_qwen),
     .facts = qwen2moe_facts},
    {.name = "qwen3",
     .model_type = "qwen3",
     .class_name = "Qwen3ForCausalLM",
     .keys = KEYS(sizes, rms, rope),
     .facts = attention_bias},
    {.name = "qwen3moe",
     .model_type = "qwen3_moe",
     .class_name = "Qwen3MoeForCausalLM",
     .keys = KEYS(sizes, rms, rope, experts_qwen),
     .facts = qwen3moe_facts},
    {.name = "gemma",
     .model_type = "gemma",
     .class_name = "GemmaForCausalLM",
     .keys = KEYS(sizes, rms, rope),
     .facts = gemma_facts,
     .traits = GGUF_NORM_PLUS_ONE},
    {.name = "gemma2",
     .model_type = "gemma2",
     .class_name = "Gemma2ForCausalLM",
     .keys = KEYS(sizes, rms, rope, window, caps),
     .facts = gemma_facts,
     .traits = GGUF_NORM_PLUS_ONE,
     .more = gemma_scale},
    {.name = "gemma3",
     .model_type = "gemma3_text",
     .class_name = "Gemma3ForCausalLM",
     .keys = KEYS(sizes, rms, rope, window, pattern, caps),
     .facts = gemma_facts,
     .traits = GGUF_NORM_PLUS_ONE,
     .more = gemma_scale},
    {.name = "gpt2",
     .model_type = "gpt2",
     .class_name = "GPT2LMHeadModel",
     .keys = KEYS(gpt2_sizes),
     .facts = gelu_new,
     .traits = GGUF_TRANSPOSED},
    {.name = "gptneox",
     .model_type = "gpt_neox",
     .class_name = "GPTNeoXForCausalLM",
     .keys = KEYS(sizes, layer_norm, rope, parallel),
     .facts = neox_facts,
     .rotary = "rotary_pct"},
    {.name = "bloom", .model_type = "bloom", .class_name = "BloomForCausalLM", .keys = KEYS(bloom_sizes)},
    {.name = "falcon",
     .model_type = "falcon",
     .class_name = "FalconForCausalLM",
     .keys = KEYS(falcon_sizes, rope),
     .facts = falcon_facts,
     .more = falcon_layout},
    {.name = "phi2",
     .model_type = "phi",
     .class_name = "PhiForCausalLM",
     .keys = KEYS(sizes, layer_norm, rope),
     .facts = gelu_new,
     .rotary = "partial_rotary_factor"},
    {.name = "phi3",
     .model_type = "phi3",
     .class_name = "Phi3ForCausalLM",
     .keys = KEYS(sizes, rms, rope, window),
     .rotary = "partial_rotary_factor"},
    {.name = "stablelm",
     .model_type = "stablelm",
     .class_name = "StableLmForCausalLM",
     .keys = KEYS(sizes, layer_norm, rope, parallel),
     .facts = stablelm_facts,
     .rotary = "partial_rotary_factor"},
    {.name = "starcoder2",
     .model_type = "starcoder2",
     .class_name = "Starcoder2ForCausalLM",
     .keys = KEYS(sizes, starcoder_norm, rope, window),
     .facts = starcoder_facts},
    {.name = "olmo2",
     .model_type = "olmo2",
     .class_name = "Olmo2ForCausalLM",
     .keys = KEYS(sizes, rms, rope)},
    {.name = "command-r",
     .model_type = "cohere",
     .class_name = "CohereForCausalLM",
     .keys = KEYS(sizes, layer_norm, rope, cohere_scale),
     .facts = cohere_facts},
    {.name = "glm4",
     .model_type = "glm4",
     .class_name = "Glm4ForCausalLM",
     .keys = KEYS(sizes, rms, rope),
     .facts = attention_bias,
     .rotary = "partial_rotary_factor"},
};

enum { KNOWN = sizeof architectures_known / sizeof *architectures_known };

const struct gguf_value *gguf_own(const struct gguf *gguf, const char *key)
{
    const char *name;
    size_t n;
    char full[256];
    if (!gguf_text(gguf_find(gguf, "general.architecture"), &name, &n) || n + strlen(key) + 2 > sizeof full)
        return NULL;
    snprintf(full, sizeof full, "%.*s.%s", (int)n, name, key);
    return gguf_find(gguf, full);
}

const struct gguf_architecture *gguf_architecture_of(const struct gguf *gguf)
{
    const struct gguf_value *name = gguf_find(gguf, "general.architecture");
    for (size_t i = 0; i < KNOWN; i++) {
        const struct gguf_architecture *a = &architectures_known[i];
        uint64_t number = 0;
        if (gguf_text_is(name, a->name) &&
            (!a->only_with || (gguf_u64(gguf_own(gguf, a->only_with), 0, &number) && number)))
            return a;
    }
    return NULL;
}

const struct gguf_architecture *gguf_architecture_for(const char *model_type)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(architectures_known[i].model_type, model_type) == 0)
            return &architectures_known[i];
    return NULL;
}
