"""Makes tests/numerics/tiny-*: one tiny random model for each architecture, with what transformers computes of it in
float32 (eager attention) for two prompts. Committed, so that the suite runs without Python:

    pip install torch==2.13.0 transformers==5.23.0 safetensors; python tests/numerics/make_tiny_models.py [NAME ...]

expected.safetensors holds for prompt i: ids.i [T], logits.i [T, V], states.i [layers, T, width] (residual stream before
layer 0 .. before the last layer), attention.i [layers, heads, T, T] where there is any.
"""

import os
import sys

import safetensors.torch
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = (7, 19)
ROPE3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 16}

LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.2, 1.5, 2.0],
            "long_factor": [2.0, 3.0, 4.0, 8.0]}


def small(name, **options):
    """A config by the name of its class, in the terms of Llama's kin."""
    return getattr(transformers, name)(**{"vocab_size": 53, "hidden_size": 16, "intermediate_size": 24,
                                          "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1,
                                          "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0,
                                          "pad_token_id": None, **options}), torch.float16


def encoder(name, **options):
    return getattr(transformers, name)(**{"vocab_size": 53, "hidden_size": 16, "intermediate_size": 24,
                                          "num_hidden_layers": 3, "num_attention_heads": 2,
                                          "max_position_embeddings": 64, **options}), torch.float16


MODELS = {
    "gpt2": (transformers.GPT2Config(vocab_size=53, n_positions=24, n_embd=24, n_layer=3, n_head=3, n_inner=40,
                                     bos_token_id=0, eos_token_id=0), torch.float32),
    "llama": (transformers.LlamaConfig(vocab_size=53, hidden_size=24, intermediate_size=40, num_hidden_layers=4,
                                       num_attention_heads=4, num_key_value_heads=2, head_dim=8,
                                       max_position_embeddings=64, attention_bias=True, rope_parameters=ROPE3,
                                       bos_token_id=0, eos_token_id=0), torch.float16),
    "gemma3": (transformers.Gemma3TextConfig(vocab_size=53, hidden_size=24, intermediate_size=40, num_hidden_layers=5,
                                             num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                                             sliding_window=5, max_position_embeddings=64, query_pre_attn_scalar=24,
                                             layer_types=["sliding_attention", "sliding_attention", "full_attention",
                                                          "sliding_attention", "full_attention"],
                                             bos_token_id=0, eos_token_id=1), torch.bfloat16),
    "bloom": (transformers.BloomConfig(vocab_size=53, hidden_size=18, n_layer=3, n_head=3, bos_token_id=0,
                                       eos_token_id=0), torch.float16),
    "cohere": small("CohereConfig", logit_scale=0.5, use_qk_norm=True),
    "falcon": small("FalconConfig", num_attention_heads=4, new_decoder_architecture=True, num_kv_heads=2,
                    ffn_hidden_size=24),
    "gemma": small("GemmaConfig", head_dim=12),
    "gemma2": small("Gemma2Config", head_dim=8, sliding_window=5, query_pre_attn_scalar=10,
                    attn_logit_softcapping=2.0, final_logit_softcapping=5.0),
    "glm4": small("Glm4Config", head_dim=8),
    "gpt_neo": (transformers.GPTNeoConfig(vocab_size=53, hidden_size=16, num_layers=3, num_heads=2, intermediate_size=24,
                                          max_position_embeddings=64, window_size=5, bos_token_id=0, eos_token_id=0,
                                          attention_types=[[["global", "local", "global"], 1]]), torch.float16),
    "gpt_neox": small("GPTNeoXConfig", rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                                       "partial_rotary_factor": 0.5}),
    "gptj": (transformers.GPTJConfig(vocab_size=53, n_positions=64, n_embd=16, n_layer=3, n_head=2, rotary_dim=4,
                                     n_inner=24, bos_token_id=0, eos_token_id=0), torch.float16),
    "granite": small("GraniteConfig", embedding_multiplier=2.0, attention_multiplier=0.3, residual_multiplier=0.7,
                     logits_scaling=2.0),
    "mistral": small("MistralConfig", sliding_window=5, head_dim=10),
    "olmo2": small("Olmo2Config"),
    "opt": small("OPTConfig", ffn_dim=24, do_layer_norm_before=False, word_embed_proj_dim=12),
    "phi": small("PhiConfig", qk_layernorm=True),
    "phi3": small("Phi3Config", original_max_position_embeddings=64, rope_parameters=LONGROPE),
    "qwen2": small("Qwen2Config"),
    "qwen3": small("Qwen3Config", head_dim=6),
    "smollm3": small("SmolLM3Config", no_rope_layers=[1, 0, 1]),
    "stablelm": small("StableLmConfig", qk_layernorm=True, use_parallel_residual=True, use_qkv_bias=True),
    "starcoder2": small("Starcoder2Config", sliding_window=6),
    "mamba": (transformers.MambaConfig(vocab_size=53, hidden_size=16, num_hidden_layers=3, state_size=4, bos_token_id=0,
                                       eos_token_id=0, pad_token_id=None), torch.float16),
    "mixtral": small("MixtralConfig", num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
    "qwen2_moe": small("Qwen2MoeConfig", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=12,
                       shared_expert_intermediate_size=8, decoder_sparse_step=2),
    "qwen3_moe": small("Qwen3MoeConfig", num_experts=5, num_experts_per_tok=3, moe_intermediate_size=12, head_dim=8,
                       norm_topk_prob=True, mlp_only_layers=[0]),
    "bert": encoder("BertConfig"),
    "roberta": encoder("RobertaConfig", pad_token_id=1, max_position_embeddings=66),  # the prompts hold padding
    "distilbert": (transformers.DistilBertConfig(vocab_size=53, dim=16, hidden_dim=24, n_layers=3, n_heads=2,
                                                 max_position_embeddings=64), torch.float16),
}


def randomise(model, generator):
    scale = 0.3 if model.config.model_type == "mamba" else 0.2  # a mixer multiplies thrice: small numbers vanish
    for name, parameter in model.named_parameters():
        plain_norm = ("norm" in name.lower() or "ln_" in name) and name.endswith("weight") and "gemma" not in model.config.model_type
        with torch.no_grad():
            parameter.copy_(plain_norm + scale * torch.randn(parameter.shape, generator=generator))


def make(name):
    config, dtype = MODELS[name]
    folder = os.path.join(HERE, "tiny-" + name)
    generator = torch.Generator().manual_seed(7)
    masked, attends = "bert" in name, name != "mamba"
    kind = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    model = kind.from_config(config)
    randomise(model, generator)
    model.to(dtype).save_pretrained(folder)
    if os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))
    how = {"attn_implementation": "eager"} if attends else {}
    model = kind.from_pretrained(folder, dtype=torch.float32, **how).eval()
    expected = {}
    for i, length in enumerate(LENGTHS):
        ids = torch.randint(0, config.vocab_size, (1, length), generator=generator)
        with torch.no_grad():
            out = model(ids, output_attentions=attends, output_hidden_states=True)
        states = out.hidden_states if attends else (model.get_input_embeddings()(ids), *out.hidden_states[:-1])
        expected |= {f"ids.{i}": ids[0].to(torch.int32), f"logits.{i}": out.logits[0].contiguous(),
                     f"states.{i}": torch.stack(states[:-1])[:, 0].detach().contiguous()}
        if attends:
            expected[f"attention.{i}"] = torch.stack(out.attentions)[:, 0].contiguous()
    safetensors.torch.save_file(expected, os.path.join(folder, "expected.safetensors"))


if __name__ == "__main__":
    for model_name in sys.argv[1:] or MODELS:
        make(model_name)
