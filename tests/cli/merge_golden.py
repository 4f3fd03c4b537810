"""The cases of merge-golden that lancet can do: with the default semantics the stored f64 references bit for bit, with mergekit's
semantics mergekit's output within the manifest's tolerance; what must be refused is refused. Only the standard library is used."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.environ["CASES"])
import merge_model as model

folder, here = sys.argv[1], os.getcwd()
METHODS = ("linear", "task_arithmetic", "slerp", "passthrough")
LATER = ("tokenizer-", "lora-reference", "chat-template")
# The default semantics put the final norm and the head at the end of a gradient, mergekit at its beginning.
GRADIENT = {"task-arithmetic-gradients-bf16": {"model.norm.weight", "lm_head.weight"}}
# The default semantics want a word about the head of a tied model.
REFUSED_BY_DEFAULT = ("linear-tied-with-untied",)
out = f"{here}/out"


def merge(case, semantics):
    shutil.rmtree(out, ignore_errors=True)
    p = subprocess.run(["lancet", "--quiet", "merge", case["recipe"], "--output", out, "--semantics", semantics], capture_output=True,
                       text=True)
    return p.returncode, p.stderr.strip()


def refused(case, semantics):
    status, text = merge(case, semantics)
    if status not in (2, 4, 5, 6, 7) or os.path.exists(out):
        print(f"{case['name']}, {semantics}: not refused: exit {status} {text}")


def exact(case):
    status, text = merge(case, "lancet")
    if status:
        print(f"{case['name']}: exit {status}: {text}")
    elif case.get("expected_f64"):
        got, want = model.read(out), model.read(case["expected_f64"])
        other = {t for t in want if got.get(t) != want[t]} | set(got) - set(want)
        for t in sorted(other - GRADIENT.get(case["name"], set())):
            print(f"{case['name']}: {t} is not the stored f64 reference")


def near_mergekit(case):
    status, text = merge(case, "mergekit")
    if status:
        print(f"{case['name']}, mergekit: exit {status}: {text}")
        return
    got, want = model.read(out), model.read(case["expected"])
    if set(got) != set(want):
        print(f"{case['name']}, mergekit: other tensors")
        return
    for t in want:
        a, b = model.unpack(*got[t][::2]), model.unpack(*want[t][::2])
        worst, largest = max(abs(x - y) for x, y in zip(a, b)), max(map(abs, b))
        if got[t][:2] != want[t][:2] or worst > case["tolerance"] * largest:
            print(f"{case['name']}, mergekit: {t} differs by {worst:.3g}, its largest value is {largest:.3g}")


os.chdir(folder)
with open("manifest.json") as f:
    cases = [c for c in json.load(f)["cases"] if c["method"] in METHODS]
for case in cases:
    if case.get("expect") == "refuse" or case["name"].startswith(LATER):
        refused(case, "lancet")
        refused(case, "mergekit")
        continue
    if case["name"] in REFUSED_BY_DEFAULT:
        refused(case, "lancet")
    else:
        exact(case)
    near_mergekit(case)
print(f"{len(cases)} cases")
