#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks every #include in src/ against the layers table of src/meson.build.

usage: layers.py SRC [--stamp FILE]

A module may include headers of itself and of the modules on its line, and a line may only name modules above it.
The build runs this with --stamp and fails when it fails.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def read_table(path):
    """{module: [modules it may use]} in the order of the file."""
    body = re.search(r"^layers = \{\n(.*?)^\}", path.read_text(encoding="utf-8"), re.M | re.S)
    if not body:
        sys.exit(f"{path}: no table 'layers'")
    rows = re.findall(r"^\s*'(\w+)': \[(.*?)\],$", body[1], re.M)
    return {name: re.findall(r"'(\w+)'", uses) for name, uses in rows}


def check_table(path, table):
    above = set()
    for module, uses in table.items():
        for use in uses:
            if use not in above:
                yield f"{path}: {module} names {use}, which is not above it"
        above.add(module)


def check_include(module, uses, header):
    """Why this include is wrong, or None."""
    parts = header.split("/")
    if ".." in parts:
        return f'"{header}": a path from src/ on, without ".."'
    if len(parts) == 1 or parts[0] in [module] + uses:
        return None
    return f'"{header}": {module} may use only {", ".join(uses) or "itself"}'


def check_file(path, module, uses):
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        wrong = found and check_include(module, uses, found[1])
        if wrong:
            yield f"{path}:{number}: {wrong}"


def check(src):
    table = read_table(src / "meson.build")
    yield from check_table(src / "meson.build", table)
    for path in sorted(p for p in src.rglob("*.[ch]") if p.is_file()):
        module = path.relative_to(src).parts[0]
        if module not in table:
            yield f"{path}: no line for '{module}' in {src}/meson.build"
        else:
            yield from check_file(path, module, table[module])


def main(args):
    stamp = args[2] if len(args) == 3 and args[1] == "--stamp" else None
    if not args or (len(args) != 1 and not stamp):
        sys.exit(__doc__)
    wrong = list(check(pathlib.Path(args[0])))
    if wrong:
        sys.exit("\n".join(wrong))
    if stamp:
        pathlib.Path(stamp).touch()


if __name__ == "__main__":
    main(sys.argv[1:])
