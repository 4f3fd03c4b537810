"""Perplexity beside the loop of Hugging Face's documentation ("Perplexity of fixed-length models"), live:

    test_perplexity.py LANCET

Models: a trained fixture of ours, SmolLM2 (no beginning of text) and Gemma 3 (with one), the latter both ways: with the beginning of text in
front of every window, and of the first only (the recipe). The loop scores each token once, with the context that its window
gives it; means are over all tokens scored. Limit: mean losses within 1e-4 of each other. Prints TAP.
"""

import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers

transformers.utils.logging.disable_progress_bar()

LIMIT = 1e-4
TEXT = ("Robert Boulter is an English film, television and theatre actor. He had a guest-starring role on the television series "
        "The Bill in 2000. This was followed by a starring role in the play Herons written by Simon Stephens, which was performed "
        "in 2001 at the Royal Court Theatre. 他在2002年出演了电视剧。\n\n") * 2


def loop(model, ids, prefix, window, stride, every):
    """Sum of losses and number of tokens scored; ids without the prefix."""
    if not every:
        ids, prefix = prefix + ids, []
    content = window - len(prefix)
    done, nll, n = (0 if prefix else 1), 0.0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + content, len(ids))
        chunk = torch.tensor([prefix + ids[begin:end]])
        with torch.no_grad():
            logits = torch.log_softmax(model(chunk).logits[0].double(), -1)
        for at in range(done, end):
            row = at - begin + len(prefix) - 1
            nll -= logits[row, ids[at]].item()
            n += 1
        done = end
        if end == len(ids):
            return nll, n


def main():
    program, real = sys.argv[1], os.environ.get("LANCET_REAL", "/no")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    torch.set_num_threads(2)
    n = failed = 0
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "text")
        with open(path, "w", encoding="utf-8") as f:
            f.write(TEXT)
        for name, folder in (("facts", os.path.join(root, "fixtures", "facts")), ("smollm2", os.path.join(real, "smollm2")),
                             ("gemma3", os.path.join(real, "gemma3"))):
            if not os.path.isdir(folder):
                n += 1
                print(f"ok {n} {name} # SKIP LANCET_REAL does not hold it", flush=True)
                continue
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
            with_prefix = tokenizer(TEXT)["input_ids"]
            prefix = with_prefix[:len(with_prefix) - len(ids)]
            for window, stride, where in ((64, 32, "every"), (48, 7, "first"), (90, 64, "first")):
                nll, scored = loop(model, ids, prefix, window, stride, where == "every")
                run = subprocess.run([program, "perplexity", folder, path, "--window", str(window), "--stride", str(stride), "--prefix", where,
                                      "--json"], check=True, capture_output=True, text=True)
                total = json.loads(run.stdout)["total"]
                skipped = "" if prefix else tokenizer.decode(ids[:1])
                n_bytes = len(TEXT.encode()) - len(skipped.encode())
                error = abs(total["nll_per_token"] - nll / scored)
                right = total["tokens"] == scored and total["bytes"] == n_bytes
                right = right and abs(total["nll_per_byte"] * n_bytes - nll) < LIMIT * scored
                n += 1
                ok = right and error <= LIMIT
                failed += not ok
                print(f"{'ok' if ok else 'not ok'} {n} {name}, window {window}, stride {stride}, prefix {where}: {total['nll_per_token']:.5f} a token, "
                      f"{error:.1e} from the loop's (limit {LIMIT:.0e}); tokens and bytes {'equal' if right else 'DIFFER'}", flush=True)
    print(f"1..{n}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
