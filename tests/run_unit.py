#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads meson's testlog.json; prints the test cases of all test programs as one TAP stream.

A program that fails without a failed case, or whose cases fall short of its plan, is a failed case itself.
"""
import json
import re
import sys

CASE = re.compile(r"^(not )?ok\b(?:\s+\d+)?(?:\s+-)?\s*(.*)$")


def cases(test):
    """(passed, words) of each test case"""
    found, planned = [], 0
    for line in test.get("stdout", "").splitlines():
        case = CASE.match(line)
        if case:
            skipped = re.search(r"# *skip", case[2], re.I)
            found.append((not case[1] or bool(skipped), case[2]))
        elif line.startswith("1.."):
            planned += int(re.match(r"1\.\.(\d+)", line)[1])
    whole = len(found) >= max(planned, 1) and (test["returncode"] == 0 or any(not ok for ok, _ in found))
    if not whole:
        found.append((False, f"{test['result'].lower()}, status {test['returncode']}, "
                             f"{len(found)} of {planned} cases ran"))
    return found


def show(test):
    print(f"# --- {test['name']}: {' '.join(test['command'])}")
    for stream in ("stdout", "stderr"):
        for line in test.get(stream, "").splitlines()[-60:]:
            print(f"# {line}")


def main(path):
    count, failed = 0, 0
    with open(path, encoding="utf-8", errors="replace") as f:
        tests = [json.loads(line) for line in f]
    for test in tests:
        found = cases(test)
        if not all(ok for ok, _ in found):
            show(test)
        for ok, words in found:
            count, failed = count + 1, failed + (not ok)
            print(f"{'ok' if ok else 'not ok'} {count} - {test['name']}: {words}")
    print(f"1..{count}")
    return failed != 0 or count == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
