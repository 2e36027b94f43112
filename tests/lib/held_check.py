#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who is said to have had the CPU that a recorded thread waited for, against what that one says of itself; prints TAP.

Ends with 3 when what is told is true, but not enough to compare.

usage: held_check.py EVENTS BURSTS      EVENTS: lines of `saker show REC --json`; BURSTS: what demo/shop/hog.c prints
"""
import json
import sys

CLOSE_NS = 1_000_000  # the hog looks at the clock when it has begun, and before it is put off


def main(events, bursts):
    with open(bursts, encoding="ascii") as f:
        ran = [tuple(map(int, line.split())) for line in f]
    with open(events, encoding="utf-8") as f:
        held = [e for e in map(json.loads, f) if e["type"] == "held" and e["comm"] == "shop-hog" and e["boot_ns"] <= ran[-1][1]]
    more, most = [], 0
    for e in held:
        there = sum(max(0, min(end, e["boot_ns"]) - max(begin, e["since_ns"])) for begin, end, _ in ran)
        if e["ran_ns"] > there + CLOSE_NS or e["ran_ns"] > e["boot_ns"] - e["since_ns"]:
            more.append((e, there))
        most = max(most, e["ran_ns"])
    cases = [("who had the CPU is named", bool(held)), ("never for longer than it ran, by its own clock", not more),
             ("for about as long as it had it at a time", most > min(end - begin for begin, end, _ in ran) / 2)]
    for e, there in more[:3]:
        print(f"# ran {there}: {e}")
    for n, (what, good) in enumerate(cases):
        print(f"{'ok' if good else 'not ok'} {n + 1} - {what}")
    print(f"1..{len(cases)}")
    return 1 if more else 0 if all(good for _, good in cases) else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
