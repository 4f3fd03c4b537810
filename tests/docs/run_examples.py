#!/usr/bin/env python3
"""Runs the examples of the README and the docs, and compares what they show. Prints TAP, one line an example.

usage: run_examples.py SOURCE LANCET LIBRARY-FOLDER      environment: LANCET_REAL=FOLDER with smollm2 and gemma3 (without: those are not run),
SANITIZE: option for the compiler of programs, when the library was built with it

An example is a fenced block. In ```console a line that begins with "$ " is a command, the lines after it are what it
prints (both streams); "..." stands for any text in a line, or, alone, for any lines. In ```sh every line is run and must
succeed; in ```c is a program, which is compiled with liblancet and run. The examples of a page share one folder, in order. A comment in front of a block says more:
<!-- run: no (reason) -->, <!-- run: real smollm2 --> (a copy of that model lies in the folder), <!-- run: status 1 -->.
LANCET_DOCS_UPDATE=1 writes what was printed into the blocks that differ; read the diff before you commit it.
Numbers agree within 3 %, as processors differ in the last bits; times (0.3 s) and bars are not compared, and how long a command took ("lancet: done
in ...") is said or not.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

FENCE = re.compile(r"(?:^<!-- run: (?P<how>.*?) -->\n+)?^```(?P<kind>console|sh|c)\n(?P<body>.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[,\d]*\d)?(?:\.\d+)?(?:e-?\d+)?(?![\w])")


def pages(root):
    yield "README.md"
    for name in sorted(os.listdir(os.path.join(root, "docs"))):
        if name.endswith(".md"):
            yield "docs/" + name


def commands(kind, body):
    """[(command, expected lines or None)]"""
    if kind == "sh":
        return [(body, None)]
    if kind == "c":
        return [(f"cat >example.c <<'END_OF_C'\n{body}END_OF_C\n"
                 "cc $SANITIZE -std=c11 -Wall -Werror -I$SOURCE/include example.c -L$LIBRARY -llancet -Wl,-rpath,$LIBRARY -o example && "
                 "./example", None)]
    out = []
    for line in body.splitlines():
        if line.startswith("$ "):
            out.append((line[2:], []))
        elif out and out[-1][0].endswith("\\"):
            out[-1] = (out[-1][0] + "\n" + line, out[-1][1])
        elif out:
            out[-1][1].append(line)
    return out


def plain(line):
    line = re.sub(r"[▏▎▍▌▋▊▉█]+", "", line)
    line = re.sub(r"\d+(\.\d+)? (s|ms|MB/s)\b", "TIME", line)
    return re.sub(r"\s+", " ", line).strip()


def same_text(expected, found):
    """without numbers; "..." is any text"""
    pattern = re.escape(NUMBER.sub("0", expected)).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, NUMBER.sub("0", found)) is not None


def same_line(expected, found):
    expected, found = plain(expected), plain(found)
    if not same_text(expected, found):
        return False
    if "..." in expected:
        return True
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(found))
    values = [(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs]
    return all(abs(a - b) <= .03 * max(abs(a), abs(b)) + .02 for a, b in values)


def timed(line):
    """what is only said of work that took long"""
    return line.startswith("lancet: done in ")


def same_lines(expected, found):
    if not expected:
        return not found
    if expected[0].strip() == "...":
        return any(same_lines(expected[1:], found[k:]) for k in range(len(found) + 1))
    return bool(found) and same_line(expected[0], found[0]) and same_lines(expected[1:], found[1:])


def run_block(kind, body, how, folder, environment):
    """a complaint, or nothing; and the block as it should be"""
    complaint, fresh = "", ""
    wanted = int(how.split()[1]) if how.startswith("status") else 0
    for command, expected in commands(kind, body):
        shell = ["sh", "-c", command] if kind == "console" else ["sh", "-e", "-c", command]
        run = subprocess.run(shell, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=900)
        text = run.stdout.decode("utf-8", "replace")
        found = [line.rstrip() for line in text.splitlines() if not timed(line)]
        same = expected is None or same_lines([e.rstrip() for e in expected], found)
        fresh += "".join(line + "\n" for line in ["$ " + command, *(expected if same else found)]) if kind == "console" else body
        if not complaint and run.returncode != wanted:
            complaint = f"$ {command}\nexit status {run.returncode}\n{text}"
        elif not complaint and not same:
            complaint = f"$ {command}\nprinted:\n{text}\nexpected:\n" + "\n".join(expected)
    return complaint, fresh


def models_not_named(root):
    """rows of the architecture table that docs/models.md leaves out"""
    source = os.path.join(root, "src/model")
    rows = [os.path.join(source, f) for f in sorted(os.listdir(source)) if f.startswith("architecture")]
    types = [t for path in rows for t in re.findall(r'\.model_type = "(\w+)"', open(path, encoding="utf-8").read())]
    table = open(os.path.join(root, "docs/models.md"), encoding="utf-8").read()
    return [t for t in types if f"`{t}`" not in table] if types else ["any"]


def main(root, lancet, library):
    n, missing = 1, models_not_named(root)
    failed = bool(missing)
    print(f"{'not ok' if missing else 'ok'} 1 - docs/models.md names every architecture {' '.join(missing)}")
    real = os.environ.get("LANCET_REAL", "")
    for page in pages(root):
        with open(os.path.join(root, page), encoding="utf-8") as f:
            text = f.read()
        pieces, done = [], 0
        with tempfile.TemporaryDirectory() as home:
            os.mkdir(os.path.join(home, "bin"))
            os.mkdir(os.path.join(home, "work"))
            os.symlink(os.path.abspath(lancet), os.path.join(home, "bin", "lancet"))
            environment = {"PATH": os.path.join(home, "bin") + ":" + os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8",
                           "COLUMNS": "100", "HF_HUB_CACHE": "/no/hub", "SOURCE": os.path.abspath(root),
                           "LIBRARY": os.path.abspath(library), "SANITIZE": os.environ.get("SANITIZE", ""),
                           **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
            folder = os.path.join(home, "work")
            for m in FENCE.finditer(text):
                how = m["how"] or ""
                what = f"{page}:{text.count(chr(10), 0, m.start('kind')) + 1} {m['body'].strip().splitlines()[0]}"
                what = what.replace("#", "")[:90]
                model = how.split()[1] if how.startswith("real") else None
                if how.startswith("no") or model and not os.path.isdir(os.path.join(real or "/no", model)):
                    print(f"# not run: {what} ({'needs ' + model + ' in LANCET_REAL' if model else how})")
                    continue
                if model and not os.path.exists(os.path.join(folder, model)):
                    shutil.copytree(os.path.join(real, model), os.path.join(folder, model))
                n += 1
                complaint, fresh = run_block(m["kind"], m["body"], how, folder, environment)
                pieces += [text[done:m.start("body")], fresh]
                done = m.end("body")
                failed += bool(complaint)
                print(f"{'not ok' if complaint else 'ok'} {n} - {what}")
                for line in complaint.splitlines():
                    print("# " + line)
        if "LANCET_DOCS_UPDATE" in os.environ:
            with open(os.path.join(root, page), "w", encoding="utf-8") as f:
                f.write("".join(pieces) + text[done:])
    print(f"1..{n}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
