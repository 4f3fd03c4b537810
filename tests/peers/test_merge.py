"""Merges beside NumPy: f64 throughout, rounded once, bit for bit.

    test_merge.py LANCET

1. linear, task_arithmetic and slerp of models made here, in BF16, F16, F32 and mixed, in one file and in shards, with 1, 2 and 3
   threads and several caps of memory, and in place: the same bytes as NumPy's.
2. Every case of merge-golden (LANCET_DATA) of these methods and of passthrough: against an f64 reference computed here from the
   recipe alone (a small reader of recipes of its own), against expected-f64 where there is one, and with mergekit's semantics
   against mergekit's own output, within the manifest's tolerance. Where the default semantics are not mergekit's choices
   (findings 3.4: final norm and head at the end of a gradient; a tied model with an untied one) the case says so.

Prints TAP.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import yaml

LANCET = os.path.realpath(sys.argv[1])
DATA = os.environ.get("LANCET_DATA")
GOLDEN = os.path.join(DATA, "merge-golden") if DATA else None
MIB = 1 << 20
cases = failed = 0


def report(ok, name, why=""):
    global cases, failed
    cases += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {cases} - {name}" + (f" # {why}" if why else ""), flush=True)


# ---- numbers, each rounded once ----

def round_bf16(x):
    """float64 to the bits of BF16, to nearest even, straight."""
    x = np.asarray(x, np.float64)
    scale = np.maximum(np.frexp(x)[1], -125) - 8  # a normal BF16 has 8 bits, a subnormal one stops at 2^-133
    y = np.ldexp(np.rint(np.ldexp(x, -scale)), scale)  # exact but for rint
    with np.errstate(over="ignore"):
        return (y.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def to_f64(dtype, data):
    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return np.frombuffer(data, {"F16": np.float16, "F32": np.float32, "F64": np.float64}[dtype]).astype(np.float64)


def to_bytes(dtype, x):
    if dtype == "BF16":
        return round_bf16(x).tobytes()
    return np.asarray(x).astype({"F16": np.float16, "F32": np.float32, "F64": np.float64}[dtype]).tobytes()


# ---- safetensors ----

class Model(dict):  # name -> (dtype, shape, bytes)
    def f64(self, name):
        return to_f64(self[name][0], self[name][2])


def read_file(path, out):
    with open(path, "rb") as f:
        data = f.read()
    n = int.from_bytes(data[:8], "little")
    for name, t in json.loads(data[8 : 8 + n]).items():
        if name != "__metadata__":
            a, b = t["data_offsets"]
            out[name] = (t["dtype"], t["shape"], data[8 + n + a : 8 + n + b])


def read_model(path):
    out = Model()
    names = [path] if os.path.isfile(path) else sorted(
        os.path.join(path, f) for f in os.listdir(path) if f.endswith(".safetensors"))
    for name in names:
        read_file(name, out)
    return out


def write_model(folder, tensors, n_shards=1):
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2}, f)
    names, weight_map = sorted(tensors), {}
    for s in range(n_shards):
        file = "model.safetensors" if n_shards == 1 else f"model-{s + 1:05}-of-{n_shards:05}.safetensors"
        head, at, mine = {"__metadata__": {"format": "pt"}}, 0, names[s::n_shards]
        for name in mine:
            dtype, shape, data = tensors[name]
            head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
            weight_map[name] = file
        text = json.dumps(head).encode()
        with open(os.path.join(folder, file), "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text)
            for name in mine:
                f.write(tensors[name][2])
    if n_shards > 1:
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {}, "weight_map": weight_map}, f)


# ---- the methods ----

def linear(xs, weights, normalize=True):
    total = xs[0] * weights[0]
    for x, w in zip(xs[1:], weights[1:]):
        total = total + x * w
    return total / sum(weights) if normalize else total


def task_arithmetic(base, xs, weights, lam=1.0, normalize=False):
    total = np.zeros_like(base)
    for x, w in zip(xs, weights):
        total = total + w * (x - base)
    if normalize:
        total = total / sum(weights)
    return base + lam * total


def slerp(a, b, t):
    na, nb = np.sqrt(np.dot(a, a)), np.sqrt(np.dot(b, b))
    c = np.dot(a / na if na >= 1e-8 else a, b / nb if nb >= 1e-8 else b)
    if abs(c) > 0.9995:
        return (1 - t) * a + t * b
    omega = np.arccos(c)
    return np.sin((1 - t) * omega) / np.sin(omega) * a + np.sin(t * omega) / np.sin(omega) * b


def differences(got, dtype, want, near_ties=False):
    """Elements whose bits differ; with near_ties those within 1e-9 (relative) of a tie do not count."""
    size = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8}[dtype]
    a = np.frombuffer(got, np.uint8).reshape(-1, size)
    b = np.frombuffer(to_bytes(dtype, want), np.uint8).reshape(-1, size)
    bad = np.flatnonzero((a != b).any(1))
    if near_ties and len(bad):
        w = np.asarray(want)[bad]
        bad = bad[(np.frombuffer(to_bytes(dtype, w * (1 + 1e-9)), np.uint8)
                   == np.frombuffer(to_bytes(dtype, w * (1 - 1e-9)), np.uint8)).reshape(-1, size).all(1)]
    return len(bad)


# ---- 1. models made here ----

SHAPES = {"model.embed_tokens.weight": [3001, 701], "model.layers.0.mlp.down_proj.weight": [257, 129],
          "model.layers.0.input_layernorm.weight": [257], "model.layers.1.mlp.down_proj.weight": [1, 32768],
          "model.layers.1.input_layernorm.weight": [32769], "model.norm.weight": [1], "lm_head.weight": [701, 3001]}


def make_model(rng, dtypes, like=None):
    out = Model()
    for i, (name, shape) in enumerate(SHAPES.items()):
        x = rng.standard_normal(int(np.prod(shape))) * 0.02
        if like:  # a fine-tune: some elements exactly the same, some zero, some subnormal in F16
            x = like.f64(name) + np.where(rng.random(x.size) < 0.3, 0, x * 0.05)
            x[rng.random(x.size) < 0.01] = 0
            x[rng.random(x.size) < 0.01] *= 1e-3
        dtype = dtypes[i % len(dtypes)]
        out[name] = (dtype, shape, to_bytes(dtype, x))
    return out


RUNS = [(1, 64), (2, 64), (3, 64), (1, 256), (2, 1024), (3, 1024), (2, 20), (3, 12)]  # threads, MiB


def lancet(*args):
    return subprocess.run([LANCET, "--quiet", *args], capture_output=True, text=True)


def check_run(name, args, expected, out):
    for threads, cap in RUNS:
        shutil.rmtree(out, ignore_errors=True)
        r = lancet("--threads", str(threads), "merge", *args, "--output", out, "--memory", f"{cap}M")
        bad = [f"exit {r.returncode}: {r.stderr.strip()}"] if r.returncode else []
        got = {} if bad else read_model(out)
        for tensor, (dtype, x) in expected.items() if not bad else []:
            n = differences(got[tensor][2], dtype, x, near_ties="slerp" in name) if got[tensor][0] == dtype else -1
            bad += [f"{tensor}: {n} elements differ"] if n else []
        report(not bad, f"{name}, {threads} threads, {cap} MiB", "; ".join(bad))


def made_here(box):
    for label, dtypes in [("BF16", ["BF16"]), ("F16", ["F16"]), ("F32", ["F32"]), ("mixed", ["BF16", "F32", "F16"])]:
        rng = np.random.default_rng(7)
        base = make_model(rng, dtypes)
        # "mixed" differs between the models too, so that dtypes are promoted
        a, b = make_model(rng, dtypes[::-1], base), make_model(rng, dtypes, base)
        folder = os.path.join(box, label)
        for name, model, shards in (("base", base, 1), ("a", a, 3), ("b", b, 2)):
            write_model(os.path.join(folder, name), model, shards)
        paths = {n: os.path.join(folder, n) for n in ("base", "a", "b")}
        out = os.path.join(folder, "out")

        def promoted(name, *models):
            kinds = {m[name][0] for m in models}
            return kinds.pop() if len(kinds) == 1 else "F32"

        w = (0.3, 0.9)
        expected = {n: (promoted(n, a, b), linear([a.f64(n), b.f64(n)], w)) for n in SHAPES}
        check_run(f"linear {label}", ["--method", "linear", "--model", paths["a"] + ":0.3", "--model", paths["b"] + ":0.9"],
                  expected, out)
        expected = {n: (promoted(n, a, b, base),
                        task_arithmetic(base.f64(n), [a.f64(n), b.f64(n)], (0.6, -0.35), 0.7)) for n in SHAPES}
        args = ["--method", "task_arithmetic", "--base", paths["base"], "--model", paths["a"] + ":0.6", "--model",
                paths["b"] + ":-0.35", "--set", "lambda=0.7"]
        check_run(f"task_arithmetic {label}", args, expected, out)
        if label != "mixed":
            in_place(label, args, expected, paths["a"], box)
        expected = {n: (promoted(n, a, b), slerp(a.f64(n), b.f64(n), 0.3)) for n in SHAPES}
        check_run(f"slerp {label}", ["--method", "slerp", "--base", paths["a"], "--model", paths["a"], "--model", paths["b"],
                                     "--set", "t=0.3"], expected, out)


def in_place(label, args, expected, model, box):
    """Into one of the models, and back."""
    before = {f: open(os.path.join(model, f), "rb").read() for f in os.listdir(model)}
    r = lancet("merge", *args, "--into", model, "--memory", "64M")
    bad = [f"exit {r.returncode}: {r.stderr.strip()}"] if r.returncode else []
    got = read_model(model)
    for tensor, (dtype, x) in expected.items():
        n = differences(got[tensor][2], dtype, x)
        bad += [f"{tensor}: {n} elements differ"] if n else []
    r = lancet("undo", model)
    bad += [f"undo: exit {r.returncode}: {r.stderr.strip()}"] if r.returncode else []
    bad += [f"undo: {f} differs" for f in before if open(os.path.join(model, f), "rb").read() != before[f]]
    report(not bad, f"task_arithmetic {label} in place and back", "; ".join(bad))


# ---- 2. merge-golden ----

def knots(values, t):
    at = t * (len(values) - 1)
    i = min(int(at), len(values) - 2)
    return values[i] + (at - i) * (values[i + 1] - values[i])


def value_at(value, name, t):
    """A scalar, a gradient, or conditions; None where no condition fits."""
    if isinstance(value, list) and isinstance(value[0], dict):
        for c in value:
            if c.get("filter") is None or c["filter"] in name:
                return value_at(c["value"], name, t)
        return None
    if isinstance(value, list):
        return knots(value, t) if len(value) > 1 else value[0]
    return value


def parameter(key, name, t, *levels, default=None):
    for level in levels:
        if level and key in level:
            v = value_at(level[key], name, t)
            if v is not None:
                return v
    return default


def layer_of(name):
    parts = name.split(".")
    return int(parts[2]) if parts[:2] == ["model", "layers"] else None


def places(recipe, models):
    """Each output tensor: its name, its slice, names in the sources, t."""
    slices = recipe.get("slices")
    if not slices:
        listed = recipe.get("models") or recipe["modules"]["default"]["models"]
        depth = 1 + max(layer_of(n) or 0 for n in models[listed[0]["model"]])
        slices = [{"sources": [dict(m, layer_range=[0, depth]) for m in listed], "whole": True}]
    first = 0
    for s, part in enumerate(slices):
        sources = part["sources"]
        a, b = sources[0]["layer_range"]
        for n in models[sources[0]["model"]]:
            layer = layer_of(n)
            if layer is None:
                early = n == "model.embed_tokens.weight"
                if s == (0 if early else len(slices) - 1):
                    yield n, part, [n] * len(sources), 0.0 if early else 1.0
            elif a <= layer < b:
                i = layer - a
                renamed = [n.replace(f"layers.{layer}.", f"layers.{src['layer_range'][0] + i}.") for src in sources]
                yield (n.replace(f"layers.{layer}.", f"layers.{first + i}."), part, renamed,
                       i / (b - a - 1) if b - a > 1 else 1.0)
        first += b - a


def reference(recipe):
    """name -> (dtype, f64 values), by lancet's default semantics."""
    spelt = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
    models = {}

    def load(path):
        models.setdefault(path, read_model(path))

    for part in recipe.get("slices") or [recipe if "models" in recipe else recipe["modules"]["default"]]:
        for src in part.get("sources") or part["models"]:
            load(src["model"])
    base = recipe.get("base_model")
    if base:
        load(base)
    method, out = recipe["merge_method"], {}
    everywhere = recipe.get("parameters")
    cast = spelt.get(recipe.get("dtype"))
    for name, part, names, t in places(recipe, models):
        sources = part["sources"]
        used = [models[src["model"]][n] for src, n in zip(sources, names)]
        if method == "task_arithmetic":
            used.append(models[base][name])
        kinds = {u[0] for u in used}
        stored = spelt.get(recipe.get("out_dtype")) or cast or (kinds.pop() if len(kinds) == 1 else "F32")
        xs = [to_f64(u[0], u[2]) for u in used]
        if cast:
            xs = [to_f64(cast, to_bytes(cast, x)) for x in xs]

        def get(key, i=None, default=None, at=name):
            own = [sources[i].get("parameters")] if i is not None else []
            return parameter(key, at, t, *own, part.get("parameters"), everywhere, default=default)

        weights = [get("weight", i, at=names[i]) for i in range(len(sources))]
        if method == "linear":
            x = linear(xs, weights, get("normalize", default=True))
        elif method == "task_arithmetic":
            x = task_arithmetic(xs[-1], xs[:-1], weights, get("lambda", default=1.0), get("normalize", default=False))
        elif method == "slerp":
            order = [i for i, s in enumerate(sources) if s["model"] == base] + [
                i for i, s in enumerate(sources) if s["model"] != base]
            x = slerp(xs[order[0]], xs[order[1]], get("t"))
        else:
            scale = get("scale", 0, at=names[0])
            x = xs[0] if scale is None else xs[0] * scale
        out[name] = (stored, x)
    return out


