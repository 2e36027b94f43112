#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every edge of an import of strace's output must be one of the recording of the same run.

Usage: strace_compare.py RECORDED-EVENTS RECORDED-EDGES IMPORTED-EVENTS IMPORTED-EDGES   (JSON lines)

Ids and sockets have other numbers here and there: edges are compared by kind, threads, addresses and bytes of the stream.
"""
import collections
import json
import sys


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Side:
    def __init__(self, events, edges):
        self.socks = {}
        self.signals = {}
        self.pipes = {}
        self.received = {}  # id -> (offset, bytes)
        for e in lines(events):
            if "local_port" in e and e.get("remote_port") and e["type"] != "reset":
                self.socks[e["sock"]] = (e["local"], e["local_port"], e["remote"], e["remote_port"])
            if e["type"] in ("pipe_write", "pipe_read"):
                self.pipes[e["id"]] = e["inode"]
            if e["type"] in ("recv", "pipe_read"):
                self.received[e["id"]] = (e["offset"], e["bytes"])
            if e["type"] == "signal":
                self.signals[e["id"]] = e["sig"]
        self.edges = lines(edges)

    def key(self, e):
        """What an edge is, without the bytes."""
        sock = self.socks.get(e["from"]["sock"], "") if e["from"]["sock"] else ""
        # the recording tells an accept at the first use of the connection, which may be another thread's
        to = e["to"]["tid"] if e["kind"] != "connect" else ""
        what = self.signals.get(e["from"]["id"], "") or self.pipes.get(e["from"]["id"], "")
        return (e["kind"], e["from"]["tid"], to, sock, what)


def within(ranges, begin, end):
    """How many bytes of the ranges lie there."""
    return sum(max(0, min(high, end) - max(low, begin)) for low, high in ranges)


def main():
    recorded, imported = Side(*sys.argv[1:3]), Side(*sys.argv[3:5])
    count, ranges = collections.Counter(), collections.defaultdict(list)
    for e in recorded.edges:
        count[recorded.key(e)] += 1
        ranges[recorded.key(e)].append((e["offset"], e["offset"] + e["bytes"]))
    wrong, exact, ambiguous, kinds = [], 0, collections.defaultdict(list), collections.Counter()
    got = collections.Counter()  # bytes of a sender in a receive: which of them is not known where senders overlapped
    for e in imported.edges:
        key = imported.key(e)
        if e["ambiguous"]:
            ambiguous[e["to"]["id"]].append(key)
            continue
        exact += 1
        kinds[e["kind"]] += 1
        if e["kind"] == "message" and e["to"]["id"] in imported.received:
            offset, size = imported.received[e["to"]["id"]]
            got[key, e["to"]["id"]] += e["bytes"]
            fits = got[key, e["to"]["id"]] <= within(ranges[key], offset, offset + size)
        else:
            count[key] -= 1
            fits = count[key] >= 0
        if not fits:
            wrong.append(key)
    for keys in ambiguous.values():  # the true one is among the candidates
        if not any(k in ranges for k in keys):
            wrong.append(("no candidate",) + keys[0])
    print(f"imported: {exact} exact {dict(kinds)}, {len(ambiguous)} receives ambiguous; recorded: {len(recorded.edges)};",
          f"not among the recorded: {len(wrong)}")
    for key in wrong[:10]:
        print("not recorded:", key)
    sys.exit(bool(wrong) or not exact)


main()
