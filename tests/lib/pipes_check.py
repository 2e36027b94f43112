#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what was recorded of pipes with what the generator tests/lib/pipes.c knows.

usage: pipes_check.py REC TRUTH [--exact SHARE] [--partly] [--serial] [--lossy]

REC.events and REC.edges are the lines of `saker show REC --json` and `--edges --json`.  Prints TAP: that every call of
every thread was recorded (--partly, --lossy: that the recorded ones are calls), that no exact edge is false, that the truth of a read is
among its ambiguous edges if it has any, and that at least SHARE of the true pairs (default 1) are exact.
"""
import collections
import json
import sys


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def threads(rows, key):
    out = collections.defaultdict(list)
    for row in rows:
        out[key(row)].append(row)
    return out


def tap(good, what):
    print(f"{'ok' if good else 'not ok'} - {what}")


def pair_up(events, calls, partly):
    """{event id: call}: the n-th event of a thread is its n-th call, or with partly from the end."""
    have = threads([e for e in events if e["type"] in ("pipe_write", "pipe_read") and e["bytes"]], lambda e: e["tid"])
    want = threads([c for c in calls if c["bytes"]], lambda c: c["tid"])
    pairs, wrong = {}, []
    for tid, rows in want.items():
        inodes = {c["inode"] for c in rows}
        got = [e for e in have[tid] if e["inode"] in inodes]
        if partly:
            rows = rows[-len(got):] if got else []
        if len(rows) != len(got):
            wrong.append(f"thread {tid}: {len(rows)} calls, {len(got)} recorded")
        for call, event in zip(rows, got):
            told = event["type"][5:], event["inode"], event["bytes"]
            if told != (call["dir"], call["inode"], call["bytes"]):
                wrong.append(f"thread {tid}: call {call} was recorded as {event}")
            pairs[event["id"]] = call
    return pairs, wrong


def pair_by_offset(events, calls):
    """The same where events were lost: pipes with one writer and one reader, so offsets are sums."""
    pairs, wrong, at, by = {}, [], collections.Counter(), {}
    for call in calls:
        key = call["dir"], call["inode"]
        by[key + (at[key],)] = call
        at[key] += call["bytes"]
    for e in events:
        if e["type"] not in ("pipe_write", "pipe_read") or not e["bytes"] or (e["type"][5:], e["inode"]) not in at:
            continue
        call = by.get((e["type"][5:], e["inode"], e["offset"]))
        if not call or call["tid"] != e["tid"] or call["bytes"] != e["bytes"]:
            wrong.append(f"{call} was recorded as {e}")
        else:
            pairs[e["id"]] = call
    return pairs, wrong


def serial(calls):
    """Pipes with one writer and one reader: whose bytes a read got follows from the sums of all calls before."""
    for rows in threads(calls, lambda c: c["inode"]).values():
        units = [c["call"] for c in rows if c["dir"] == "write" for _ in range(c["bytes"] // 4)]
        at = 0
        for call in (c for c in rows if c["dir"] == "read"):
            mine = collections.Counter(units[at:at + call["bytes"] // 4])
            at += call["bytes"] // 4
            call["from"] = [(writer, 4 * n) for writer, n in mine.items()]


def main():
    rec, truth = sys.argv[1:3]
    share = float(sys.argv[sys.argv.index("--exact") + 1]) if "--exact" in sys.argv else 1
    calls = lines(truth)
    events, calls = lines(rec + ".events"), [c for c in calls if c["bytes"] or "--lossy" not in sys.argv]
    lossy = "--lossy" in sys.argv
    pairs, wrong = pair_by_offset(events, calls) if lossy else pair_up(events, calls, "--partly" in sys.argv)
    for text in wrong[:10]:
        print("# " + text)
    tap(not wrong and pairs, f"{len(pairs)} calls that moved bytes: the recorded ones are the generator's")

    if "--serial" in sys.argv:
        serial(calls)
    wanted, inode = {}, {c["call"]: c["inode"] for c in calls}
    recorded = {c["call"] for c in pairs.values()}
    for call in calls:
        for writer, n in call["from"]:
            if writer in inode and inode[writer] == call["inode"] and {writer, call["call"]} <= recorded:
                wanted[writer, call["call"]] = wanted.get((writer, call["call"]), 0) + n
    exact, maybe, false = {}, collections.defaultdict(set), []
    for edge in lines(rec + ".edges"):
        ends = pairs.get(edge["from"]["id"]), pairs.get(edge["to"]["id"])
        if edge["kind"] != "message" or not ends[1]:
            continue
        pair = tuple(c["call"] if c else None for c in ends)
        if edge["ambiguous"]:
            maybe[pair[1]].add(pair[0])
        elif pair not in wanted:
            false.append(f"{edge} {pair}")
        else:
            exact[pair] = exact.get(pair, 0) + edge["bytes"]
    for text in false[:10]:
        print("# false: " + text)
    tap(not false, f"{len(exact)} exact edges, none is false")
    bytes_wrong = [(p, n, wanted[p]) for p, n in exact.items() if p in wanted and n != wanted[p]]
    if bytes_wrong:
        print(f"# pair, recorded bytes, true bytes: {bytes_wrong[:5]}")
    tap(not bytes_wrong, "and each has as many bytes as were moved")
    # of a read so many candidates are kept (ORDER_CANDIDATES_MAX), which may not be all
    some = {to: m for to, m in maybe.items() if len(m) < 64}
    missing = [p for p in wanted if p not in exact and p[1] in some and p[0] not in some[p[1]]]
    tap(not missing, f"the truth is among the candidates of {sum(bool(m) for m in maybe.values())} ambiguous reads {missing[:3]}")
    found = sum(p in exact for p in wanted)
    tap(found >= share * len(wanted), f"{found} of {len(wanted)} true pairs are exact (wanted {share:.0%})")


main()
