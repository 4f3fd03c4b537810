"""The logit lens beside transformers, live:

    test_lens.py LANCET [NAME ...]

Models: a trained fixture of ours, random ones (a Gemma 3 whose window is short, a Llama whose head is not tied), SmolLM2 and Gemma 3
(LANCET_REAL). transformers gives hidden states in float32; each goes through its own final norm and head. The state after the last
layer is taken before the norm, from a hook. Limits: every logit shown within 2e-4 of the standard deviation of its row, the same
tokens in the same order wherever neighbours differ by more than that, ranks within the tokens that lie so near, probabilities within 1e-4.
The last row equals the logits of `predict --logits`, bit for bit. Prints TAP.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers

transformers.utils.logging.disable_progress_bar()

LIMIT, PROBABILITY_LIMIT, TOP = 2e-4, 1e-4, 5
IDS = [5, 17, 4, 60, 33, 2, 96, 8, 41, 77, 17, 4]
TEXTS = ["The capital of France is", "全世界最高的山是", "a"]


def random_gemma():
    return transformers.Gemma3TextConfig(vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=7,
                                         num_attention_heads=4, num_key_value_heads=2, head_dim=16, sliding_window=5,
                                         max_position_embeddings=256, query_pre_attn_scalar=24)


def random_llama():
    return transformers.LlamaConfig(vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=3,
                                    num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=256,
                                    tie_word_embeddings=False)


def make(config, folder):
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, .14)
    model.save_pretrained(folder)


def final_norm(model):
    base = model.base_model
    return getattr(base, "norm", None) or getattr(base, "ln_f", None)


def expected_logits(model, ids):
    """[layers, T, V]"""
    states, norm = [], final_norm(model)
    hook = norm.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True)
        hook.remove()
        layers = [*out.hidden_states[1:-1], states[0]]
        logits = torch.stack([model.lm_head(norm(state))[0] for state in layers])
    assert torch.equal(logits[-1], out.logits[0])
    return logits.numpy()


def lancet(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def cell_error(cell, row, target):
    """of one row of logits, in standard deviations; complaints"""
    deviation = row.std()
    worst = max(abs(t["logit"] - row[t["id"]]) for t in cell["top"])
    worst = max(worst, abs(cell["target"]["logit"] - row[target])) / deviation
    near = LIMIT * deviation
    order = np.sort(row)[::-1]
    right = all(abs(row[t["id"]] - order[k]) <= 2 * near for k, t in enumerate(cell["top"]))
    low, high = (row > row[target] + 2 * near).sum() + 1, (row >= row[target] - 2 * near).sum()
    right = right and low <= cell["target"]["rank"] <= high
    p = np.exp(row.astype(np.float64) - row.max())
    p /= p.sum()
    right = right and abs(cell["target"]["probability"] - p[target]) < PROBABILITY_LIMIT
    return worst, right and all(abs(t["probability"] - p[t["id"]]) < PROBABILITY_LIMIT for t in cell["top"])


def last_row_equals(program, folder, ids, document):
    """Whether the cells of the last layer are the logits of predict to the last bit."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "l.npy")
        lancet(program, "predict", folder, "--ids", ids, "--logits", path)
        logits = np.load(path)
    last = max(cell["layer"] for cell in document["cells"])
    return all(t["logit"] == float(logits[cell["position"], t["id"]]) for cell in document["cells"] if cell["layer"] == last
               for t in cell["top"])


def compare(program, folder, model, ids):
    expected = expected_logits(model, ids)
    target = int(expected[-1, -1].argsort()[-2])
    text = ",".join(map(str, ids))
    document = json.loads(lancet(program, "lens", folder, "--ids", text, "--tokens", ":", "--top", str(TOP), "--target-id",
                                 str(target), "--json"))
    assert len(document["cells"]) == expected.shape[0] * len(ids)
    worst, right = 0, True
    for cell in document["cells"]:
        error, fine = cell_error(cell, expected[cell["layer"], cell["position"]], target)
        worst, right = max(worst, error), right and fine
    return worst, right and last_row_equals(program, folder, text, document)


def main():
    program, names = sys.argv[1], sys.argv[2:]
    torch.set_num_threads(2)
    n = failed = 0
    with tempfile.TemporaryDirectory() as work:
        jobs = []
        for name, config in (("random gemma3", random_gemma()), ("random llama", random_llama())):
            folder = os.path.join(work, name.replace(" ", "-"))
            make(config, folder)
            jobs.append((name, folder, [IDS]))
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        real = os.environ.get("LANCET_REAL", "/no")
        for name, folder in (("facts", os.path.join(root, "fixtures", "facts")), ("smollm2", os.path.join(real, "smollm2")),
                             ("gemma3", os.path.join(real, "gemma3"))):
            if os.path.isdir(folder):
                tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
                jobs.append((name, folder, [tokenizer(text)["input_ids"] for text in TEXTS]))
            else:
                n += 1
                print(f"ok {n} {name} # SKIP LANCET_REAL does not hold it", flush=True)
        for name, folder, prompts in jobs:
            if names and name not in names:
                continue
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            results = [compare(program, folder, model, ids) for ids in prompts]
            worst, right = max(r[0] for r in results), all(r[1] for r in results)
            n += 1
            ok = right and worst <= LIMIT
            failed += not ok
            print(f"{'ok' if ok else 'not ok'} {n} {name}: logits of every layer differ by {worst:.1e} of their deviation (limit {LIMIT:.0e}), "
                  f"order, ranks, probabilities and the last row {'equal' if right else 'DIFFER'}", flush=True)
    print(f"1..{n}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
