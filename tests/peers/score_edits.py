#!/usr/bin/env python3
"""Edits one fact after the other with `lancet edit`, defaults only, and lets transformers score the edited files.

usage: score_edits.py --lancet BUILD/lancet --model FOLDER --records FILE [--n 24] [--first 0] [--out FILE.json] [-- OPTIONS OF lancet edit]

The folder is copied first. For each record: `lancet edit COPY --requests FILE --cases I --json`, the changed tensor is read from the file into a transformers
model (f32 arithmetic on the stored values), the scores are taken as ../shared/real/rome_reference.py takes them, `lancet undo COPY` follows, and the SHA-256
of every weight file must be what it was. Records: CounterFact (paraphrase_prompts, neighborhood_prompts) or EasyEdit (rephrase_prompt, locality_prompt).
  efficacy       mean log-probability of the new answer's tokens above the old one's, after the prompt
  paraphrase     the same after paraphrases, mean within a record
  neighbourhood  the neighbour's own answer above the new one, mean within a record
An edit that lancet refuses counts as failed in efficacy and paraphrase. Exit 1 when an undo did not give every byte back or an edit failed otherwise."""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer


def arguments():
    own, extra = sys.argv[1:], []
    if "--" in own:
        extra = own[own.index("--") + 1:]
        own = own[:own.index("--")]
    a = argparse.ArgumentParser()
    a.add_argument("--lancet", required=True)
    a.add_argument("--model", required=True)
    a.add_argument("--records", required=True)
    a.add_argument("--n", type=int, default=24)
    a.add_argument("--first", type=int, default=0)
    a.add_argument("--limit", type=int, help="stop after so many seconds")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--out")
    o = a.parse_args(own)
    o.extra = extra
    return o


def spaced(word):
    """The word as it continues a text: with a space where the script uses them."""
    return word if not word or ord(word[0]) > 0x2e7f or word[0] == " " else " " + word.strip()


def facts(record):
    """prompt, new answer, old answer, paraphrases, [(neighbour prompt, its answer)]"""
    if "requested_rewrite" in record:
        r = record["requested_rewrite"]
        old = r["target_true"]["str"]
        return (r["prompt"].replace("{}", r["subject"]), r["target_new"]["str"], old, record["paraphrase_prompts"],
                [(p, old) for p in record["neighborhood_prompts"]])
    return (record["prompt"], record["target_new"], record["ground_truth"], [record["rephrase_prompt"]],
            [(record["locality_prompt"], record["locality_ground_truth"])])


class Scorer:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        self.model.requires_grad_(False)
        self.parameters = dict(self.model.named_parameters())

    @torch.no_grad()
    def log_probabilities(self, pairs):
        """Mean log p of the target's tokens, and whether each is the most probable, for (prompt, target) pairs."""
        rows = [(self.tokenizer(p).input_ids, self.tokenizer(spaced(t), add_special_tokens=False).input_ids) for p, t in pairs]
        longest = max(len(a) + len(b) for a, b in rows)
        ids = torch.tensor([a + b + [0] * (longest - len(a) - len(b)) for a, b in rows])
        mask = torch.tensor([[1] * (len(a) + len(b)) + [0] * (longest - len(a) - len(b)) for a, b in rows])
        hidden = self.model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        out = []
        for row, (a, b) in enumerate(rows):
            logits = self.model.get_output_embeddings()(hidden[row, len(a) - 1:len(a) + len(b) - 1])
            lp = logits.log_softmax(-1)
            want = torch.tensor(b)
            out.append((lp.gather(1, want[:, None]).mean().item(), bool((lp.argmax(-1) == want).all())))
        return out

    def score(self, record):
        prompt, new, old, paraphrases, neighbours = facts(record)
        pairs = [(prompt, new), (prompt, old)]
        for p in paraphrases:
            pairs += [(p, new), (p, old)]
        for p, answer in neighbours:
            pairs += [(p, answer), (p, new)]
        s = self.log_probabilities(pairs)
        ahead = [float(s[i][0] > s[i + 1][0]) for i in range(0, len(s), 2)]
        k = 1 + len(paraphrases)
        mean = lambda x: sum(x) / len(x) if x else None
        return {"efficacy": ahead[0], "argmax": float(s[0][1]), "paraphrase": mean(ahead[1:k]), "neighbourhood": mean(ahead[k:])}

    def load(self, folder, name):
        """The named tensor as the file has it now; returns what the model had before."""
        key = name if name in self.parameters else "transformer." + name
        old = self.parameters[key].data.clone()
        for file in sorted(os.listdir(folder)):
            if file.endswith(".safetensors"):
                with safe_open(os.path.join(folder, file), "pt") as f:
                    if name in f.keys():
                        self.parameters[key].data.copy_(f.get_tensor(name).float())
                        return key, old
        raise SystemExit(f"{name} is in no file of {folder}")


