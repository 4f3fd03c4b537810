"""ROME, r-ROME, p-ROME and covariance cases of edit-golden through the command line: edit_golden.py FOLDER

Compares what `lancet edit` prints (losses, guards, nll before and after) and the change of the written weight with the stored arrays, within the manifest's
tolerances; what `lancet covariance` writes; and that the edits that must be refused are refused for their reason. Only the standard library is used."""
import json
import math
import os
import shutil
import struct
import subprocess
import sys

FOLDER = sys.argv[1]
MANIFEST = json.load(open(os.path.join(FOLDER, "manifest.json")))
KINDS = ("rome", "r-rome", "p-rome")
failures = 0


def tensors(path):
    """name -> (shape, flat list of floats) of an F32 / F64 safetensors file"""
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__" or t["dtype"] not in ("F32", "F64"):
            continue
        a, b = t["data_offsets"]
        letter, size = ("f", 4) if t["dtype"] == "F32" else ("d", 8)
        out[name] = (t["shape"], struct.unpack(f"<{(b - a) // size}{letter}", data[8 + n + a:8 + n + b]))
    return out


def difference(got, expected, columns=1):
    worst = 0
    for c in range(columns):
        g, e = got[c::columns], expected[c::columns]
        if len(g) != len(e):
            return math.inf
        size = math.sqrt(sum(x * x for x in e))
        error = math.sqrt(sum((x - y) ** 2 for x, y in zip(g, e)))
        worst = max(worst, error / size if size else error)
    return worst


def check(case, name, got, expected, columns=1):
    global failures
    d, limit = difference(got, expected, columns), case["tolerance"][name]
    if not d <= limit:
        failures += 1
        print(f"{case['name']}: {name} differs by {d:.3g}, tolerance {limit:g}")


def lancet(*args):
    return subprocess.run(["lancet", *args], capture_output=True, text=True)


def edit_args(case):
    model = os.path.join(FOLDER, case["model"])
    args = ["edit", model, "--requests", f"{model}/requests.json", "--cases", str(case["requests"][0]), "--contexts", f"{model}/contexts.json",
            "--covariance", f"{model}/covariance.safetensors", "--method", case["method"], "--layers", str(case["layers"][0]), "--no-gates", "--json"]
    for name, value in case.get("hyperparameters", {}).items():
        args += ["--set", f"{name}={json.dumps(value)}"]
    return model, args


def run_edit(case):
    global failures
    model, args = edit_args(case)
    shutil.rmtree("edited", ignore_errors=True)
    p = lancet(*args, "--output", "edited")
    if p.returncode:
        failures += 1
        print(f"{case['name']}: exit {p.returncode}: {p.stderr.strip()}")
        return
    edit = json.loads(p.stdout)["edits"][0]
    expected = tensors(os.path.join(FOLDER, case["expected"]))
    loss = edit["target_vector"]["loss"]
    update = edit["update"]
    check(case, "loss", [x for row in loss for x in row], expected["loss"][1], 4)
    check(case, "guards", [update["cosine_c"], update["cosine"], update["relative_norm"], loss[-1][1]], expected["guards"][1])
    check(case, "nll_before", [edit["before"]["nll"]], expected["nll_before"][1])
    check(case, "nll_after", [edit["after"]["nll"]], expected["nll_after"][1])
    name = f"dW.L{case['layers'][0]}"
    if name in expected:
        shape, old = tensors(f"{model}/model.safetensors")[update["tensor"]]
        new = tensors("edited/model.safetensors")[update["tensor"]][1]
        change = [a - b for a, b in zip(new, old)]
        if case["model"] == "gpt2":  # stored [in, out]
            rows, columns = shape
            change = [change[i * columns + j] for j in range(columns) for i in range(rows)]
        check(case, name, change, expected[name][1])


def run_refusal(case):
    global failures
    p = lancet(*edit_args(case)[1], "--dry-run")
    if p.returncode == 0 or case["reason"] .split(" with ")[0] not in p.stderr:
        failures += 1
        print(f"{case['name']}: exit {p.returncode}: {p.stderr.strip()}")


def run_covariance(case):
    global failures
    p = lancet("covariance", os.path.join(FOLDER, case["model"]), "--corpus", os.path.join(FOLDER, case["rows"]), "--layers",
               ",".join(map(str, case["layers"])), "--output", "c.safetensors", "--force")
    if p.returncode:
        failures += 1
        print(f"{case['name']}: exit {p.returncode}: {p.stderr.strip()}")
        return
    got, expected = tensors("c.safetensors"), tensors(os.path.join(FOLDER, case["expected"]))
    for layer in case["layers"]:
        check(case, f"C.L{layer}", got[f"C.L{layer}"][1], expected[f"C.L{layer}"][1])


count = {"edits": 0, "covariances": 0, "refusals": 0}
for case in MANIFEST["cases"]:
    if case["method"] in KINDS:
        run_edit(case)
        count["edits"] += 1
    elif case["method"] == "covariance":
        run_covariance(case)
        count["covariances"] += 1
for case in MANIFEST["refusals"]:
    if case["method"] in KINDS:
        run_refusal(case)
        count["refusals"] += 1
print(", ".join(f"{n} {what}" for what, n in count.items()) + f": {failures} differences")
sys.exit(failures > 0)
