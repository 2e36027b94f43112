#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the lives that tests/lib/storm.c wrote down with a recording that began in the middle of the storm.

usage: storm_check.py LIVES EVENTS ROOT READY_NS

ROOT is the process that was given to -p; READY_NS (CLOCK_BOOTTIME) a moment at which the recorder had said that it records.
EVENTS are the lines of ctf_json.py.  A process belongs to the recording if a chain of makers leads from it to ROOT in
which each was alive when the hooks became live, or began later.  Whoever was left behind before that by a process that
is gone belongs to nobody's tree, and is not counted.
Of who belongs, everyone who ended after READY_NS must be seen to end, and who was made after it must be seen to begin.
"""
import json
import sys

SHOWN = 10


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


class Lives:
    def __init__(self, rows, root, live_ns):
        self.rows = rows
        self.root = root
        self.live_ns = live_ns
        self.by_pid = {}
        for row in rows:
            if row["pid"] == row["tid"]:
                self.by_pid.setdefault(row["pid"], []).append(row)
        self.known = {}

    def process_at(self, pid, when_ns):
        """The life of that process id that had begun by then."""
        begun = [r for r in self.by_pid.get(pid, []) if r["begin_ns"] <= when_ns]
        return max(begun, key=lambda r: r["begin_ns"]) if begun else None

    def belongs(self, row):
        chain = []
        while True:
            key = (row["pid"], row["begin_ns"])
            if key in self.known:
                answer = self.known[key]
                break
            chain.append(key)
            if row["end_ns"] <= self.live_ns:
                answer = False
                break
            if row["parent"] == self.root:
                answer = True
                break
            row = self.process_at(row["parent"], row["begin_ns"])
            if row is None:
                answer = False
                break
        for key in chain:
            self.known[key] = answer
        return answer


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    rows, events = lines(args[0]), lines(args[1])
    root, ready_ns = int(args[2]), int(args[3])
    live_ns = min(e["boot_ns"] for e in events if e["type"] == "exit")
    lives = Lives(rows, root, live_ns)
    forked = {(e["child_tgid"], e["child_tid"]) for e in events if e["type"] == "fork"}
    ended = {(e["tgid"], e["tid"]) for e in events if e["type"] == "exit"}
    lost = sum(e["count"] for e in events if e["type"] == "loss")
    want = {"begin": 0, "end": 0}
    missed = 0
    for row in rows:
        key = (row["pid"], row["tid"])
        if not lives.belongs(row):
            continue
        for what, when, seen in (("begin", row["made_ns"], forked), ("end", row["end_ns"], ended)):
            if when <= ready_ns:
                continue
            want[what] += 1
            if key not in seen:
                missed += 1
                if missed <= SHOWN:
                    print(f"# {key} of {row['parent']} was not seen to {what}")
    before = sum(1 for r in rows if r["begin_ns"] < live_ns)
    print(f"# {before} lives before, {want['begin']} begun and {want['end']} ended since, {missed} not seen, {lost} lost")
    sys.exit(missed > 0 or lost > 0 or min(want.values()) < 200 or before < 500)


if __name__ == "__main__":
    main()
