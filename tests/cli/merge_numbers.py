"""linear, task_arithmetic, slerp and passthrough against doubles rounded once, bit for bit; for 1 to 3 threads and several caps of
memory. Only the standard library is used."""
import math
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.environ["CASES"])
import merge_model as model

RUNS = [(1, 64), (2, 64), (3, 256), (2, 1024), (3, 12)]  # threads, MiB


def slerp(a, b, t):
    na, nb = math.sqrt(math.fsum(x * x for x in a)), math.sqrt(math.fsum(x * x for x in b))
    c = math.fsum(x * y for x, y in zip(a, b)) / (na * nb)
    if abs(c) > 0.9995:
        return [(1 - t) * x + t * y for x, y in zip(a, b)]
    w = math.acos(c)
    p, q = math.sin((1 - t) * w) / math.sin(w), math.sin(t * w) / math.sin(w)
    return [p * x + q * y for x, y in zip(a, b)]


METHODS = {
    "linear": (["--model", "a:0.3", "--model", "b:0.9"], lambda base, a, b: [(0.3 * x + 0.9 * y) / (0.3 + 0.9) for x, y in zip(a, b)]),
    "task_arithmetic": (["--base", "base", "--model", "a:0.6", "--model", "b:-0.35", "--set", "lambda=0.7"],
                        lambda base, a, b: [z + 0.7 * (0.6 * (x - z) + -0.35 * (y - z)) for z, x, y in zip(base, a, b)]),
    "slerp": (["--base", "a", "--model", "a", "--model", "b", "--set", "t=0.3"], lambda base, a, b: slerp(a, b, 0.3)),
    "passthrough": (["--model", "a:0.3"], lambda base, a, b: [0.3 * x for x in a]),
}


def wrong(dtype, got, want, slack):
    """Elements whose bits differ; with slack those within 1e-9 of a tie do not count."""
    size = model.SIZES[dtype]
    bits = model.pack(dtype, want)
    bad = [i for i in range(len(want)) if got[i * size:(i + 1) * size] != bits[i * size:(i + 1) * size]]
    if slack:
        bad = [i for i in bad if model.pack(dtype, [want[i] * (1 + 1e-9)]) == model.pack(dtype, [want[i] * (1 - 1e-9)])]
    return len(bad)


for dtype in ("BF16", "F16", "F32"):
    base = model.make(1, dtype)
    models = {"base": base, "a": model.make(2, dtype, base), "b": model.make(3, dtype, base)}
    for name, tensors in models.items():
        shutil.rmtree(name, ignore_errors=True)
        model.write(name, tensors)
    for method, (args, exact) in METHODS.items():
        first = None
        for threads, cap in RUNS:
            shutil.rmtree("out", ignore_errors=True)
            p = subprocess.run(["lancet", "--quiet", "--threads", str(threads), "merge", "--method", method, *args, "--output", "out",
                                "--memory", f"{cap}M"], capture_output=True, text=True)
            if p.returncode:
                print(f"{method} {dtype}: exit {p.returncode}: {p.stderr.strip()}")
                continue
            got = model.read("out")
            if first is None:
                first = got
                for name in model.SHAPES:
                    values = [model.unpack(dtype, models[m][name][2]) for m in ("base", "a", "b")]
                    n = wrong(dtype, got[name][2], exact(*values), method == "slerp")
                    if n or got[name][:2] != base[name][:2]:
                        print(f"{method} {dtype}, {name}: {n} elements are not the exact result rounded once")
            elif got != first:
                print(f"{method} {dtype}: {threads} threads and {cap} MiB give other bytes")
        print(f"{method} {dtype} compared")
