"""A token with a cache beside transformers in float32, and beside what memory gives, in turns on the same machine with the same threads:

    bench_decode.py BENCH_DECODE MODEL...
"""

import re
import subprocess
import sys
import time

import torch
import transformers

THREADS, CONTEXT, TOKENS, ROUNDS = 2, 64, 64, 3


def theirs(model):
    """The median second of a token."""
    n, seconds = model.config.vocab_size, []
    with torch.no_grad():
        out = model(torch.tensor([[(i * 7919 + 13) % n for i in range(CONTEXT)]]), use_cache=True, logits_to_keep=1)
        for i in range(TOKENS):
            start = time.perf_counter()
            out = model(torch.tensor([[(i * 104729 + 7) % n]]), past_key_values=out.past_key_values, use_cache=True)
            seconds.append(time.perf_counter() - start)
    return sorted(seconds)[TOKENS // 2]


def ours(program, folder):
    """The median second of a token, bytes a second that it read, and those that memory gave."""
    out = subprocess.run([program, folder, str(THREADS), str(CONTEXT), str(TOKENS), "1"], check=True,
                         capture_output=True, text=True).stdout
    return tuple(float(x) for x in re.search(r"median ([\d.]+) ms, .*: ([\d.]+) GB/s of ([\d.]+)", out).groups())


def main():
    program = sys.argv[1]
    torch.set_num_threads(THREADS)
    transformers.utils.logging.disable_progress_bar()
    for folder in sys.argv[2:]:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        rounds = [(ours(program, folder), theirs(model)) for _ in range(ROUNDS)]
        (token, read, _), other = min(r[0] for r in rounds), min(r[1] for r in rounds)
        memory = max(r[0][2] for r in rounds)
        print(f"{folder}: a token at {CONTEXT} to {CONTEXT + TOKENS}: lancet {token:.1f} ms, transformers {1e3 * other:.1f} ms "
              f"({1e3 * other / token:.2f} times as fast); {read:.1f} GB/s of weights, memory {memory:.1f} "
              f"({100 * read / memory:.0f} %)", flush=True)
        del model


if __name__ == "__main__":
    main()
