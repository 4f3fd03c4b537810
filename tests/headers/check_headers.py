#!/usr/bin/env python3
"""Every header compiles alone, with no more than its layer may see; nothing includes through "../". Prints TAP.

usage: check_headers.py SOURCE CC...
"""
import os
import re
import subprocess
import sys

ENGINE = ["src/core", "src/format", "src/tensor", "src/text", "src/model"]
PRODUCT = ENGINE + ["src/cli"]
LAYERS = {  # folder: what its headers may include
    "src/core": ENGINE[:1],
    "src/format": ENGINE[:2],
    "src/tensor": ENGINE[:3],
    "src/text": ENGINE[:4],
    "src/model": ENGINE,
    "src/cli": ["src/core", "src/cli"],
    "src/commands": PRODUCT + ["src/commands", "fixtures"],
    "src": PRODUCT + ["src", "src/commands", "edit", "merge", "inspect"],
    "edit": PRODUCT + ["edit"],
    "merge": PRODUCT + ["merge"],
    "inspect": PRODUCT + ["inspect"],
    "fixtures": ["fixtures"],
    "include": ["include"],
}
LIBRARIES = ["openblas", "lapacke", "libcjson", "zlib", "libcrypto", "libpcre2-8", "libutf8proc", "popt", "yaml-0.1", "libpng"]


def library_flags():
    out = []
    for name in LIBRARIES:
        run = subprocess.run(["pkg-config", "--cflags", name], capture_output=True, text=True)
        out += run.stdout.split() if run.returncode == 0 else []
    return out


def sources(root):
    for folder in ("src", "edit", "merge", "inspect", "fixtures", "include", "tests"):
        for where, folders, names in os.walk(os.path.join(root, folder)):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(where, name), root)


def compiles(root, compiler, flags, header):
    includes = [f"-I{os.path.join(root, d)}" for d in LAYERS[os.path.dirname(header)]]
    run = subprocess.run(compiler + ["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-x", "c",
                                     *includes, *flags, "-"], capture_output=True, text=True,
                         input=f'#include "{os.path.basename(header)}"\n#include "{os.path.basename(header)}"\n')
    return run.stderr


def main(root, *compiler):
    flags, n, failed, names = library_flags(), 0, 0, {}

    def result(what, complaint):
        nonlocal n, failed
        n += 1
        failed += bool(complaint)
        print(f"{'not ok' if complaint else 'ok'} {n} - {what}")
        for line in complaint.splitlines()[:20]:
            print("# " + line)

    climbing, twice = [], []
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        climbing += [f"{path}: {m}" for m in re.findall(r'#\s*include\s*"\.\./.*', text)]
        if not path.startswith("tests/"):
            twice += [f"{path} and {names[os.path.basename(path)]}"] if os.path.basename(path) in names else []
            names[os.path.basename(path)] = path
        if path.endswith(".h") and not path.startswith("tests/"):
            known = os.path.dirname(path) in LAYERS
            result(path, compiles(root, list(compiler), flags, path) if known else "its folder is in no layer")
    result("no include climbs through ../", "\n".join(climbing))
    result("file names are unique", "\n".join(twice))
    print(f"1..{n}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
