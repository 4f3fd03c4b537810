"""Merges of two models of 1.1 GB in BF16 beside mergekit, on tmpfs; and on a disk beside cp, with sync.

    bench_merge.py LANCET [--mergekit PROGRAM] [--tmpfs DIR] [--disk DIR] [--layers N] [--keep]

PROGRAM is mergekit-yaml (0.1.5). The models are made here: a base and two perturbed copies of it (Llama shape, random). Times are of
the whole process; for mergekit the time to import it is measured apart (--help) and given beside. On the disk inputs are read from the
page cache as far as they fit in it, as cp's are, and everything is synced before the clock stops; memory is the highest RssAnon +
RssShmem of the process, sampled every 10 ms. DIR of --tmpfs needs 5.6 GB, --disk the same, in a folder lancet-bench-merge."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np

HIDDEN, INNER, VOCABULARY = 1536, 4096, 32000


def shapes(layers):
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for i in range(layers):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (HIDDEN,)
        yield p + "post_attention_layernorm.weight", (HIDDEN,)
        for part in ("q", "k", "v", "o"):
            yield p + f"self_attn.{part}_proj.weight", (HIDDEN, HIDDEN)
        yield p + "mlp.gate_proj.weight", (INNER, HIDDEN)
        yield p + "mlp.up_proj.weight", (INNER, HIDDEN)
        yield p + "mlp.down_proj.weight", (HIDDEN, INNER)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)


def write_model(folder, layers, seed, change):
    """change 0: the base; else the base and normal noise of that share of its size."""
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
                   "num_hidden_layers": layers, "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": VOCABULARY,
                   "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "max_position_embeddings": 2048}, f)
    head, at, tensors = {"__metadata__": {"format": "pt"}}, 0, list(shapes(layers))
    for name, shape in tensors:
        n = 2 * int(np.prod(shape))
        head[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    base, noise = np.random.default_rng(1), np.random.default_rng(seed)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors:
            x = base.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
            if change:
                x += noise.standard_normal(shape, dtype=np.float32) * np.float32(0.02 * change)
            f.write((x.view(np.uint32) >> 16).astype(np.uint16).tobytes())
    return at


def recipes(folder):
    models = {m: os.path.join(folder, m) for m in ("base", "a", "b")}
    two = f"models:\n- model: {models['a']}\n  parameters: {{weight: 0.6}}\n- model: {models['b']}\n  parameters: {{weight: 0.3}}\n"
    texts = {"linear": "merge_method: linear\n" + two,
             "slerp": f"merge_method: slerp\nbase_model: {models['a']}\nmodels:\n- model: {models['a']}\n- model: {models['b']}\n"
                      "parameters: {t: 0.4}\n",
             "task_arithmetic": f"merge_method: task_arithmetic\nbase_model: {models['base']}\n" + two}
    out = {}
    for name, text in texts.items():
        out[name] = os.path.join(folder, name + ".yml")
        with open(out[name], "w") as f:
            f.write(text + "dtype: bfloat16\n")
    return out


def rss(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith(("RssAnon", "RssShmem")))
    except (OSError, ValueError):
        return 0


def run(args, out, sync=False):
    """Seconds, and the highest RssAnon + RssShmem in MiB."""
    shutil.rmtree(out, ignore_errors=True)
    if sync:
        os.sync()
    peak = 0
    start = time.perf_counter()
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    done = threading.Event()

    def sample():
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, rss(process.pid))

    thread = threading.Thread(target=sample)
    thread.start()
    errors = process.stderr.read()
    status = process.wait()
    if sync:
        os.sync()
    seconds = time.perf_counter() - start
    done.set()
    thread.join()
    if status:
        sys.exit(f"{args[0]}: exit {status}: {errors.decode()[-2000:]}")
    return seconds, peak / 1024


def best(times, args, out, **how):
    results = [run(args, out, **how) for _ in range(times)]
    return min(r[0] for r in results), max(r[1] for r in results)


def on_tmpfs(folder, size, options):
    out = os.path.join(folder, "out")
    imports = best(2, [options.mergekit, "--help"], out)[0] if options.mergekit else 0
    for name, recipe in recipes(folder).items():
        ours, _ = best(3, [options.lancet, "merge", recipe, "--output", out], out)
        line = f"tmpfs, {name}: lancet {ours:.2f} s ({size / ours / 1e9:.2f} GB/s written)"
        if options.mergekit:
            theirs, _ = best(1, [options.mergekit, recipe, out, "--no-write-model-card"], out)
            line += (f"; mergekit {theirs:.1f} s, {imports:.1f} s of it to import: "
                     f"{theirs / ours:.1f} times, without the import {(theirs - imports) / ours:.1f} times")
        print(line, flush=True)
    shutil.rmtree(out, ignore_errors=True)


def on_disk(folder, size, options):
    out, recipe = os.path.join(folder, "out"), recipes(folder)["linear"]
    weights = os.path.join(folder, "a", "model.safetensors")
    cp, ours, memory = [], [], {}
    for _ in range(3):  # in turns: disks vary
        cp.append(run(["cp", weights, out + ".copy"], out, sync=True)[0])
        os.unlink(out + ".copy")
        ours.append(run([options.lancet, "merge", recipe, "--output", out], out, sync=True)[0])
    print(f"disk, linear with sync: lancet {min(ours):.2f} s, cp {min(cp):.2f} s: {min(cp) / min(ours):.2f} of the speed of cp", flush=True)
    for cap in ("64M", "256M", "1G"):
        memory[cap] = run([options.lancet, "merge", recipe, "--output", out, "--memory", cap], out)[1]
    line = ", ".join(f"{memory[cap]:.0f} MiB under --memory {cap}" for cap in memory)
    if options.mergekit:
        theirs = run([options.mergekit, recipe, out, "--no-write-model-card"], out)[1]
        line += f"; mergekit {theirs:.0f} MiB"
    print(f"disk, linear, highest RssAnon + RssShmem: {line}", flush=True)
    shutil.rmtree(out, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("lancet")
    p.add_argument("--mergekit")
    p.add_argument("--tmpfs", default="/dev/shm")
    p.add_argument("--disk")
    p.add_argument("--layers", type=int, default=16)
    p.add_argument("--keep", action="store_true", help="leave the models where they are; use those that are there")
    options = p.parse_args()
    for folder, work in ((options.tmpfs, on_tmpfs), (options.disk, on_disk)):
        if not folder:
            continue
        folder = os.path.join(folder, "lancet-bench-merge")  # ours alone: what lies in it is removed
        os.makedirs(folder, exist_ok=True)
        size = 2 * sum(int(np.prod(s)) for _, s in shapes(options.layers))
        for name, seed, change in (("base", 1, 0), ("a", 2, 0.05), ("b", 3, 0.05)):
            if not os.path.isdir(os.path.join(folder, name)):
                write_model(os.path.join(folder, name), options.layers, seed, change)
        work(folder, size, options)
        if not options.keep:
            shutil.rmtree(folder)


main()
