#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Saker says of two machines that talked, against what both sides logged and what their clocks said; as TAP.

usage: wire_check.py TRUTH EVENTS EDGES OFFSETS SIDE

TRUTH is what wire.py joined, EVENTS, EDGES and OFFSETS what `saker show` says of both recordings, SIDE what
side_clock.c measured.
"""
import json
import sys

import truth as generator
from wire import CONNECTIONS, EXCHANGES, LOCKSTEP, moved

RATE = 1e-3  # as src/order/offset.c: more than NTP ever corrects a clock by


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Tap:
    count = failed = 0

    def case(self, good, what):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}")


def check_causal(tap, events, edges):
    """The events as they came: no effect before its cause, no thread backwards."""
    place = {e["id"]: i for i, e in enumerate(events)}
    wrong = sum(place[e["from"]["id"]] >= place[e["to"]["id"]] for e in edges if not e["ambiguous"])
    last = {}
    for e in events:
        thread = e["host"], e["tgid"], e["tid"]
        if e["context"] == "task":
            wrong += e["boot_ns"] < last.get(thread, 0)
            last[thread] = e["boot_ns"]
    tap.case(not wrong and edges, f"{len(events)} events of both in one causal order, {wrong} out of place")


def check_messages(tap, folder, events, edges):
    known = generator.Truth(folder)
    report = generator.Report()
    generator.check_ranges(known, events, False, report)
    tap.case(not report.bad, f"ranges of {len(known.calls)} calls")
    for call in known.calls.values():
        call.taken = 0
    report = generator.Report()
    found = generator.check_edges(known, events, edges, False, False, report)
    tap.case(not report.bad and found > 2 * (CONNECTIONS * EXCHANGES + LOCKSTEP), "all messages match: edges are those of the truth")


def true_offset(side, at):
    """Bounds of clock of b - clock of a when a's stood at `at`: what all measurements leave, if the two clocks run apart by at
    most RATE. A measurement in which one of the machines did not run is wide and costs nothing."""
    away = [max(abs(r["a1"] - at), abs(r["a2"] - at)) * RATE for r in side]
    return (int(max(r["b"] - r["a2"] - d for r, d in zip(side, away))),
            int(min(r["b"] - r["a1"] + d for r, d in zip(side, away))))


def last_boot(side):
    """Of a machine that was booted twice (guest.sh) the first time is another clock's: it shows by b going back."""
    first = max((i for i in range(1, len(side)) if side[i]["b"] < side[i - 1]["b"]), default=0)
    return side[first:]


def check_offset(tap, offsets, side):
    o = offsets[0]
    side = last_boot(side)
    width = o["high_ns"] - o["low_ns"]
    low, high = true_offset(side, o["boot_ns"])
    print(f"# stated {o['low_ns']} to {o['high_ns']} ns, {width / 1000:.0f} us, from {o['messages_ab']} and "
          f"{o['messages_ba']} messages")
    print(f"# true {low} to {high} ns, by {len(side)} measurements, the best of {min(r['a2'] - r['a1'] for r in side)} ns")
    tap.case(len(offsets) == 1 and not o["same_clock"], "two machines, two clocks")
    tap.case(o["low_ns"] <= low <= high <= o["high_ns"], f"the true offset, known to {(high - low) / 1000:.1f} us, lies in it")
    tap.case(width < 20000000, "the interval is narrow: 0.5 ms on an idle machine, never more than 20 ms")


def check_wall(tap, events):
    walls = {e["host"]: e["real_ns"] - e["boot_ns"] for e in events if e["type"] == "clock"}
    boots = {e["host"]: e["boot_id"] for e in events if e["type"] == "host"}
    tap.case(len(set(boots.values())) == 2, f"recordings of {' and '.join(boots)}")
    apart = abs(max(walls.values()) - min(walls.values()))
    print(f"# the clocks say that the machines were started {apart / 1e9:.0f} s apart")
    tap.case(apart > 300e9, "their wall clocks disagree by minutes")


def main():
    tap = Tap()
    folder, events, edges, offsets, side = sys.argv[1], *map(lines, sys.argv[2:])
    tap.case(not any(e["type"] == "loss" for e in events), "nothing was lost")
    check_wall(tap, events)
    first = offsets[0]["a"]
    known = [dict(moved(e, e["host"] != first), id=f"{e['host']}:{e['id']}") for e in events]
    for edge in edges:
        for end in edge["from"], edge["to"]:
            end["id"] = f"{end['host']}:{end['id']}"
    check_causal(tap, known, edges)
    check_messages(tap, folder, known, edges)
    check_offset(tap, offsets, side)
    print(f"1..{tap.count}")
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