def weight_digests(folder):
    return {f: hashlib.file_digest(open(os.path.join(folder, f), "rb"), "sha256").hexdigest()
            for f in sorted(os.listdir(folder)) if f.endswith(".safetensors")}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def main():
    o = arguments()
    torch.set_num_threads(o.threads)
    records = json.load(open(o.records))
    work = tempfile.mkdtemp(prefix="score-edits-", dir=os.environ.get("LANCET_SCRATCH"))
    folder = os.path.join(work, "model")
    shutil.copytree(o.model, folder, ignore=shutil.ignore_patterns(".lancet"))
    os.system(f"chmod -R u+w {folder}")
    before, scorer, rows, wrong, start = weight_digests(folder), Scorer(o.model), [], 0, time.time()
    for i in range(o.first, min(o.first + o.n, len(records))):
        if o.limit and time.time() - start > o.limit:
            break
        t = time.time()
        p = run(o.lancet, "edit", folder, "--requests", o.records, "--cases", str(i), "--json", *o.extra)
        row = {"record": i, "exit": p.returncode, "seconds": round(time.time() - t, 2)}
        report = json.loads(p.stdout) if p.stdout.strip() else {"edits": [{}]}
        edit = report["edits"][0]
        row.update(layer=edit.get("layer"), gates={g["name"]: round(g["value"], 4) for g in edit.get("gates", [])}, seconds_of=report.get("seconds"))
        if p.returncode not in (0, 1):
            wrong += 1
            row["error"] = p.stderr.strip()
        if p.returncode == 0 and report.get("committed"):
            key, old = scorer.load(folder, edit["update"]["tensor"])
            row.update(scorer.score(records[i]), evaluations=edit["target_vector"]["evaluations"], norm=round(edit["update"]["relative_norm"], 4))
            scorer.parameters[key].data.copy_(old)
            u = run(o.lancet, "undo", folder)
            row["undone"] = u.returncode == 0 and weight_digests(folder) == before
            wrong += not row["undone"]
            if u.returncode:
                row["error"] = u.stderr.strip()
        else:
            row.update(scorer.score(records[i]))
            row["undone"] = weight_digests(folder) == before
            wrong += not row["undone"]
            if p.returncode:
                row.update(refused=p.stderr.strip().splitlines()[-1:], efficacy=0.0, argmax=0.0, paraphrase=0.0)
        rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)
    n = max(len(rows), 1)
    mean = {k: round(sum(r[k] for r in rows if r.get(k) is not None) / n, 4) for k in ("efficacy", "argmax", "paraphrase", "neighbourhood", "seconds")}
    mean["score"] = round(3 / sum(1 / max(mean[k], 1e-9) for k in ("efficacy", "paraphrase", "neighbourhood")), 4)
    summary = {"model": o.model, "records": len(rows), **mean, "refused": sum("refused" in r for r in rows), "undone": sum(r["undone"] for r in rows), "wrong": wrong}
    print(json.dumps(summary))
    if o.out:
        json.dump({"summary": summary, "rows": rows}, open(o.out, "w"), indent=1, ensure_ascii=False)
    shutil.rmtree(work)
    sys.exit(1 if wrong else 0)


main()
