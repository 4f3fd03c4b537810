#!/usr/bin/env python3
"""Writes the seed corpora of the fuzz targets: seeds.py FOLDER makes FOLDER/TARGET/NAME.

Every seed is made here, from a few lines that say what it is; nothing binary is kept in the repository. A target adds
one function to TARGETS that gives (name, bytes) pairs."""
import json
import os
import struct
import sys


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    yield "good-empty", safetensors({})
    yield "good-one", safetensors({"w": entry("F32", [2, 3], 0, 24)}, bytes(24))
    yield "good-metadata", safetensors({"__metadata__": {"format": "pt", "": "\u00e9"}, "w": entry("BF16", [1], 0, 2)}, bytes(2))
    yield "good-scalar-and-empty", safetensors({"s": entry("I64", [], 0, 8), "e": entry("F16", [0, 7], 8, 8)}, bytes(8))
    yield "good-small-floats", safetensors({"a": entry("F4", [4], 0, 2), "b": entry("F6_E2M3", [4], 2, 5)}, bytes(5))
    yield "good-many", safetensors({f"model.layers.{i}.w": entry("U8", [1], i, i + 1) for i in range(40)}, bytes(40))
    yield "good-spaces", safetensors(b' \n{ "w" : {"shape":[1] , "dtype":"U8","data_offsets":[0,1]} }  ', b"x")
    yield "good-escapes", safetensors(b'{"\\u00e9\\n\\ud83d\\ude00":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")
    yield "bad-overlap", safetensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, bytes(3))
    yield "bad-hole", safetensors({"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 2, 3)}, bytes(3))
    yield "bad-trailing", safetensors({"a": entry("U8", [1], 0, 1)}, bytes(2))
    yield "bad-twice", safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', bytes(2))
    yield "bad-product", safetensors({"a": entry("F64", [2**32, 2**32, 2**31], 0, 8)}, bytes(8))
    yield "bad-length", safetensors({}, length=2**63 - 1)
    yield "bad-short", b"\x02\0\0"
    yield "bad-deep", safetensors(b'{"a":{"shape":[[[[[[[[')


def index_seeds():
    def index(pairs, **more):
        return json.dumps({"metadata": {"total_size": 12}, "weight_map": dict(pairs), **more}).encode()

    yield "good", index([("a", "model-00001-of-00002.safetensors"), ("b", "model-00002-of-00002.safetensors")])
    yield "good-many", index([(f"model.layers.{i}.mlp.down_proj.weight", f"s{i % 3}.safetensors") for i in range(60)])
    yield "good-more", index([("\u00e9\n", "x")], other=[1, {"a": None, "b": [True, 1.5e-7]}])
    yield "bad-upwards", index([("a", "../x")])
    yield "bad-empty", index([])
    yield "bad-number", b'{"weight_map":{"a":1}}'
    yield "bad-twice", b'{"weight_map":{"a":"x","\\u0061":"y"}}'
    yield "bad-nul", b'{"weight_map":{"a\\u0000":"x"}}'
    yield "bad-surrogate", b'{"weight_map":{"\\ud800":"x"}}'


TARGETS = {"safetensors": safetensors_seeds, "index": index_seeds}


def main():
    root = sys.argv[1]
    for target, seeds in TARGETS.items():
        folder = os.path.join(root, target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


main()
