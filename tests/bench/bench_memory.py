"""How much memory `lancet predict` takes on a model that is much larger:

    bench_memory.py LANCET [FOLDER]

Writes a Llama of 1.1 billion random BF16 weights (2.2 GB; TinyLlama's shape) into FOLDER (a temporary one, on disk) unless it is there, and predicts
from 16 and from 512 token ids. The highest RssAnon + RssShmem, looked at every 10 ms from outside, is printed beside what --json says
and beside the limit of 400 MB: pages that mirror the file do not count. Not on tmpfs, where they would.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import random_model

LIMIT = 400e6


def resident(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return sum(int(line.split()[1]) * 1024 for line in f if line.startswith(("RssAnon:", "RssShmem:")))
    except OSError:
        return 0


def run(program, folder, n):
    ids = ",".join(str(3 + 37 * i % 30000) for i in range(n))
    start, peak = time.monotonic(), 0
    with subprocess.Popen([program, "predict", folder, "--ids", ids, "--json"], stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(.01)
        said = json.load(process.stdout)["memory"]["peak_bytes"]
    return peak, said, time.monotonic() - start


def main(program, folder=None):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        folder = folder or temporary
        path = os.path.join(folder, "model.safetensors")
        if not os.path.exists(path):
            random_model.make("llama", folder)
        failed = False
        for n in 16, 512:
            peak, said, seconds = run(program, folder, n)
            failed |= max(peak, said) >= LIMIT
            print(f"predict of {n} tokens, {os.path.getsize(path) / 1e9:.1f} GB of BF16: {peak / 1e6:.0f} MB beyond the file's pages, --json says "
                  f"{said / 1e6:.0f} MB (limit {LIMIT / 1e6:.0f} MB), {seconds:.1f} s", flush=True)
        return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