def has_gradient(value):
    if isinstance(value, dict):
        return any(has_gradient(v) for v in value.values())
    if isinstance(value, list):
        return all(isinstance(v, (int, float)) for v in value) and len(value) > 1 or any(has_gradient(v) for v in value)
    return False


def gradients(recipe):
    return any(has_gradient(v) for k, v in recipe.items() if k == "parameters") or any(
        has_gradient(src.get("parameters")) for part in recipe.get("slices", [recipe])
        for src in part.get("sources", part.get("models", [])))


LATER = ("tokenizer-", "lora-reference", "chat-template")


def golden_case(case, out):
    name = case["name"]
    with open(case["recipe"]) as f:
        recipe = yaml.safe_load(f)
    shutil.rmtree(out, ignore_errors=True)
    r = lancet("merge", case["recipe"], "--output", out)
    if name.startswith(LATER) or case.get("expect") == "refuse":
        wanted = (5,) if name.startswith(LATER) else (2, 4, 5, 6, 7)
        for semantics in ("lancet", "mergekit"):
            r = lancet("merge", case["recipe"], "--output", out, "--semantics", semantics)
            report(r.returncode in wanted and not os.path.exists(out), f"{name} is refused ({semantics})",
                   r.stderr.strip())
        return
    if name == "linear-tied-with-untied":
        report(r.returncode == 6 and not os.path.exists(out), f"{name} needs a word about the head (findings 3.4.10)")
    else:
        bad = [f"exit {r.returncode}: {r.stderr.strip()}"] if r.returncode else []
        got, want = ({}, {}) if bad else (read_model(out), reference(recipe))
        if set(got) != set(want):
            bad.append(f"tensors differ: {sorted(set(got) ^ set(want))[:4]}")
        for t in set(got) & set(want):
            n = differences(got[t][2], want[t][0], want[t][1], near_ties=case["method"] == "slerp")
            bad += [f"{t}: {n} elements differ"] if n or got[t][0] != want[t][0] else []
        report(not bad, f"{name}, as computed here", "; ".join(bad))
        if case.get("expected_f64") and not bad:
            stored = read_model(case["expected_f64"])
            other = sorted(t for t in stored if stored[t][2] != got[t][2])
            ends = {"model.norm.weight", "lm_head.weight"}
            if gradients(recipe):
                report(set(other) <= ends, f"{name}, stored f64, but for the final norm and the head (findings 3.4.2)",
                       "; ".join(other))
            else:
                report(not other, f"{name}, stored f64", "; ".join(other))
    shutil.rmtree(out, ignore_errors=True)
    r = lancet("merge", case["recipe"], "--output", out, "--semantics", "mergekit")
    bad = [f"exit {r.returncode}: {r.stderr.strip()}"] if r.returncode else []
    got, want = ({}, {}) if bad else (read_model(out), read_model(case["expected"]))
    equal = total = 0
    for t in want:
        a, b = to_f64(got[t][0], got[t][2]), to_f64(want[t][0], want[t][2])
        error = abs(a - b).max() / abs(b).max() if abs(b).max() else abs(a).max()
        equal, total = equal + int((a == b).sum()), total + a.size
        bad += [f"{t}: {error:.2g} of its largest value"] if error > case["tolerance"] or got[t][0] != want[t][0] else []
    report(not bad and set(got) == set(want), f"{name}, mergekit's output ({equal / total if total else 0:.2%} equal)",
           "; ".join(bad))


def main():
    with tempfile.TemporaryDirectory() as box:
        made_here(box)
        if not GOLDEN or not os.path.isdir(GOLDEN):
            print(f"ok {cases + 1} - merge-golden # SKIP no merge-golden in LANCET_DATA")
            print(f"1..{cases + 1}")
            return
        os.chdir(GOLDEN)
        with open("manifest.json") as f:
            golden = json.load(f)["cases"]
        for case in golden:
            if case["method"] in ("linear", "task_arithmetic", "slerp", "passthrough"):
                golden_case(case, os.path.join(box, "golden"))
    print(f"1..{cases}")


main()
sys.exit(1 if failed else 0)
