"""How much memory `lancet predict` takes on a model that is much larger:

    bench_memory.py LANCET [FOLDER]

Writes a Llama of 1.1 billion random BF16 weights (2.2 GB; TinyLlama's shape) into FOLDER (a temporary one, on disk) unless it is there, and predicts
from 16 and from 512 token ids. The highest RssAnon + RssShmem, looked at every 10 ms from outside, is printed beside what --json says
and beside the limit of 400 MB: pages that mirror the file do not count. Not on tmpfs, where they would.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

LIMIT = 400e6
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 5632,
          "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
          "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "dtype": "bfloat16"}


def shapes():
    d, ff, kv, v = CONFIG["hidden_size"], CONFIG["intermediate_size"], 256, CONFIG["vocab_size"]
    yield "model.embed_tokens.weight", (v, d)
    for layer in range(CONFIG["num_hidden_layers"]):
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


def make(folder):
    """A tensor at a time: this script takes little memory too."""
    header, at = {}, 0
    for name, shape in shapes():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(1)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.safetensors.part"), "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for _, shape in shapes():
            if len(shape) == 1:
                f.write(np.full(shape, 0x3f80, np.uint16).tobytes())
                continue
            for first in range(0, shape[0], 1024):
                block = random.standard_normal((min(1024, shape[0] - first), shape[1]), np.float32) * np.float32(.02)
                f.write((block.view(np.uint32) >> 16).astype(np.uint16).tobytes())
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(CONFIG, f)
    os.rename(os.path.join(folder, "model.safetensors.part"), os.path.join(folder, "model.safetensors"))


def resident(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return sum(int(line.split()[1]) * 1024 for line in f if line.startswith(("RssAnon:", "RssShmem:")))
    except OSError:
        return 0


def run(program, folder, n):
    ids = ",".join(str(3 + 37 * i % 30000) for i in range(n))
    start, peak = time.monotonic(), 0
    with subprocess.Popen([program, "predict", folder, "--ids", ids, "--json"], stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(.01)
        said = json.load(process.stdout)["memory"]["peak_bytes"]
    return peak, said, time.monotonic() - start


def main(program, folder=None):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        folder = folder or temporary
        path = os.path.join(folder, "model.safetensors")
        if not os.path.exists(path):
            make(folder)
        failed = False
        for n in 16, 512:
            peak, said, seconds = run(program, folder, n)
            failed |= max(peak, said) >= LIMIT
            print(f"predict of {n} tokens, {os.path.getsize(path) / 1e9:.1f} GB of BF16: {peak / 1e6:.0f} MB beyond the file's pages, --json says "
                  f"{said / 1e6:.0f} MB (limit {LIMIT / 1e6:.0f} MB), {seconds:.1f} s", flush=True)
        return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
