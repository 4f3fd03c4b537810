"""Random recipes through lancet (--semantics mergekit) and mergekit 0.1.5: the same tensors, or both refuse.

    test_recipes.py LANCET

Gradients, filters, slices, bases listed or not, dtypes, precedence of parameters: 80 recipes from a fixed seed, on tiny Llamas
made here (F32 and BF16). Limits: 2e-6 of a tensor's largest value in F32, 2^-7 with 16-bit types. Where lancet refuses on
purpose (a filter that fits nothing) the recipe is passed over. Prints TAP."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

try:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import MergeOptions, run_merge
except ImportError:
    print("ok 1 - recipes # SKIP mergekit is not installed\n1..1")
    sys.exit()
import logging

import torch
import yaml
from safetensors.torch import load_file, save_file

LANCET = os.path.realpath(sys.argv[1])
RECIPES = 80
LAYERS = 3
FILTERS = ["mlp", "self_attn", "layers.1.", "norm", "embed", "lm_head", "q_proj", "*", "o_proj", "layers."]
logging.disable(logging.CRITICAL)
torch.set_num_threads(1)
torch.manual_seed(7)
dice = random.Random(7)


def make_model(folder, base, dtype):
    os.mkdir(folder)
    width, ff, rows = 16, 12, 40
    shapes = {"model.embed_tokens.weight": (rows, width), "model.norm.weight": (width,), "lm_head.weight": (rows, width)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        shapes |= {p + "input_layernorm.weight": (width,), p + "post_attention_layernorm.weight": (width,),
                   p + "mlp.gate_proj.weight": (ff, width), p + "mlp.up_proj.weight": (ff, width), p + "mlp.down_proj.weight": (width, ff)}
        shapes |= {p + f"self_attn.{n}_proj.weight": (width if n in "qo" else width // 2, width) for n in "qkvo"}
    made = {k: (base[k] if base else 0) + torch.randn(s) * (.3 if base else 1) for k, s in shapes.items()}
    save_file({k: v.to(dtype) for k, v in made.items()}, folder + "/model.safetensors", metadata={"format": "pt"})
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": ff,
              "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": rows,
              "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "hidden_act": "silu",
              "tie_word_embeddings": False, "torch_dtype": str(dtype)[6:]}
    with open(folder + "/config.json", "w") as f:
        json.dump(config, f)
    return made


def number(low, high):
    return round(dice.uniform(low, high), 3)


def value(low, high, plain=False):
    kind = dice.random()
    if kind < .45:
        return number(low, high)
    if kind < .7 or plain:
        return [number(low, high) for _ in range(dice.randint(1, 4))]
    conditions = [{"filter": dice.choice(FILTERS), "value": value(low, high, True)} for _ in range(dice.randint(1, 2))]
    return conditions + ([{"value": value(low, high, True)}] if dice.random() < .85 else [])


def pick_models(method, pool, base):
    others = [m for m in pool if m != base]
    if method == "passthrough":
        return [dice.choice(pool)]
    if method == "slerp":
        return dice.sample([base, dice.choice(others)], 2)
    return dice.sample(others, dice.randint(1, min(3, len(others))))


def inputs(method, models, layers):
    out = []
    for model in models:
        entry = {"model": model}
        if layers:
            first = dice.randint(0, LAYERS - layers)
            entry["layer_range"] = [first, first + layers]
        if method in ("linear", "task_arithmetic") and dice.random() < .6:
            entry["parameters"] = {"weight": value(.1, 1)}
        if method == "passthrough" and dice.random() < .5:
            entry["parameters"] = {"scale": value(.5, 1.5)}
        out.append(entry)
    return out


def make_slice(method, pool, base):
    models = pick_models(method, pool, base)
    if method == "task_arithmetic":
        models.insert(dice.randint(0, len(models)), base)
    out = {"sources": inputs(method, models, dice.randint(1, LAYERS))}
    if method in ("linear", "task_arithmetic") and dice.random() < .4:
        out["parameters"] = {"weight": value(.1, 1)}
    if method == "slerp" and dice.random() < .4:
        out["parameters"] = {"t": value(0, 1)}
    return out


def make_recipe():
    method = dice.choice(["linear", "task_arithmetic", "slerp", "passthrough"])
    pool = dice.choice([["a", "b", "c", "d"], ["a", "b", "c", "d"], ["x", "y", "z"], ["a", "b", "x", "y"]])
    base = dice.choice(pool)
    recipe = {"merge_method": method}
    if method in ("task_arithmetic", "slerp") or dice.random() < .3:
        recipe["base_model"] = base
    for key in ("dtype", "out_dtype"):
        if dice.random() < .2:
            recipe[key] = dice.choice(["float32", "bfloat16", "float16"])
    if dice.random() < .5:
        models = pick_models(method, pool, base)
        recipe["models"] = inputs(method, models + ([base] if method == "task_arithmetic" and dice.random() < .3 else []), 0)
    else:
        recipe["slices"] = [make_slice(method, pool, base) for _ in range(dice.randint(1, 3))]
    parameters = {}
    if method in ("linear", "task_arithmetic") and dice.random() < .4:
        parameters["normalize"] = dice.choice([True, False])
    if method == "task_arithmetic" and dice.random() < .6:
        parameters["lambda"] = value(.2, 1.5)
    if method in ("linear", "task_arithmetic") and dice.random() < .9:
        parameters["weight"] = value(.1, 1)
    if method == "slerp":
        parameters["t"] = value(0, 1)
    return recipe | ({"parameters": parameters} if parameters else {})


def run_mergekit(recipe):
    try:
        run_merge(MergeConfiguration.model_validate(recipe), "theirs", MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True))
    except Exception as e:  # whatever it dies of
        return f"{type(e).__name__}: {e}".splitlines()[0][:120]
    return None


def compare(text):
    ours, theirs = load_file("ours/model.safetensors"), load_file("theirs/model.safetensors")
    if {k: v.dtype for k, v in ours.items()} != {k: v.dtype for k, v in theirs.items()}:
        return "other tensors or dtypes"
    configs = [json.load(open(f + "/config.json")) for f in ("ours", "theirs")]
    if configs[0]["num_hidden_layers"] != configs[1]["num_hidden_layers"]:
        return "another number of layers"
    exact = all(v.dtype == torch.float32 for v in ours.values()) and "float16" not in text and not any(f"model: {m}\n" in text for m in "xyz")
    for name, mine in ours.items():
        mine, other = mine.double(), theirs[name].double()
        error = ((mine - other).abs().max() / other.abs().max()).item()
        if not error <= (2e-6 if exact else 2**-7):
            return f"{name} differs by {error:.2g}"
    return ""


def check(recipe):
    """(what is wrong or "", what became of it)"""
    text = yaml.safe_dump(recipe, sort_keys=False)
    with open("recipe.yml", "w") as f:
        f.write(text)
    for folder in ("ours", "theirs"):
        shutil.rmtree(folder, ignore_errors=True)
    failure = run_mergekit(recipe)
    done = subprocess.run([LANCET, "merge", "recipe.yml", "--semantics", "mergekit", "--output", "ours", "--quiet"], capture_output=True, text=True)
    if done.returncode and "fits no tensor" in done.stderr:
        return "", "strict"
    if (failure is None) != (done.returncode == 0):
        return f"mergekit: {failure or 'done'}; lancet: {done.stderr.strip() or 'done'}", "differ"
    return ("", "refused") if failure else (compare(text), "merged")


def main():
    base = make_model("a", None, torch.float32)
    for name in "bcd":
        make_model(name, base, torch.float32)
    for name in "xyz":
        make_model(name, base, torch.bfloat16)
    counts = {}
    for i in range(1, RECIPES + 1):
        recipe = make_recipe()
        wrong, became = check(recipe)
        counts[became] = counts.get(became, 0) + 1
        print(f"{'not ok' if wrong else 'ok'} {i} - {recipe['merge_method']}, {'slices' if 'slices' in recipe else 'models'}: {became}" +
              (f" # {wrong}" if wrong else ""), flush=True)
        if wrong:
            print("".join(f"# {line}\n" for line in yaml.safe_dump(recipe, sort_keys=False).splitlines()), end="")
    print(f"{'ok' if counts.get('merged', 0) >= RECIPES // 2 else 'not ok'} {RECIPES + 1} - {counts}")
    print(f"1..{RECIPES + 1}")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    main()
    os.chdir("/")
