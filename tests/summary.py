#!/usr/bin/env python3
"""Counts test results: summary.py [--require-data] LOG...; the last line is `N passed, N failed, N skipped`.

A LOG is meson's testlog.json (one JSON object a line: a test with TAP output counts as its subtests, any other as one) or,
when its name ends in .tap, plain TAP. Skips and failures are listed with their reasons. Exit status 1: something failed.
"""
import json
import os
import re
import sys

LINE = re.compile(r"^(not )?ok\b\s*\d*\s*(?:-\s*)?(.*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*SKIP\b\s*(.*))?$", re.I)


def parse_tap(text):
    """[(outcome, name, reason)], and whether the plan was kept"""
    results, planned = [], None
    for line in text.splitlines():
        if m := PLAN.match(line):
            planned = int(m[1])
            if planned == 0:
                results.append(("skipped", "", m[2] or ""))
        elif m := LINE.match(line):
            skipped = m[3] and m[3].upper() == "SKIP"
            results.append(("skipped" if skipped else "failed" if m[1] else "passed", m[2], m[4] or ""))
    ran = sum(1 for outcome, name, _ in results if name or outcome != "skipped")
    return results, planned is not None and planned == ran


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def read_test(test):
    """the results of one object of testlog.json"""
    name, result = test["name"], test["result"]
    output = test.get("stdout") or ""
    subtests, _ = parse_tap(output)
    if subtests:
        out = [(outcome, f"{name}: {sub}" if sub else name, reason) for outcome, sub, reason in subtests]
        if result not in ("OK", "SKIP") and not any(outcome == "failed" for outcome, _, _ in out):
            out.append(("failed", name, f"ended badly ({result})"))
        return out
    if result == "SKIP":
        return [("skipped", name, last_line(output))]
    passed = result in ("OK", "EXPECTEDFAIL")
    return [("passed" if passed else "failed", name, "" if passed else result)]


def read_log(path):
    name = os.path.basename(path)
    if not os.path.exists(path):
        return [("failed", name, "no results were written")]
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if not path.endswith(".tap"):
        return [r for line in text.splitlines() if line.strip() for r in read_test(json.loads(line))]
    results, whole = parse_tap(text)
    return results if whole else results + [("failed", name, "the plan was not kept: it ended early or has none")]


def main(arguments):
    require = "--require-data" in arguments
    results = [r for path in arguments if not path.startswith("--") for r in read_log(path)]
    if require:
        results = [("failed", n, "skipped, but --require-data was given: " + why) if o == "skipped" else (o, n, why)
                   for o, n, why in results]
    counts = {outcome: sum(1 for r in results if r[0] == outcome) for outcome in ("passed", "failed", "skipped")}
    for outcome in ("skipped", "failed"):
        for result, name, reason in results:
            if result == outcome:
                print(f"{outcome}: {name}" + (f" ({reason})" if reason else ""))
    if not results:
        print("failed: no test ran")
        counts["failed"] = 1
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
