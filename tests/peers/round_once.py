"""Tensors of safetensors files as float64, and float64 rounded once, to nearest even, straight to BF16, F16 or F32.

NumPy has no BF16, and torch goes there through float32, which rounds twice."""

import json

import numpy as np

NUMPY = {"F32": np.float32, "F16": np.float16, "F64": np.float64}


def to_bf16(x):
    """float64 to the bits of BF16, uint16: normal numbers by adding half a step to the bits, subnormal ones as multiples of 2^-133"""
    x = np.ascontiguousarray(x, np.float64)
    bits = x.view(np.uint64)
    even = (bits + np.uint64((1 << 44) - 1) + ((bits >> np.uint64(45)) & np.uint64(1))) >> np.uint64(45) << np.uint64(45)
    small = np.rint(np.ldexp(x, 133))
    value = np.where(np.abs(x) < 2.0**-126, np.ldexp(small, -133), even.view(np.float64))
    with np.errstate(over="ignore"):
        return (value.astype(np.float32).view(np.uint32) >> np.uint32(16)).astype(np.uint16)  # exact, or infinite


def rounded(x, dtype):
    """the stored array of float64 values"""
    return to_bf16(x) if dtype == "BF16" else np.asarray(x, np.float64).astype(NUMPY[dtype])


def wide(stored, dtype):
    """float64 values of a stored array"""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    return stored.astype(np.float64)


class File:
    """the tensors of one .safetensors file, by name: (dtype, shape) and the stored array"""

    def __init__(self, path):
        self.map = np.memmap(path, np.uint8, "r")
        head = int.from_bytes(self.map[:8].tobytes(), "little")
        self.start = 8 + head
        self.entries = json.loads(self.map[8:self.start].tobytes())
        self.metadata = self.entries.pop("__metadata__", None)

    def __iter__(self):
        return iter(sorted(self.entries))

    def stored(self, name):
        e = self.entries[name]
        a, b = e["data_offsets"]
        kind = np.uint16 if e["dtype"] == "BF16" else NUMPY[e["dtype"]]
        return self.map[self.start + a:self.start + b].view(kind).reshape(e["shape"])

    def dtype(self, name):
        return self.entries[name]["dtype"]

    def wide(self, name):
        return wide(self.stored(name), self.dtype(name))


class Folder:
    """the same over all files of a model folder"""

    def __init__(self, path):
        try:
            index = json.load(open(f"{path}/model.safetensors.index.json"))["weight_map"]
            files = {name: File(f"{path}/{name}") for name in set(index.values())}
            self.where = {tensor: files[name] for tensor, name in index.items()}
        except FileNotFoundError:
            one = File(f"{path}/model.safetensors")
            self.where = {tensor: one for tensor in one}

    def __iter__(self):
        return iter(sorted(self.where))

    def stored(self, name):
        return self.where[name].stored(name)

    def dtype(self, name):
        return self.where[name].dtype(name)

    def wide(self, name):
        return self.where[name].wide(name)


def write(path, tensors):
    """a .safetensors file of {name: (dtype, stored array)}"""
    head, at = {}, 0
    for name, (dtype, stored) in tensors.items():
        head[name] = {"dtype": dtype, "shape": list(stored.shape), "data_offsets": [at, at + stored.nbytes]}
        at += stored.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for _, stored in tensors.values():
            out.write(np.ascontiguousarray(stored).tobytes())
