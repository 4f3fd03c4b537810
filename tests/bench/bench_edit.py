"""One r-ROME edit beside PyTorch: the published loop, and the loop that computes only what lies above the layer.

    bench_edit.py LANCET REFERENCE MODEL RECORDS CORPUS LAYER LR CLAMP [N]

REFERENCE is rome_reference.py of the shared data, CORPUS a text file. Same records, layer, contexts, steps and threads;
neither edit time holds the covariance, which has a line of its own. Ours is the whole process (`lancet edit --covariance FILE --dry-run --no-gates`: opening
the model, the edit, rounding, the answers before and after); theirs the edit alone, with the model loaded."""

import json
import re
import subprocess
import sys
import tempfile
import time

STEPS, THREADS, TOKENS = 25, 2, 20000


def reference(program, model, records, corpus, layer, lr, clamp, n, *extra):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run([sys.executable, program, model, records, out.name, "--layers", layer, "--n", n, "--steps", str(STEPS), "--lr", lr,
                        "--clamp", clamp, "--tokens", str(TOKENS), "--corpus", corpus, "--threads", str(THREADS), *extra],
                       check=True, capture_output=True, text=True)
        result = json.load(open(out.name))
    covariance = float(re.search(r"^covariance ([0-9.]+) s", done.stdout, re.M)[1])
    return result["contexts"], result[layer], covariance


def ours(lancet, model, records, covariance, contexts, layer, lr, clamp, n):
    seconds, inside, steps = [], [], []
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"contexts": contexts}, file)
        file.flush()
        for i in range(n):
            start = time.perf_counter()
            done = subprocess.run([lancet, "edit", model, "--requests", records, "--cases", str(i), "--layers", layer, "--contexts", file.name,
                                   "--covariance", covariance, "--set", f"lr={lr}", "--set", f"clamp={clamp}", "--set", f"steps={STEPS}",
                                   "--set", "enough=10000", "--dry-run", "--no-gates", "--json", "--threads", str(THREADS)],
                                  capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - start)
            edit = json.loads(done.stdout)
            inside.append(edit["seconds"]["edit"] if "seconds" in edit else float("nan"))
            steps.append(edit["edits"][0]["target_vector"]["evaluations"])
    return sum(seconds) / n, sum(inside) / n, sum(steps) / n


def main():
    if len(sys.argv) < 9:
        sys.exit(__doc__)
    lancet, program, model, records, corpus, layer, lr, clamp = sys.argv[1:9]
    n = int(sys.argv[9]) if len(sys.argv) > 9 else 4
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as covariance:
        start = time.perf_counter()
        subprocess.run([lancet, "covariance", model, "--corpus", corpus, "--tokens", str(TOKENS), "--layers", layer, "-o", covariance.name, "--force",
                        "--threads", str(THREADS)], check=True, capture_output=True)
        covariance_rate = TOKENS / (time.perf_counter() - start)
        contexts, published, seconds = reference(program, model, records, corpus, layer, lr, clamp, str(n), "--published")
        _, above, _ = reference(program, model, records, corpus, layer, lr, clamp, str(n))
        whole, inside, steps = ours(lancet, model, records, covariance.name, contexts, layer, lr, clamp, n)
    print(f"covariance of {TOKENS} tokens: lancet {covariance_rate:.0f} tokens/s, the whole process; the reference {TOKENS / seconds:.0f}, "
          f"lancet {covariance_rate * seconds / TOKENS:.1f} times as fast")
    print(f"an edit, mean of {n}: lancet {whole:.2f} s ({steps:.1f} steps; {inside:.2f} s of it the edit); published loop {published['seconds_an_edit']:.2f} s "
          f"({published['steps']:.1f} steps), {published['seconds_an_edit'] / whole:.1f} times as long; above the layer only "
          f"{above['seconds_an_edit']:.2f} s, {above['seconds_an_edit'] / whole:.1f} times")


main()
