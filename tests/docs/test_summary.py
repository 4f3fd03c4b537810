#!/usr/bin/env python3
"""The counts of tests/summary.py, which ./check ends with. Prints TAP."""
import json
import os
import subprocess
import sys
import tempfile

SUMMARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "summary.py")

CASES = [  # what, log name, log, options, last line, exit status, a line that has to be there
    ("TAP output counts by subtest", "log.json",
     [{"name": "a", "result": "OK", "stdout": "ok 1 - x\nok 2 - y # SKIP no data\n1..2\n"}], [],
     "1 passed, 0 failed, 1 skipped", 0, "skipped: a: y (no data)"),
    ("a test without TAP counts as one", "log.json",
     [{"name": "a", "result": "OK", "stdout": "fine"}, {"name": "b", "result": "FAIL", "stdout": ""}], [],
     "1 passed, 1 failed, 0 skipped", 1, "failed: b (FAIL)"),
    ("exit status 77 is a skip, its last line the reason", "log.json",
     [{"name": "a", "result": "SKIP", "stdout": "looking\nneeds LANCET_DATA\n"}], [],
     "0 passed, 0 failed, 1 skipped", 0, "skipped: a (needs LANCET_DATA)"),
    ("a crash behind good subtests is a failure", "log.json",
     [{"name": "a", "result": "ERROR", "stdout": "ok 1 - x\n"}], [],
     "1 passed, 1 failed, 0 skipped", 1, "failed: a (ended badly (ERROR))"),
    ("a timeout is a failure", "log.json", [{"name": "a", "result": "TIMEOUT"}], [],
     "0 passed, 1 failed, 0 skipped", 1, "failed: a (TIMEOUT)"),
    ("with --require-data a skip is a failure", "log.json",
     [{"name": "a", "result": "SKIP", "stdout": "needs it"}], ["--require-data"],
     "0 passed, 1 failed, 0 skipped", 1, "failed: a (skipped, but --require-data was given: needs it)"),
    ("plain TAP", "log.tap", "ok 1 - x\nnot ok 2 - y\n# because\n1..2\n", [],
     "1 passed, 1 failed, 0 skipped", 1, "failed: y"),
    ("TAP that ended early", "log.tap", "1..3\nok 1 - x\n", [],
     "1 passed, 1 failed, 0 skipped", 1, None),
    ("a whole TAP that was skipped", "log.tap", "1..0 # SKIP no models\n", [],
     "0 passed, 0 failed, 1 skipped", 0, None),
    ("nothing ran", "log.json", [], [], "0 passed, 1 failed, 0 skipped", 1, "failed: no test ran"),
]


def run(name, log, options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(log if isinstance(log, str) else "".join(json.dumps(line) + "\n" for line in log))
        done = subprocess.run([sys.executable, SUMMARY, *options, path], capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()


def main():
    failed = 0
    for i, (what, name, log, options, last, status, line) in enumerate(CASES, 1):
        got, lines = run(name, log, options)
        ok = got == status and lines[-1] == last and (line is None or line in lines)
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {i} - {what}")
        if not ok:
            print("# exit", got, "; ".join(lines))
    print(f"1..{len(CASES)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
