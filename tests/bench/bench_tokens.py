"""Opening a tokenizer and encoding a text, beside the tokenizers library in the same run, one thread each:

    bench_tokens.py TOKENIZE_LINES TEXT TOKENIZER.json...

Processor time, the best of three. The text is given as a whole and line by line.
"""

import os
import re
import struct
import subprocess
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer

RUNS = 3


def ours(program, path, texts):
    data = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
    said = [subprocess.run([program, "--quiet", path], input=data, capture_output=True, check=True).stderr.decode()
            for _ in range(RUNS)]
    return [min(float(re.search(pattern, s).group(1)) for s in said) for pattern in (r"opened in (\S+) s", r"in (\S+) s:")]


def theirs(path, texts):
    opened, encoded = [], []
    for _ in range(RUNS):
        start = time.process_time()
        tokenizer = Tokenizer.from_file(path)
        opened.append(time.process_time() - start)
        start = time.process_time()
        for text in texts:
            tokenizer.encode(text)
        encoded.append(time.process_time() - start)
    return min(opened), min(encoded)


def main():
    program, text_path, *paths = sys.argv[1:]
    with open(text_path, encoding="utf-8", newline="") as f:
        text = f.read()
    megabytes = len(text.encode()) / 1e6
    for path in paths:
        for name, texts in ("whole", [text]), ("lines", text.split("\n")):
            (open_a, encode_a), (open_b, encode_b) = ours(program, path, texts), theirs(path, texts)
            print(f"{path}, {name}: open {open_a:.3f} s, tokenizers {open_b:.3f} s ({open_b / open_a:.1f} times as fast); "
                  f"encode {megabytes / encode_a:.1f} MB/s, tokenizers {megabytes / encode_b:.1f} MB/s "
                  f"({encode_b / encode_a:.1f} times as fast)", flush=True)


if __name__ == "__main__":
    main()
