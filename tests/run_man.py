#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares every command's --help with its manual page: the same options in both, as TAP.

usage: run_man.py SAKER docs/man
"""
import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
COMMON = {"--help", "--usage", "-?", "--version", "-V"}


def output(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def commands(saker):
    return re.findall(r"^  ([a-z]+) +(.*)$", output(saker, "--help"), re.M)


def helped(saker, command):
    """The options that --help lists, at the heads of its lines."""
    heads = re.findall(r"^  +(-.*?)(?:  |$)", output(saker, command, "--help"), re.M)
    return {option for head in heads for option in OPTION.findall(head)} - COMMON


def described(page):
    """The options that the page describes: the lines after .TP."""
    heads = re.findall(r"^\.TP.*\n(.*)$", page.replace("\\-", "-"), re.M)
    return {option for head in heads for option in OPTION.findall(re.sub(r"\\f[BIR]", "", head))}


def main(saker, folder):
    found = commands(saker)
    failed = not found
    for count, (command, _) in enumerate(found, 1):
        path = pathlib.Path(folder, f"saker-{command}.1")
        page = path.read_text(encoding="utf-8") if path.exists() else ""
        want, has = helped(saker, command), described(page)
        right = bool(page) and want == has
        failed |= not right
        if not right:
            print(f"# {path}: lacks {sorted(want - has)}, has too much {sorted(has - want)}")
        print(f"{'ok' if right else 'not ok'} {count} - {path.name} describes the options of saker {command}")
    overview = pathlib.Path(folder, "saker.1").read_text(encoding="utf-8").replace("\\-", "-")
    missing = [command for command, about in found if f".BR saker-{command} (1)\n{about}\n" not in overview]
    failed |= bool(missing)
    print(f"{'not ok' if missing else 'ok'} {len(found) + 1} - saker.1 lists every command as --help does {missing or ''}")
    print(f"1..{len(found) + 1}")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
