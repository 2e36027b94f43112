#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every source file names the right licence in its first lines.

usage: spdx.py ROOT

BPF programs, BPF headers and what is shared into them or generated for them are GPL-2.0-only OR BSD-2-Clause;
everything else is Apache-2.0.
"""
import os
import pathlib
import re
import sys

APACHE, BPF = "Apache-2.0", "GPL-2.0-only OR BSD-2-Clause"
SHARED = {"src/event/header.h", "src/event/type.h", "src/event/events.def", "tools/eventgen.py", "src/probe/recognise.h",
          "src/probe/recognise_binary.h", "src/probe/recognise_head.h", "src/packet/cursor.h", "src/packet/hash.h",
          "src/packet/meta.h", "src/packet/parse.h", "src/packet/parse_inner.h", "src/packet/sum.h", "src/packet/wire.h",
          "src/net/reasons.def"}
KINDS = {".c", ".h", ".py", ".sh", ".def", ".js", ".mjs", ".css", ".html"}
SKIP = re.compile(r"^(\.git|build.*|dist|rec|LICENSES|corpus|__pycache__)$")
LINE = re.compile(r"SPDX-License-Identifier: (.+?)\s*(?:\*/|-->)?$")


def is_source(path):
    if path.suffix in KINDS:
        return True
    if path.suffix or path.is_symlink():
        return False
    with open(path, "rb") as f:
        return f.read(2) == b"#!"


def files(root):
    for folder, names, leaves in os.walk(root):
        names[:] = sorted(n for n in names if not SKIP.match(n))
        for leaf in sorted(leaves):
            path = pathlib.Path(folder, leaf)
            if path.is_file() and is_source(path):
                yield path


def wanted(short):
    shared = short in SHARED or short.startswith("src/kernel/bpf/") or short.endswith((".bpf.c", ".bpf.h"))
    return BPF if shared else APACHE


def named(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for _ in range(3):
            found = LINE.search(f.readline().rstrip())
            if found:
                return found[1]
    return "nothing"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root, wrong, count = pathlib.Path(sys.argv[1]), [], 0
    for path in files(root):
        short = path.relative_to(root).as_posix()
        count += 1
        if named(path) != wanted(short):
            wrong.append(f"{short}: names {named(path)}, should name {wanted(short)}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{count} files")


if __name__ == "__main__":
    main()
