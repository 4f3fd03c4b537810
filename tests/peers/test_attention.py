"""Attention dumps and heads beside transformers and NumPy, live:

    test_attention.py LANCET [NAME ...]

Models: one trained fixture of ours, those of the shared data (LANCET_DATA), SmolLM2 and Gemma 3 (LANCET_REAL), and random
ones: a Gemma 3 whose window is short, a BLOOM, for ALiBi, and a BERT, whose tokens see each other. transformers runs in float32 with eager attention. Limits: weights within 1e-5, rows that
sum to 1 within 1e-4, statistics within 1e-5 of what NumPy makes of transformers' maps (1e-4 where they are divided by
little mass). Prints TAP.
"""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import safetensors
import safetensors.numpy
import torch
import transformers

transformers.utils.logging.disable_progress_bar()

LIMIT, SUM_LIMIT, STATISTIC_LIMIT = 1e-5, 1e-4, 1e-4
SENTENCE = "The boy took the book because it was heavy"
TEXTS = [SENTENCE, "a", "one two three one two three one two three",
         'Café "x", <b>=1+1</b>\n\t-- 你好，世界 😀']


RANDOM = {
    "random-gemma3": transformers.Gemma3TextConfig(
        vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=7, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, sliding_window=5, max_position_embeddings=256, query_pre_attn_scalar=24),
    "random-bloom": transformers.BloomConfig(vocab_size=97, hidden_size=48, n_layer=3, n_head=6),
    "random-bert": transformers.BertConfig(vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=3,
                                           num_attention_heads=6, max_position_embeddings=98),
}


def class_of(config):
    return transformers.AutoModelForMaskedLM if config.model_type == "bert" else transformers.AutoModelForCausalLM


def make_random(name, folder):
    torch.manual_seed(3)
    model = class_of(RANDOM[name]).from_config(RANDOM[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, .14)
    model.save_pretrained(folder)


def eager(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    return class_of(config).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def maps_of(model, ids):
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_attentions=True)
    return torch.stack(out.attentions)[:, 0].numpy()


class Lancet:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def __call__(self, command, prompt, *options):
        """standard output, as bytes; `prompt` is a text or a list of ids"""
        given = ["--ids", ",".join(map(str, prompt))] if isinstance(prompt, list) else [prompt]
        return subprocess.run([self.program, command, self.folder, *given, *options], check=True,
                              capture_output=True).stdout

    def json(self, command, prompt, *options):
        return json.loads(self(command, prompt, "--json", *options))


# ---- statistics, from the formulas ----


def entropies(rows):
    safe = np.where(rows > 0, rows, 1)
    return -(rows * np.log(safe)).sum(-1)


def statistics(a, ids, window, full):
    """of one map [T, T], of an encoder a full square; NaN where there is no row"""
    a = a.astype(np.float64)
    n = len(a)
    i, j = np.indices((n, n))
    t = np.array(ids)
    keys = np.full(n, n) if full else np.minimum(np.arange(n) + 1, window or n)
    h = entropies(a)

    def mean(x):
        return float(np.mean(x)) if len(x) else float("nan")

    rest = a[:, 1:] / np.maximum(a[:, 1:].sum(1, keepdims=True), 1e-300)
    several = (np.arange(n) >= 1) & (keys > 1)
    apart = np.abs(i - j)
    far = a[:, 1:] * apart[:, 1:]
    offsets = np.cumsum([a[apart == d].sum() for d in range(n)])
    same = t[:, None] == t[None, :]
    duplicate = same & (j < i)
    induction = np.zeros((n, n), bool)
    induction[:, 1:] = (same & (j < i))[:, :-1]
    return {
        "entropy": mean(h[1:]),
        "normalised_entropy": mean(h[several] / np.log(keys[several])),
        "entropy_without_first": mean(entropies(rest)[2:]),
        "effective_keys": mean(np.exp(h[1:])),
        "max_weight": mean(a.max(1)),
        "top5_mass": mean(np.sort(a, 1)[:, -5:].sum(1)),
        "first_token_mass": mean(a[1:, 0]),
        "first_token_alpha": mean(a[:, 0]),
        "diagonal_mass": mean(np.diag(a)),
        "previous_token_mass": mean(np.diag(a, -1)),
        "mean_distance": float((a * apart).sum() / a.sum()),
        "mean_distance_without_first": float(far.sum() / a[:, 1:].sum()) if n > 1 else float("nan"),
        "window_90": float(np.argmax(offsets >= .9 * a.sum()) + 1),
        "previous_token": float(np.trace(a, -1) / a.sum()),
        "duplicate_token": float((a * duplicate).sum() / a.sum()),
        "induction": float((a * induction).sum() / a.sum()),
    }


def statistics_differ(report, maps, ids, windows, full):
    """Names and differences of the statistics that are off; window_90 may step where the mass ties with 0.9."""
    worst, off = 0.0, set()
    for head in report["heads"]:
        a = maps[head["layer"], head["head"]]
        for name, value in statistics(a, ids, windows[head["layer"]], full).items():
            found = float("nan") if head[name] is None else head[name]
            if np.isnan(value) != np.isnan(found):
                off.add(name)
            if np.isnan(value):
                continue
            if name == "window_90":
                apart = np.abs(np.subtract(*np.indices(a.shape)))
                mass = a.astype(np.float64)[apart < min(value, found)].sum()
                if value != found and abs(mass / a.sum() - .9) > 1e-5:
                    off.add(name)
                continue
            difference = abs(found - value) / max(1, abs(value))
            worst = max(worst, difference)
            if difference > STATISTIC_LIMIT:
                off.add(name)
    return worst, off


# ---- checks ----


class Report:
    def __init__(self):
        self.n = self.failed = 0

    def line(self, ok, text):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} {text}", flush=True)

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} {name} # SKIP {why}", flush=True)


