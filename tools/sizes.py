#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports how long functions and files are; fails over the limits.

usage: sizes.py [--worst N] ROOT

A function is the lines between a { and the next } in column 0. Limits: 100 lines a function, 800 a .c file,
250 a .h file. House style aims at a median of 15 and a 90th percentile of 50.
"""
import argparse
import pathlib
import sys

FUNCTION_MAX, C_MAX, H_MAX = 100, 800, 250
FOLDERS = ("src", "tests", "bench", "demo", "tools")


def sources(root):
    for folder in FOLDERS:
        yield from sorted(p for p in (root / folder).rglob("*.[ch]") if p.is_file() and ".gen." not in p.name)


def functions(lines):
    """(first line number, name, lines of the body)"""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif start and line.startswith("}"):
            yield start, signature(lines, start), number - start - 1
            start = None


def signature(lines, start):
    """The name of the function whose { is on line `start`."""
    i = start - 2
    while i > 0 and "(" not in lines[i]:
        i -= 1
    name, _, rest = lines[i].partition("(")
    name = name.split()[-1].lstrip("*") if name.split() else "?"
    return rest.split(",")[0].strip(")") if name.isupper() else name  # BPF_PROG(name, ...)


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0


def report(found, files, worst):
    lengths = sorted(f[0] for f in found)
    total = sum(f[0] for f in files)
    print(f"{len(lengths)} functions: median {percentile(lengths, 0.5)} lines, 90th percentile "
          f"{percentile(lengths, 0.9)}, longest {percentile(lengths, 1)}; {len(files)} files, {total} lines")
    for length, path, line, name in sorted(found, reverse=True)[:worst]:
        print(f"  {length:4} {path}:{line} {name}()")
    for length, path in sorted(files, reverse=True)[:worst]:
        print(f"  {length:4} {path}")


def violations(found, files):
    for length, path, line, name in found:
        if length > FUNCTION_MAX:
            yield f"{path}:{line}: {name}() has {length} lines, over {FUNCTION_MAX}"
    for length, path in files:
        limit = H_MAX if path.suffix == ".h" else C_MAX
        if length > limit:
            yield f"{path}: {length} lines, over {limit}"


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--worst", type=int, default=5)
    args.add_argument("root", type=pathlib.Path)
    args = args.parse_args()
    found, files = [], []
    for path in sources(args.root):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        short = path.relative_to(args.root)
        files.append((len(lines), short))
        found += [(length, short, line, name) for line, name, length in functions(lines)]
    report(found, files, args.worst)
    wrong = list(violations(found, files))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
