#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what Saker recorded with the truth that the traffic generator logged.

usage: truth.py ranges TRUTH EVENTS     which bytes which thread sent and received where
       truth.py edges TRUTH EDGES       which call's bytes which other call received
       truth.py forks TRUTH EVENTS      that no process or thread was missed

TRUTH is the generator's folder; EVENTS are the lines of `saker show REC --json`; EDGES those of
`saker show REC --edges --json`.  Prints what differs (at most ten lines), then a line of totals; exits 1 on a
difference.  With --lossy missing ones are no difference, wrong ones still are.
"""
import collections
import json
import sys

SHOWN = 10


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


class Report:
    def __init__(self):
        self.bad = 0

    def differ(self, text):
        self.bad += 1
        if self.bad <= SHOWN:
            print(text)


def merged(ranges):
    """Sorted, disjoint ranges [begin, end) that cover the same bytes."""
    out = []
    for begin, end in sorted(ranges):
        if out and begin <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return out


class Truth:
    """conn, way and direction of a call -> cookie of the socket that made it."""

    def __init__(self, folder):
        self.folder = folder
        self.conns = {c["conn"]: c for c in lines(folder + "/conns.jsonl")}
        self.calls = lines(folder + "/calls.jsonl")

    def cookie(self, conn, way, direction):
        end = "a" if (way == "ab") == (direction == "send") else "b"
        return self.conns[conn][end]["cookie"]


def stream(kind):
    return kind in ("tcp", "unix_stream")


def check_ranges(truth, events, lossy, report):
    want, have, anon = (collections.defaultdict(list) for _ in range(3))
    anonymous = {(truth.cookie(c["conn"], c["way"], c["dir"]), c["dir"]) for c in truth.calls if c["tid"] is None}
    for call in truth.calls:
        if call["kind"] != "tcp":
            continue
        cookie = truth.cookie(call["conn"], call["way"], call["dir"])
        key = (cookie, call["dir"], None if (cookie, call["dir"]) in anonymous else call["tid"])
        want[key] += [(off, off + n) for off, n in call["ranges"]]
    cookies = {key[0] for key in want}
    for event in events:
        if event["type"] not in ("send", "recv") or not event["bytes"] or event["sock"] not in cookies:
            continue
        direction = event["type"]
        key = (event["sock"], direction, None if (event["sock"], direction) in anonymous else event["tid"])
        have[key].append((event["offset"], event["offset"] + event["bytes"]))
    total = 0
    for key in sorted(set(want) | set(have), key=str):
        a, b = merged(want[key]), merged(have[key])
        total += sum(end - begin for begin, end in a)
        if a == b or (lossy and merged(want[key] + have[key]) == a):
            continue
        report.differ(f"socket {key[0]} {key[1]} by thread {key[2]}: truth {a[:4]}, recorded {b[:4]}")
    print(f"{len(want)} streams of threads, {total} bytes, {report.bad} differ")
    return anon


def message_key(event):
    return event["sock"], event["offset"], event["offset"] + event["bytes"]


def check_edges(truth, edges, lossy, report):
    """Both sides as (conn, way, sender tid, receiver tid, byte range): the bytes tell the calls."""
    ways = {}
    for conn in truth.conns.values():
        ways[conn["a"]["cookie"]] = (conn["conn"], "ab", conn["kind"])
        ways[conn["b"]["cookie"]] = (conn["conn"], "ba", conn["kind"])
    anonymous = {(c["conn"], c["way"], c["dir"]) for c in truth.calls if c["tid"] is None}

    def tid_of(conn, way, direction, tid):
        return None if (conn, way, direction) in anonymous else tid

    want, have, maybe = (collections.defaultdict(list) for _ in range(3))
    for row in lines(truth.folder + "/truth.jsonl"):
        if not stream(row["kind"]):
            continue
        key = (row["conn"], row["way"], tid_of(row["conn"], row["way"], "send", row["from"]["tid"]),
               tid_of(row["conn"], row["way"], "recv", row["to"]["tid"]))
        want[key] += [(off, off + n) for off, n in row["ranges"]]
    for edge in edges:
        if edge["kind"] != "message" or edge["from"].get("sock") not in ways or edge["from"]["type"] != "send":
            continue
        conn, way, _ = ways[edge["from"]["sock"]]
        key = (conn, way, tid_of(conn, way, "send", edge["from"]["tid"]), tid_of(conn, way, "recv", edge["to"]["tid"]))
        (maybe if edge["ambiguous"] else have)[key].append((edge["offset"], edge["offset"] + edge["bytes"]))
    total = 0
    for key in sorted(set(want) | set(have), key=str):
        total += len(want[key])
        a, b = merged(want[key]), merged(have[key])
        if a == b or (lossy and merged(want[key] + have[key]) == a):
            continue
        covered = merged(want[key] + have[key]) == a and merged(have[key] + maybe[key] + want[key]) == merged(have[key] + maybe[key])
        if truth.conns[key[0]]["kind"] == "tcp" or not covered:
            report.differ(f"{key[0]} {key[1]} thread {key[2]} -> {key[3]}: truth {a[:4]}, exact {b[:4]}, ambiguous {merged(maybe[key])[:4]}")
    exact = sum(len(v) for v in have.values())
    print(f"{total} true pairs of calls, {exact} exact edges, {sum(len(v) for v in maybe.values())} ambiguous, {report.bad} differ")


def check_forks(truth_dir, events, report):
    forked = {(e["child_tgid"], e["child_tid"]) for e in events if e["type"] == "fork"}
    ended = {(e["tgid"], e["tid"]) for e in events if e["type"] == "exit"}
    rows = lines(truth_dir + "/forks.jsonl")
    for row in rows:
        if (row["pid"], row["tid"]) not in forked:
            report.differ(f"{row['kind']} {row['pid']}/{row['tid']} of {row['parent']} was not seen to begin")
        elif (row["pid"], row["tid"]) not in ended:
            report.differ(f"{row['kind']} {row['pid']}/{row['tid']} was not seen to end")
    print(f"{len(rows)} processes and threads, {report.bad} missed")


def main():
    args = [a for a in sys.argv[1:] if a != "--lossy"]
    lossy = len(args) != len(sys.argv) - 1
    if len(args) != 3 or args[0] not in ("ranges", "edges", "forks"):
        sys.exit(__doc__)
    report = Report()
    rows = lines(args[2])
    if args[0] == "ranges":
        check_ranges(Truth(args[1]), rows, lossy, report)
    elif args[0] == "edges":
        check_edges(Truth(args[1]), rows, lossy, report)
    else:
        check_forks(args[1], rows, report)
    sys.exit(1 if report.bad else 0)


if __name__ == "__main__":
    main()
