"""A prompt and the tokens after it beside llama.cpp on the same GGUF, in turns on the same machine with the same threads:

    bench_llama.py BENCH_DECODE MODEL.gguf...     (needs llama-cpp-python 0.3.36)
"""

import re
import subprocess
import sys
import time

import llama_cpp

THREADS, PROMPT, TOKENS, ROUNDS = 2, 512, 32, 3


def theirs(model):
    """Seconds of the prompt, and the median of a token's."""
    n = model.n_vocab()
    model.reset()
    start = time.perf_counter()
    model.eval([(i * 7919 + 13) % n for i in range(PROMPT)])
    prompt, seconds = time.perf_counter() - start, []
    for i in range(TOKENS):
        start = time.perf_counter()
        model.eval([(i * 104729 + 7) % n])
        seconds.append(time.perf_counter() - start)
    return prompt, sorted(seconds)[TOKENS // 2]


def ours(program, path):
    out = subprocess.run([program, path, str(THREADS), str(PROMPT), str(TOKENS), "1"], check=True,
                         capture_output=True, text=True).stdout
    prompt, token = re.match(r"prompt ([\d.]+) s, token best [\d.]+ median ([\d.]+) ms", out).groups()
    return float(prompt), float(token) / 1e3


def main():
    program = sys.argv[1]
    for path in sys.argv[2:]:
        model = llama_cpp.Llama(path, n_ctx=1024, n_batch=PROMPT, n_ubatch=PROMPT, n_threads=THREADS,
                                n_threads_batch=THREADS, verbose=False)
        rounds = [(ours(program, path), theirs(model)) for _ in range(ROUNDS)]
        (prompt, token), (other_prompt, other_token) = (
            [min(r[who][what] for r in rounds) for what in (0, 1)] for who in (0, 1))
        print(f"{path}: prompt of {PROMPT}: lancet {prompt:.3f} s, llama.cpp {other_prompt:.3f} s "
              f"({other_prompt / prompt:.2f} times as fast); a token: {1e3 * token:.1f} ms, {1e3 * other_token:.1f} ms "
              f"({token / other_token:.2f} of its time)", flush=True)


if __name__ == "__main__":
    main()
