"""Model folders for the tests of merges, with the standard library alone: numbers rounded once, written and read."""
import json
import os
import random
import struct

SIZES = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8}


def bf16_bits(x):
    """To nearest even, straight from a double."""
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    sign, exponent, significand = bits >> 63 << 15, (bits >> 52 & 0x7FF) - 1023, bits & (1 << 52) - 1 | 1 << 52
    if exponent == -1023:
        return sign
    shift = 45 + max(0, -126 - exponent)
    if shift > 60:
        return sign
    kept, cut = significand >> shift, significand & (1 << shift) - 1
    kept += cut > 1 << shift - 1 or (cut == 1 << shift - 1 and kept & 1)
    return sign | min(kept + ((exponent + 126) << 7) if exponent >= -126 else kept, 0x7F80)


def pack(dtype, values):
    if dtype == "BF16":
        return struct.pack(f"<{len(values)}H", *map(bf16_bits, values))
    return struct.pack(f"<{len(values)}" + {"F16": "e", "F32": "f", "F64": "d"}[dtype], *values)


def unpack(dtype, data):
    n = len(data) // SIZES[dtype]
    if dtype == "BF16":
        wide = b"".join(b"\0\0" + data[2 * i:2 * i + 2] for i in range(n))
        return struct.unpack(f"<{n}f", wide)
    return struct.unpack(f"<{n}" + {"F16": "e", "F32": "f", "F64": "d"}[dtype], data)


def write(folder, tensors, config=None):
    """tensors: name -> (dtype, shape, bytes)"""
    os.makedirs(folder)
    with open(f"{folder}/config.json", "w") as f:
        json.dump(config or {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2}, f)
    head, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, data) in sorted(tensors.items()):
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(head).encode()
    with open(f"{folder}/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, (_, _, data) in sorted(tensors.items()):
            f.write(data)


def read(path):
    out = {}
    for name in [path] if os.path.isfile(path) else sorted(f"{path}/{f}" for f in os.listdir(path) if f.endswith(".safetensors")):
        with open(name, "rb") as f:
            data = f.read()
        n = struct.unpack("<Q", data[:8])[0]
        for tensor, t in json.loads(data[8:8 + n]).items():
            if tensor != "__metadata__":
                a, b = t["data_offsets"]
                out[tensor] = (t["dtype"], t["shape"], data[8 + n + a:8 + n + b])
    return out


SHAPES = {"model.embed_tokens.weight": [211, 333], "model.layers.0.mlp.up_proj.weight": [64, 512],
          "model.layers.1.mlp.up_proj.weight": [64, 512], "model.norm.weight": [7], "lm_head.weight": [33, 31]}


def make(seed, dtype, like=None, change=0.005):
    """A random model, or one near `like`."""
    rng = random.Random(seed)
    out = {}
    for name, shape in SHAPES.items():
        n = 1
        for d in shape:
            n *= d
        old = unpack(*like[name][::2]) if like else None
        values = [rng.gauss(0, 0.02) if not old else old[i] + rng.gauss(0, change) * (i % 3 != 0) for i in range(n)]
        out[name] = (dtype, shape, pack(dtype, values))
    return out