def check_json(report, name, lancet, prompts, expected, full):
    worst = worst_sum = 0.0
    shapes, documents = True, []
    for prompt, maps in zip(prompts, expected, strict=True):
        document = lancet.json("attention", prompt)
        documents.append(document)
        found = np.array(document["attention"])
        shapes &= found.shape == maps.shape and len(document["tokens"]) == maps.shape[-1]
        worst = max(worst, np.abs(found - maps).max())
        worst_sum = max(worst_sum, np.abs(found.sum(-1) - 1).max())
        shapes &= full or bool((found[..., *np.triu_indices(maps.shape[-1], 1)] == 0).all())
    report.line(shapes and worst <= LIMIT and worst_sum <= SUM_LIMIT,
                f"{name}: JSON is [layer, head, T, T], within {worst:.1e} of transformers, rows sum to 1 within {worst_sum:.1e}")
    return documents


def check_binary(report, name, lancet, prompt, maps, folder):
    """safetensors, NPZ, JSON and JSON lines with nine digits, CSV: the same numbers, bit for bit."""
    file, npz = os.path.join(folder, "maps.safetensors"), os.path.join(folder, "maps.npz")
    lancet("attention", prompt, "-o", file)
    lancet("attention", prompt, "-o", npz)
    tensors, arrays = safetensors.numpy.load_file(file), np.load(npz)
    with safetensors.safe_open(file, "np") as opened:
        metadata = opened.metadata()
    tokens = [f"#{token['id']}" if token["text"] is None else token["text"]
              for token in json.loads(metadata["attention"])["tokens"]]
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(len(maps))]
    ok = sorted(tensors) == sorted(names) and set(names) < set(arrays.files) and json.loads(metadata["tokens"]) == tokens
    exact = np.array(lancet.json("attention", prompt, "--digits", "9")["attention"], dtype=np.float32)
    lines = lancet("attention", prompt, "-f", "jsonl", "--digits", "9").splitlines()
    rows = np.zeros_like(exact)
    for line in map(json.loads, lines[1:]):
        rows[line["layer"], line["head"], line["query"]] = line["weights"]
    cells = np.zeros_like(exact)
    pieces = [None] * maps.shape[-1]
    for row in csv.DictReader(io.StringIO(lancet("attention", prompt, "-f", "csv", "--digits", "9").decode())):
        cells[int(row["layer"]), int(row["head"]), int(row["query"]), int(row["key"])] = row["weight"]
        pieces[int(row["key"])] = row["key_token"]
    for layer, tensor in enumerate(names):
        same = [tensors[tensor], arrays[tensor]]
        ok &= all(x.shape == (1, *maps.shape[1:]) and x.dtype == np.float32 for x in same)
        ok &= all(np.array_equal(x[0], exact[layer]) for x in same)
    ok &= np.array_equal(rows, exact) and np.array_equal(cells, exact)
    ok &= arrays["tokens"].tolist() == tokens and len(arrays["ids"]) == len(tokens)
    ok &= all(piece.isprintable() for piece in pieces)
    report.line(ok, f"{name}: safetensors, NPZ, JSON lines and CSV hold the numbers and tokens of JSON")


