"""Makes tests/numerics/tiny-*: one tiny random model for each architecture, with what transformers computes of it in
float32 (eager attention) for two prompts. Committed, so that the suite runs without Python:

    pip install torch==2.13.0 transformers==5.23.0 safetensors; python tests/numerics/make_tiny_models.py

expected.safetensors holds for prompt i: ids.i [T], logits.i [T, V], states.i [layers, T, width] (residual stream before
layer 0 .. before the last layer), attention.i [layers, heads, T, T].
"""

import os

import safetensors.torch
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = (7, 19)
ROPE3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 16}

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
}


def randomise(model, generator):
    for name, parameter in model.named_parameters():
        plain_norm = ("norm" in name or "ln_" in name) and name.endswith("weight") and "gemma" not in model.config.model_type
        with torch.no_grad():
            parameter.copy_(plain_norm + 0.2 * torch.randn(parameter.shape, generator=generator))


def make(name):
    config, dtype = MODELS[name]
    folder = os.path.join(HERE, "tiny-" + name)
    generator = torch.Generator().manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(config)
    randomise(model, generator)
    model.to(dtype).save_pretrained(folder)
    if os.path.exists(os.path.join(folder, "generation_config.json")):
        os.remove(os.path.join(folder, "generation_config.json"))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    expected = {}
    for i, length in enumerate(LENGTHS):
        ids = torch.randint(0, config.vocab_size, (1, length), generator=generator)
        with torch.no_grad():
            out = model(ids, output_attentions=True, output_hidden_states=True)
        expected |= {f"ids.{i}": ids[0].to(torch.int32), f"logits.{i}": out.logits[0].contiguous(),
                     f"states.{i}": torch.stack(out.hidden_states[:-1])[:, 0].contiguous(),
                     f"attention.{i}": torch.stack(out.attentions)[:, 0].contiguous()}
    safetensors.torch.save_file(expected, os.path.join(folder, "expected.safetensors"))


if __name__ == "__main__":
    for model_name in MODELS:
        make(model_name)
