"""All attention maps of 512 tokens to JSON, beside transformers (eager, output_attentions) and json, on the same machine
with the same threads, and the most memory that lancet holds meanwhile:

    bench_attention.py LANCET [FOLDER]

GPT-2-small's shape with random weights: 12 layers, 12 heads, 37.7 million numbers. The model and the dumps lie in a folder
of their own in FOLDER (default: the system's for temporary files), which should be on a disk: on tmpfs mapped weights would
count as memory in use. lancet's time is that of the whole command, with the start of the program; the other's is from ids
to file, with everything loaded. Processor time stands beside it, for machines with other work."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

import torch
import transformers

THREADS, TOKENS, ROUNDS = 2, 512, 3


def resident(pid):
    """RssAnon + RssShmem in bytes, 0 when the process is gone"""
    try:
        with open(f"/proc/{pid}/status") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith(("RssAnon", "RssShmem")))
    except OSError:
        return 0


def processor_time_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ours(lancet, folder, ids, out):
    """seconds, processor seconds, bytes"""
    start, processor = time.perf_counter(), processor_time_of_children()
    process = subprocess.Popen([lancet, "--threads", str(THREADS), "attention", folder, "--ids", ",".join(map(str, ids)),
                                "--format", "json", "-o", out, "--force"])
    most = 0

    def watch():
        nonlocal most
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    if process.wait():
        sys.exit("lancet failed")
    seconds = time.perf_counter() - start
    watcher.join()
    return seconds, processor_time_of_children() - processor, most


def theirs(model, ids, out, in_one_string):
    """seconds, processor seconds"""
    start, processor = time.perf_counter(), time.process_time()
    with torch.no_grad():
        maps = model(torch.tensor([ids]), output_attentions=True, use_cache=False, logits_to_keep=1).attentions
    document = {"tokens": ids, "attention": [layer[0].tolist() for layer in maps]}
    with open(out, "w") as file:
        if in_one_string:
            file.write(json.dumps(document))
        else:
            json.dump(document, file)
    return time.perf_counter() - start, time.process_time() - processor


def main():
    lancet = os.path.abspath(sys.argv[1])
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    ids = [(i * 7919 + 13) % 50257 for i in range(TOKENS)]
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as scratch:
        folder, out = os.path.join(scratch, "model"), os.path.join(scratch, "maps.json")
        config = transformers.GPT2Config(attn_implementation="eager")
        model = transformers.GPT2LMHeadModel(config).eval()
        model.save_pretrained(folder)
        runs = [ours(lancet, folder, ids, out) for _ in range(ROUNDS)]
        seconds, processor, most = min(run[0] for run in runs), min(run[1] for run in runs), max(run[2] for run in runs)
        print(f"attention of {TOKENS} tokens, 12 layers x 12 heads, to JSON: lancet {seconds:.2f} s, processor {processor:.2f} s, "
              f"most memory {most / 1e6:.0f} MB, file {os.path.getsize(out) / 1e6:.0f} MB", flush=True)
        for name, in_one_string in (("json.dump", False), ("json.dumps", True)):
            other, other_processor = theirs(model, ids, out, in_one_string)
            print(f"  transformers (eager, float32) + {name}: {other:.1f} s, {other / seconds:.1f} times as long; processor "
                  f"{other_processor:.1f} s, {other_processor / processor:.1f} times", flush=True)


if __name__ == "__main__":
    main()