def check_choices(report, name, lancet, prompt, maps):
    layers, heads = [0, len(maps) - 1], [maps.shape[1] - 1]
    chosen = ["--layers", ",".join(map(str, layers)), "--heads", str(heads[0])]
    whole = maps[layers][:, heads]
    end = maps.shape[-1]
    part = lancet.json("attention", prompt, *chosen, "--tokens", f"{end // 2}:{end}")
    ok = np.abs(np.array(part["attention"]) - whole[:, :, end // 2:, end // 2:]).max() <= LIMIT
    mean = lancet.json("attention", prompt, "--average-heads")
    ok &= np.abs(np.array(mean["attention"])[:, 0] - maps.mean(1, dtype=np.float64)).max() <= LIMIT
    top = lancet.json("attention", prompt, *chosen, "--topk", "3")["attention"]
    for layer, expected in zip(top, whole, strict=True):
        for row, a in zip(layer[0], expected[0], strict=True):
            ok &= np.abs(np.sort(row["weights"])[::-1] - np.sort(a)[::-1][:len(row["weights"])]).max() <= LIMIT
            ok &= np.abs(a[row["keys"]] - row["weights"]).max() <= LIMIT
            ok &= abs(sum(row["weights"]) + row["rest"] - 1) <= SUM_LIMIT
    scores = lancet.json("attention", prompt, *chosen, "--scores", "--digits", "9")["attention"]
    scores = np.array([[[[-np.inf if x is None else x for x in row] for row in head] for head in layer] for layer in scores])
    softmax = np.exp(scores - scores.max(-1, keepdims=True))
    ok &= np.abs(softmax / softmax.sum(-1, keepdims=True) - whole).max() <= LIMIT
    report.line(bool(ok), f"{name}: --tokens, --topk, --average-heads, and the softmax of --scores")


def check_heads(report, name, lancet, prompt, maps, ids, windows, full):
    found = lancet.json("heads", prompt)
    worst, off = statistics_differ(found, maps, ids, windows, full)
    report.line(not off and len(found["heads"]) == maps.shape[0] * maps.shape[1],
                f"{name}: statistics of {len(found['heads'])} heads within {worst:.1e} of NumPy; off: {sorted(off)}")


def check_find(report, name, lancet, model, tokenizer):
    encoded = tokenizer(SENTENCE, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]

    def tokens(word):
        start = SENTENCE.index(f" {word}") + 1
        return [k for k, (a, b) in enumerate(offsets) if a < start + len(word) and b > start]

    maps = maps_of(model, ids).astype(np.float64)
    query, keys = tokens("it")[-1], tokens("book")
    sent = maps[:, :, query, keys].sum(-1)
    ranking = sorted(((-sent[layer, head], layer, head) for layer in range(len(maps)) for head in range(maps.shape[1])))
    found = lancet.json("heads", SENTENCE, "--find", "it->book")["heads"]
    worst = max(abs(head["weight"] - sent[head["layer"], head["head"]]) for head in found)
    swapped = [k for k, (head, (weight, layer, index)) in enumerate(zip(found, ranking, strict=True))
               if (head["layer"], head["head"]) != (layer, index) and abs(head["weight"] + weight) > 1e-5]
    exact = [(head["layer"], head["head"]) for head in found] == [(layer, head) for _, layer, head in ranking]
    best = found[0]
    report.line(worst <= LIMIT and not swapped,
                f"{name}: --find it->book ranks {len(found)} heads {'exactly ' if exact else ''}as NumPy, weights within "
                f"{worst:.1e}; first: layer {best['layer']}, head {best['head']}, {best['weight']:.3f}")


def windows_of(model):
    config = model.config
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    return [config.sliding_window if kind == "sliding_attention" else None for kind in kinds]


def check(report, name, program, folder, has_text):
    lancet, model = Lancet(program, folder), eager(folder)
    if has_text:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        prompts, ids = TEXTS, [tokenizer(text)["input_ids"] for text in TEXTS]
    else:
        ids = prompts = [[5], [7, 3, 9, 7, 3, 9], list(range(40))]
    maps = [maps_of(model, x) for x in ids]
    windows, full = windows_of(model), model.config.model_type == "bert"
    documents = check_json(report, name, lancet, prompts, maps, full)
    said = documents[0]["mask"]["windows"]
    report.line(said == windows and [[t["id"] for t in d["tokens"]] for d in documents] == ids,
                f"{name}: tokens and windows as transformers has them")
    with tempfile.TemporaryDirectory() as scratch:
        check_binary(report, name, lancet, prompts[-1], maps[-1], scratch)
    check_choices(report, name, lancet, prompts[2], maps[2])
    for k in range(len(prompts)):
        if len(ids[k]) > 1:  # of one token there are no statistics: refused
            check_heads(report, f"{name}, prompt {k}", lancet, prompts[k], maps[k], ids[k], windows, full)
    if has_text:
        check_find(report, name, lancet, model, tokenizer)


def main():
    program, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    report = Report()
    torch.set_num_threads(2)
    ours = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures")
    groups = ((ours, ["facts"]), (os.environ.get("LANCET_DATA", ""), ["facts-llama"]),
              (os.environ.get("LANCET_REAL", ""), ["smollm2", "gemma3"]))
    for name in RANDOM:
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            make_random(name, folder)
            check(report, name, program, folder, False)
    for parent, group in groups:
        for name in group:
            if names and name not in names:
                continue
            if parent and os.path.isdir(os.path.join(parent, name)):
                check(report, name, program, os.path.join(parent, name), True)
            else:
                report.skip(name, "neither LANCET_DATA nor LANCET_REAL holds it")
    print(f"1..{report.n}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
