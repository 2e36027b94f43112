#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the orders and trees of `saker show` against its edges, by brute force, as TAP.

usage: show_check.py SAKER RECORDING...
"""
import collections
import json
import random
import re
import subprocess
import sys


class Report:
    def __init__(self):
        self.count, self.failed = 0, False

    def case(self, what, wrong):
        self.count += 1
        for line in list(wrong)[:5]:
            print(f"# {line}")
        self.failed |= bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {self.count} - {what}")


def show(saker, paths, *args):
    run = subprocess.run([saker, "show", *paths, *args], capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"saker show {args}: {run.stderr}")
    return run.stdout


def rows(saker, paths, *args):
    return [json.loads(line) for line in show(saker, paths, *args, "--json").splitlines()]


def ref(e):
    return e.get("host", ""), e["id"]


def thread(e):
    return e.get("host", ""), e["tid"], e["start_ns"]


def in_program_order(e):
    return e["context"] == "task" and e["tid"]


def program_edges(events):
    """Neighbours in a thread."""
    threads = collections.defaultdict(list)
    for e in sorted(events, key=lambda e: (e["boot_ns"], e["id"])):
        if in_program_order(e):
            threads[thread(e)].append(ref(e))
    return [(a, b) for t in threads.values() for a, b in zip(t, t[1:])]


def backwards(order, edges):
    place = {r: i for i, r in enumerate(order)}
    return [f"{a} does not come before {b}" for a, b in edges if place[a] >= place[b]]


def check_orders(saker, paths, events, edges, report):
    refs = [ref(e) for e in events]
    causal, by_thread = (rows(saker, paths, "--order", order) for order in ("causal", "thread"))
    report.case("time: no event comes before an earlier one of its host",
                [f"{a} {b}" for a, b in zip(events, events[1:])
                 if a.get("host") == b.get("host") and a["boot_ns"] > b["boot_ns"]])
    report.case("causal: each event once", set(refs) ^ set(map(ref, causal)) or len(causal) - len(refs) or [])
    report.case("causal: every cause before its effects", backwards([ref(e) for e in causal], edges))
    clock = {ref(e): e["clock"] for e in causal}
    report.case("causal: the clock grows along every edge",
                [f"{a} {b}" for a, b in edges if clock[a] >= clock[b]])
    report.case("thread: each event once", set(refs) ^ set(map(ref, by_thread)) or len(by_thread) - len(refs) or [])
    changes = 1 + sum(thread(a) != thread(b) for a, b in zip(by_thread, by_thread[1:]))
    report.case("thread: each thread in one piece",
                [changes] if changes != len({thread(e) for e in events}) else [])
    report.case("thread: each thread in its order",
                [f"{a['id']} {b['id']}" for a, b in zip(by_thread, by_thread[1:])
                 if thread(a) == thread(b) and a["boot_ns"] > b["boot_ns"]])


def reachable(start, graph, depth):
    """Edges on the ways of at most that length from start."""
    found, seen, level = set(), {start}, [start]
    while level and depth:
        after = []
        for a in level:
            for b in graph[a]:
                found.add((a, b))
                if b not in seen:
                    seen.add(b)
                    after.append(b)
        level, depth = after, depth - 1
    return found


def check_trees(saker, paths, events, edges, report):
    causes, effects = collections.defaultdict(list), collections.defaultdict(list)
    for a, b in edges:
        causes[b].append(a)
        effects[a].append(b)
    wrong, sizes = [], 0
    for e in random.Random(7).sample(events, min(12, len(events))):
        name = ":".join(filter(None, (e.get("host"), str(e["id"]))))
        for option, graph, depth in (("--causes", causes, 3), ("--causes", causes, 10**6), ("--effects", effects, 10**6)):
            have = {(ref(r["from"]), ref(r["to"])) for r in rows(saker, paths, option, name, "--depth", str(depth))}
            want = reachable(ref(e), graph, depth)
            if option == "--causes":
                want = {(a, b) for b, a in want}
            sizes += len(want)
            if have != want:
                wrong.append(f"{option} {name} depth {depth}: {len(want - have)} missing, {len(have - want)} too many")
    report.case(f"causes and effects of 12 events are what the edges lead to ({sizes} edges)",
                wrong or ([] if sizes > 100 else ["too few edges"]))


def check_latencies(saker, paths, events, report):
    """Within a host exact: from an event, or the begin of a send whose bytes it took.  Between hosts with clocks of their own
    (an import) an interval, in which the message was not received before it was sent."""
    by_ref = {ref(e): e for e in events}
    last = max(by_ref.values(), key=lambda e: (e["type"] == "exit", e["boot_ns"]))
    name = ":".join(filter(None, (last.get("host"), str(last["id"]))))
    wrong, kinds = [], set()
    for r in rows(saker, paths, "--causes", name):
        a, b = by_ref[ref(r["from"])], by_ref[ref(r["to"])]
        begin = r["kind"] == "message" and a.get("begin_ns") or a["boot_ns"]  # 0: unknown
        kinds.add(r["kind"])
        if a.get("host") != b.get("host"):
            if "latency_low_ns" in r and not r["latency_low_ns"] <= r["latency_high_ns"] >= 0:
                wrong.append(f"{r}")
        elif r["latency_low_ns"] != b["boot_ns"] - begin or r["latency_high_ns"] != r["latency_low_ns"]:
            wrong.append(f"{r}")
    report.case(f"how long edges took: {', '.join(sorted(kinds))}", wrong or ([] if len(kinds) > 2 else ["too few kinds"]))


def check_tree_text(saker, paths, events, edges, report):
    """Every event of the tree as text is in the causal past; each is described once."""
    graph = collections.defaultdict(list)
    for a, b in edges:
        graph[b].append(a)
    pasts = {ref(e): {r for pair in reachable(ref(e), graph, 10**6) for r in pair} | {ref(e)}
             for e in events if e["type"] == "exit"}
    last = max(pasts, key=lambda r: len(pasts[r]))
    past, name = pasts[last], ":".join(filter(None, (last[0], str(last[1]))))
    text = show(saker, paths, "--causes", name, "--limit", "100000")
    lines = re.findall(r"^(?:[│ ├└─]*[^\n]*?: )?(?:(\S+):)?(\d+) (\(see there\)|  *\+)", text, re.M)
    told = [(host, int(id)) for host, id, what in lines if "see" not in what]
    report.case("tree as text: only of the past, each event once",
                [f"{r} is not in the past" for r in set(told) - past] +
                [f"{r} twice" for r, n in collections.Counter(told).items() if n > 1] +
                ([] if len(told) > 10 else [f"only {len(told)} lines"]))


def check_window(saker, paths, events, report):
    first = events[0]["boot_ns"]
    a, b = (events[len(events) * k // 4]["boot_ns"] - first for k in (1, 2))
    want = [ref(e) for e in events if a <= e["boot_ns"] - first < b]
    have = [ref(e) for e in rows(saker, paths, "--from", f"{a}ns", "--to", f"+{b}ns")]
    report.case(f"--from and --to: {len(want)} events", [f"{len(have)} shown"] if want != have or not want else [])
    have = [ref(e) for e in rows(saker, paths, "--limit", "7")]
    report.case("--limit", [have] if have != [ref(e) for e in events[:7]] else [])


def main(saker, *paths):
    report = Report()
    events = rows(saker, paths)
    edges = [(ref(r["from"]), ref(r["to"])) for r in rows(saker, paths, "--edges")]
    exact = [(ref(r["from"]), ref(r["to"])) for r in rows(saker, paths, "--edges") if not r["ambiguous"]]
    program = program_edges(events)
    check_orders(saker, paths, events, exact + program, report)
    check_trees(saker, paths, events, edges + program, report)
    check_tree_text(saker, paths, events, edges + program, report)
    if len(paths) == 1:
        check_latencies(saker, paths, events, report)
        check_window(saker, paths, events, report)
    print(f"1..{report.count}")
    return report.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
