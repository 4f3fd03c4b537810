"""Random models in BF16, of real shapes, for benchmarks:

    random_model.py llama|gpt2 FOLDER

llama is TinyLlama's shape (1.1 billion weights, 2.2 GB), gpt2 that of GPT-2 small. A tensor is written at a time.
"""

import json
import os
import sys

import numpy as np

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 5632,
         "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
         "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "dtype": "bfloat16"}
GPT2 = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12,
        "n_head": 12, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "bos_token_id": 50256, "eos_token_id": 50256,
        "dtype": "bfloat16"}
ONE = 0x3f80


def llama_shapes():
    d, ff, kv, v = LLAMA["hidden_size"], LLAMA["intermediate_size"], 256, LLAMA["vocab_size"]
    yield "model.embed_tokens.weight", (v, d)
    for layer in range(LLAMA["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (d,)
        yield prefix + "self_attn.q_proj.weight", (d, d)
        yield prefix + "self_attn.k_proj.weight", (kv, d)
        yield prefix + "self_attn.v_proj.weight", (kv, d)
        yield prefix + "self_attn.o_proj.weight", (d, d)
        yield prefix + "post_attention_layernorm.weight", (d,)
        yield prefix + "mlp.gate_proj.weight", (ff, d)
        yield prefix + "mlp.up_proj.weight", (ff, d)
        yield prefix + "mlp.down_proj.weight", (d, ff)
    yield "model.norm.weight", (d,)
    yield "lm_head.weight", (v, d)


def gpt2_shapes():
    d = GPT2["n_embd"]

    def linear(name, inner, outer):
        return (name + ".weight", (inner, outer)), (name + ".bias", (outer,))

    def norm(name):
        return (name + ".weight", (d,)), (name + ".bias", (d,))

    yield "transformer.wte.weight", (GPT2["vocab_size"], d)
    yield "transformer.wpe.weight", (GPT2["n_positions"], d)
    for layer in range(GPT2["n_layer"]):
        prefix = f"transformer.h.{layer}."
        yield from norm(prefix + "ln_1")
        yield from linear(prefix + "attn.c_attn", d, 3 * d)
        yield from linear(prefix + "attn.c_proj", d, d)
        yield from norm(prefix + "ln_2")
        yield from linear(prefix + "mlp.c_fc", d, 4 * d)
        yield from linear(prefix + "mlp.c_proj", 4 * d, d)
    yield from norm("transformer.ln_f")


KINDS = {"llama": (LLAMA, llama_shapes), "gpt2": (GPT2, gpt2_shapes)}


def write_tensor(f, name, shape, random):
    if len(shape) == 1:
        f.write(np.full(shape, 0 if name.endswith("bias") else ONE, np.uint16).tobytes())
        return
    for first in range(0, shape[0], 1024):
        block = random.standard_normal((min(1024, shape[0] - first), shape[1]), np.float32) * np.float32(.02)
        f.write((block.view(np.uint32) >> 16).astype(np.uint16).tobytes())


def make(kind, folder):
    config, shapes = KINDS[kind]
    header, at = {}, 0
    for name, shape in shapes():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(1)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.safetensors")
    with open(path + ".part", "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes():
            write_tensor(f, name, shape, random)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    os.rename(path + ".part", path)


if __name__ == "__main__":
    make(*sys.argv[1:])
