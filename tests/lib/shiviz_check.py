#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a log as ShiViz does and compares its vector clocks with reachability over edges that others found.

usage: shiviz_check.py LOG                          only what ShiViz asks of a log
       shiviz_check.py LOG EVENTS.csv EDGES.csv     Falcon's expected events and edges: all pairs
       shiviz_check.py LOG EVENTS.json EDGES.json   what `saker show --json` and `--edges --json` say: all pairs

ShiViz: the first line is a regular expression with the groups host, clock and event, the second the delimiter of executions;
a host's first event has 1 in its own place, and each further one 1 more.
"""
import csv
import json
import re
import sys


def read_log(path):
    """[(timeline, clock, text)] in the order of the file"""
    with open(path, encoding="utf-8") as f:
        pattern, delimiter, body = f.readline().rstrip("\n"), f.readline(), f.read()
    if delimiter != "\n":
        sys.exit("the second line is not empty")
    pattern = re.compile(re.sub(r"\(\?<(\w+)>", r"(?P<\1>", pattern))
    events, end = [], 0
    for match in pattern.finditer(body):
        if body[end:match.start()].strip("\n"):
            sys.exit(f"the expression leaves out {body[end:match.start()][:100]!r}")
        end = match.end()
        events.append((match["host"], json.loads(match["clock"]), match["event"]))
    if body[end:].strip("\n"):
        sys.exit(f"the expression leaves out {body[end:][:100]!r}")
    return events


def check_form(events):
    """What ShiViz itself checks; the events by timeline"""
    lines = {}
    for host, clock, text in events:
        lines.setdefault(host, []).append((clock, text))
    for host, rows in lines.items():
        rows.sort(key=lambda row: row[0].get(host, 0))
        if [clock.get(host) for clock, _ in rows] != list(range(1, len(rows) + 1)):
            sys.exit(f"the own clocks of {host} are not 1..{len(rows)}")
    for host, clock, _ in events:
        for other, n in clock.items():
            if n < 1 or n > len(lines.get(other, [])):
                sys.exit(f"{host} knows event {n} of {other}, which has {len(lines.get(other, []))}")
    return lines


def falcon(events_path, edges_path):
    """thread -> its events' names in program order; edges between names"""
    rank = {"START": 0, "END": 2}
    with open(events_path, encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    rows.sort(key=lambda r: (rank.get(r["type"], 1), int(r["timestamp_ms"]), int(r["id"])))
    threads = {}
    for row in rows:
        threads.setdefault(row["thread"], []).append(row["id"])
    with open(edges_path, encoding="utf-8") as f:
        return threads, [(r["from_id"], r["to_id"]) for r in csv.DictReader(f)]


def saker(events_path, edges_path):
    """Likewise; program order from the order of the events, as every thread of a host has one."""
    threads, edges = {}, []
    with open(events_path, encoding="utf-8") as f:
        for line in f:
            e = json.loads(line)
            if e["context"] == "task":
                threads.setdefault((e.get("host"), e["tid"], e["start_ns"]), []).append((e.get("host"), e["id"]))
    for row in threads.values():
        edges += list(zip(row, row[1:]))
    with open(edges_path, encoding="utf-8") as f:
        for line in f:
            e = json.loads(line)
            if not e["ambiguous"]:
                edges.append(tuple((e[end].get("host"), e[end]["id"]) for end in ("from", "to")))
    return threads, edges


def reachable(names, edges):
    """name -> number, and for each number the set (as bits) of numbers that come before"""
    number = {name: i for i, name in enumerate(names)}
    causes = [[] for _ in names]
    effects = [[] for _ in names]
    for a, b in edges:
        if a in number and b in number:
            causes[number[b]].append(number[a])
            effects[number[a]].append(number[b])
    before, left = [0] * len(names), [len(c) for c in causes]
    ready = [i for i, n in enumerate(left) if not n]
    done = 0
    while ready:
        i = ready.pop()
        done += 1
        for c in causes[i]:
            before[i] |= before[c] | 1 << c
        for e in effects[i]:
            left[e] -= 1
            if not left[e]:
                ready.append(e)
    if done != len(names):
        sys.exit("the edges have a cycle")
    return before


def main(log, *expected):
    events = read_log(log)
    lines = check_form(events)
    if not expected:
        print(f"{len(events)} events on {len(lines)} timelines")
        return
    threads, edges = (falcon if expected[0].endswith(".csv") else saker)(*expected)
    tid = re.compile(r"\[(\d+)\]@(.*)$")
    found = {}  # (tid, rest) of the timeline, by the thread's name
    for line in lines:
        match = tid.search(line)
        found.setdefault((match[1], re.sub(r"#\d+$", "", match[2])), []).append(line)
    names, clocks, owns = [], [], []
    for thread, ids in threads.items():
        if isinstance(thread, str):
            key = tuple(thread.split("@", 1))
            mine = found.get(key, [])
        else:
            mine = [m for k, v in found.items() if k[0] == str(thread[1]) and thread[0] in (None, k[1]) for m in v]
            mine = [m for m in mine if lines[m][0][1].split()[0] == f"#{ids[0][1]}"]
        if len(mine) != 1 or len(lines[mine[0]]) != len(ids):
            sys.exit(f"thread {thread} with {len(ids)} events is on {mine}")
        for name, (clock, _) in zip(ids, lines[mine[0]]):
            names.append(name)
            clocks.append(clock)
            owns.append(mine[0])
    if len(names) != len(events):
        sys.exit(f"{len(events)} events in the log, {len(names)} expected")
    before, wrong, yes = reachable(names, edges), 0, 0
    for a in range(len(names)):
        for b in range(len(names)):
            if a == b:
                continue
            said = clocks[b].get(owns[a], 0) >= clocks[a][owns[a]]
            yes += said
            wrong += said != bool(before[b] >> a & 1)
    print(f"{len(events)} events on {len(lines)} timelines, {len(names) * (len(names) - 1)} pairs, {yes} ordered, {wrong} wrong")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
