#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
stitch_score - the parents that `saker requests --ignore-ids` finds, against the X-Request-IDs in the recorded bytes.

	stitch_score.py SAKER RECORDING [--json] [--wrong]

A request's true parent is that with the same id: of a client's request the one that its process was answering then, of a
server's the one that was sent to it.  Prints, of each, how many links there are in truth and were found, precision and recall.
"""

import collections
import json
import re
import subprocess
import sys


def lines(*command):
    with subprocess.Popen(command, stdout=subprocess.PIPE) as p:
        for line in p.stdout:
            yield json.loads(line)
        if p.wait() != 0:
            sys.exit(f"{command[0]} failed")


def ids_of_messages(saker, rec):
    """(event id of the first byte) -> X-Request-ID, by socket, direction and offset."""
    sent, ids = {}, {}
    for e in lines(saker, "show", "--json", rec, "type=payload or type=send or type=recv"):
        if e["type"] == "payload":
            found = re.search(r"X-Request-ID: (\S+)", e["data"], re.I)
            if found:
                way = "send" if "sent" in e["flags"] else "recv"
                ids[e["sock"], way, e["offset"]] = found[1]
        else:
            sent[e["id"]] = (e["sock"], e["type"], e["offset"])
    return {event: ids[place] for event, place in sent.items() if place in ids}


def read(saker, rec):
    ids = ids_of_messages(saker, rec)
    spans = list(lines(saker, "requests", "--json", "--all", "--ignore-ids", rec))
    for s in spans:
        s["rid"] = ids.get(s["event"])
    return spans


def covers(a, b):
    return a["begin_ns"] <= b["begin_ns"] <= a["end_ns"]


def true_parents(spans):
    by_rid = collections.defaultdict(list)
    for s in spans:
        if s["rid"]:
            by_rid[s["rid"]].append(s)
    truth = {}
    for same in by_rid.values():
        for s in same:
            if s["kind"] == "client":
                over = [p for p in same if p["kind"] == "server" and p["pid"] == s["pid"] and covers(p, s)]
            else:
                over = [p for p in same if p["kind"] == "client" and p["pid"] != s["pid"] and covers(p, s)]
            if over:
                truth[s["id"]] = max(over, key=lambda p: p["begin_ns"])["id"]
    return truth


def score(spans, kind):
    truth = true_parents(spans)
    mine = [s for s in spans if s["kind"] == kind and s["rid"]]
    real = sum(s["id"] in truth for s in mine)
    found = sum("parent" in s for s in mine)
    right = sum("parent" in s and truth.get(s["id"]) == s["parent"] for s in mine)
    return {
        "links": real,
        "found": found,
        "right": right,
        "precision": right / found if found else 1.0,
        "recall": right / real if real else 1.0,
    }


def main():
    saker, rec = sys.argv[1:3]
    spans = read(saker, rec)
    result = {kind: score(spans, kind) for kind in ("client", "server")}
    result["spans"] = len(spans)
    result["bad_sums"] = sum(sum(s["time_ns"].values()) != s["duration_ns"] for s in spans)
    by_id = {s["id"]: s for s in spans}
    result["early"] = sum("parent" in s and by_id[s["parent"]]["begin_ns"] > s["begin_ns"] for s in spans)
    if "--wrong" in sys.argv:
        truth = true_parents(spans)
        for s in spans:
            if s["rid"] and s["kind"] == "client" and truth.get(s["id"]) != s.get("parent"):
                print(s["service"], s.get("evidence"), s.get("confidence"), s["flags"], s["event"])
    if "--json" in sys.argv:
        print(json.dumps(result))
        return
    for kind in ("client", "server"):
        r = result[kind]
        print(f"{kind}: {r['links']} links, {r['found']} found, {r['right']} right,"
              f" precision {r['precision']:.4f}, recall {r['recall']:.4f}")


main()
