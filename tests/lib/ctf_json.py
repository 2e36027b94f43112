#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a recording with babeltrace2, not with Saker, and prints a JSON object for each event.

usage: ctf_json.py REC [TYPE...]

The names are those of `saker show --json`. An enumeration or a set of flags is its label; its number is there too, as
NAME_number. Strings that cannot be decoded keep their bytes as surrogates.
"""
import json
import re
import subprocess
import sys

HEAD = re.compile(r"^\[(\d+)\] \(\S+\) (\S+ )?(\w+): ")
NUMBER = re.compile(r"-?(?:0x[0-9A-Fa-f]+|\d+(?:\.\d+)?)")
NAME = re.compile(r"\s*(\w+) = ")
ENUM = re.compile(r"\( (.*?) : container = (-?\d+) \)")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
ELEMENT = re.compile(r"\[\d+\] = ")


def unescape(text):
    return text.encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1", "surrogateescape") \
        .decode("utf-8", "surrogateescape") if "\\" in text else text


def value(line, at):
    """(value, its number if it is an enumeration, where it ends)"""
    match = STRING.match(line, at)
    if match:
        return unescape(match.group(1)), None, match.end()
    match = ENUM.match(line, at)
    if match:
        return match.group(1).replace('"', "").replace(" ", ""), int(match.group(2)), match.end()
    match = NUMBER.match(line, at)
    if match:
        return int(match.group(0), 0), None, match.end()
    if line.startswith("[ ", at):
        return array(line, at + 2)
    raise ValueError(f"cannot read a value at column {at}: {line}")


def array(line, at):
    items = []
    while not line.startswith("]", at):
        match = ELEMENT.match(line, at)
        item, _, at = value(line, match.end() if match else at)
        items.append(item)
        at += 2 if line.startswith(", ", at) else 1
    return items, None, at + 1


def group(line, at, into):
    """One `{ name = value, ... }` that begins at `at`; returns where it ends."""
    at += 1
    while True:
        match = NAME.match(line, at)
        if not match:
            return line.index("}", at) + 1
        item, number, at = value(line, match.end())
        into[match.group(1)] = item
        if number is not None:
            into[match.group(1) + "_number"] = number
        at += line.startswith(",", at)


def parse(line):
    match = HEAD.match(line)
    if not match:
        raise ValueError(f"no event: {line}")
    event = {"type": match.group(3), "boot_ns": int(match.group(1))}
    at = match.end()
    while line.startswith("{", at):
        at = group(line, at, event)
        at += 2 if line.startswith(", ", at) else 0
    return event


def main():
    wanted = set(sys.argv[2:])
    done = subprocess.run(["babeltrace2", "--clock-cycles", sys.argv[1]], stdout=subprocess.PIPE, check=False)
    for line in done.stdout.decode("utf-8", "surrogateescape").splitlines():
        event = parse(line)
        if not wanted or event["type"] in wanted:
            print(json.dumps(event))
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
