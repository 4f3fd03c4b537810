"""Forward of 512 tokens beside transformers in float32, in turns on the same machine with the same threads:

    bench_forward.py BENCH_FORWARD MODEL...     (OPENBLAS_CORETYPE as the program would set it: docs/benchmarks.md)

random_model.py writes random models of the shapes of GPT-2 small and TinyLlama.
"""

import subprocess
import sys
import time

import torch
import transformers

THREADS, TOKENS, RUNS, ROUNDS = 2, 512, 3, 2


def theirs(model, ids, keep):
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        with torch.no_grad():
            model(ids, logits_to_keep=keep, use_cache=False)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    program = sys.argv[1]
    torch.set_num_threads(THREADS)
    transformers.utils.logging.disable_progress_bar()
    for folder in sys.argv[2:]:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = torch.tensor([[(i * 7919 + 13) % model.config.vocab_size for i in range(TOKENS)]])
        best = {}
        for _ in range(ROUNDS):
            out = subprocess.run([program, folder, str(THREADS), str(TOKENS), str(RUNS)], check=True,
                                 capture_output=True, text=True).stdout
            for line in out.splitlines()[:2]:
                kind, _, seconds = line.split()[:3]
                best["ours", kind] = min(best.get(("ours", kind), 1e9), float(seconds))
            for kind, keep in (("last", 1), ("all", 0)):
                best["theirs", kind] = min(best.get(("theirs", kind), 1e9), theirs(model, ids, keep))
        for kind in ("last", "all"):
            ours, other = best["ours", kind], best["theirs", kind]
            print(f"{folder}: {TOKENS} tokens, logits of {kind}: lancet {ours:.3f} s, transformers {other:.3f} s "
                  f"(sdpa, float32), {other / ours:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
