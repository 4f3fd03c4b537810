"""GGUF beside the gguf package, live: every type of blocks as numbers, numbers as blocks.

    test_gguf.py CONVERT_ROWS LANCET
    test_gguf.py --vectors >tests/unit/vectors_quant.h

Prints TAP. Types that the package does not know (Q8_1, Q8_K, Q1_0, Q2_0) are compared with their formula.
"""

import subprocess
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

BLOCKS = {t.name: GGML_QUANT_SIZES[t] for t in T if t not in (T.F32, T.F16, T.F64) and "I" != t.name[0] or t.name.startswith("IQ")}
BLOCKS["Q8_1"] = (32, 36)  # the package's size is that of an older layout
BLOCKS["Q2_0"] = (64, 18)
WRITTEN = ["BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
count = failed = 0


def check(name, ok, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {name}" + (f" # {why}" if why and not ok else ""), flush=True)


def by_formula(name, blocks):
    half = lambda at: blocks[:, at:at + 2].copy().view(np.float16).astype(np.float32)
    if name == "Q8_1":
        return half(0) * blocks[:, 4:].view(np.int8).astype(np.float32)
    if name == "Q8_K":
        return blocks[:, :4].copy().view(np.float32) * blocks[:, 4:260].view(np.int8).astype(np.float32)
    if name == "Q1_0":
        return half(0) * (2 * np.unpackbits(blocks[:, 2:], axis=1, bitorder="little").astype(np.float32) - 1)
    if name == "Q2_0":
        q = (blocks[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
        return half(0) * (q.reshape(len(blocks), -1).astype(np.float32) - 1)
    return None


def numbers_of(name, blocks):
    with np.errstate(all="ignore"):
        own = by_formula(name, blocks)
        return own if own is not None else dequantize(blocks, T[name])


def same_bits(a, b):
    """Every NaN is like every other."""
    a, b = np.ascontiguousarray(a, np.float32).ravel(), np.ascontiguousarray(b, np.float32).ravel()
    return a.shape == b.shape and bool(np.all((a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))))


def convert(program, how, name, data):
    return subprocess.run([program, how, name], input=data, stdout=subprocess.PIPE, check=True).stdout


def test_reading(program):
    r = np.random.default_rng(7)
    for name, (_, size) in BLOCKS.items():
        blocks = r.integers(0, 256, (4000, size), np.uint8)
        got = np.frombuffer(convert(program, "read", name, blocks.tobytes()), np.float32)
        want = numbers_of(name, blocks)
        check(f"{name} is read bit for bit", same_bits(got, want), f"{np.sum(got != want.ravel())} differ")


def floats_for_writing(r, n):
    """Blocks of several scales, some with ties, zeros, equal numbers, numbers that underflow."""
    x = r.standard_normal((n, 32)).astype(np.float32) * np.exp(r.uniform(-12, 6, (n, 1))).astype(np.float32)
    x[::7] = np.round(x[::7] * 8) / 8
    x[5::50] = 0
    x[6::50] = x[6::50, :1]
    x[7::50] *= np.float32(1e-6)
    x[8::50] = np.abs(x[8::50])
    return x + np.float32(0)  # no -0: numpy's least of 0 and -0 is either


def test_writing(program):
    x = floats_for_writing(np.random.default_rng(8), 20000)
    for name in WRITTEN:
        with np.errstate(all="ignore"):
            want = quantize(x, T[name])
        got = np.frombuffer(convert(program, "write", name, x.tobytes()), np.uint8)
        check(f"{name} is written byte for byte", np.array_equal(got, want.ravel()),
              f"{np.sum(got != want.ravel())} bytes differ")


# ---- vectors for the unit test ----

def stream(seed, n):
    """The bytes of a linear congruential generator that C repeats."""
    out = bytearray()
    for _ in range(n):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(seed >> 56)
    return np.frombuffer(bytes(out), np.uint8)


def fnv(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return h


def print_vectors():
    print("/* Made by tests/peers/test_gguf.py --vectors, from the gguf package 0.19.0: of 16 blocks from the stream of bytes, the\n"
          " * FNV-1a hash of the numbers (every NaN as 0x7fc00000), and of 64 x 32 numbers that of the bytes. */\n")
    print("#include <stdint.h>\n\nstatic const struct quant_vector {\n    const char *dtype;\n    uint64_t hash;\n} read_vectors[] = {")
    for name, (_, size) in BLOCKS.items():
        x = np.ascontiguousarray(numbers_of(name, stream(1, 16 * size).reshape(16, size)), np.float32)
        x[np.isnan(x)] = np.nan
        bits = x.view(np.uint32).copy()
        bits[np.isnan(x)] = 0x7fc00000
        print(f'    {{"{name}", 0x{fnv(bits.tobytes()):016x}}},')
    x = (stream(2, 2048).astype(np.float32) - 100) * (stream(3, 64).astype(np.float32).repeat(32) / 1024)
    print("}, write_vectors[] = {")
    for name in WRITTEN:
        print(f'    {{"{name}", 0x{fnv(quantize(x.reshape(64, 32), T[name]).tobytes()):016x}}},')
    print("};")


def main():
    if sys.argv[1] == "--vectors":
        print_vectors()
        return
    test_reading(sys.argv[1])
    test_writing(sys.argv[1])
    print(f"1..{count}")
    sys.exit(failed != 0)


main()
