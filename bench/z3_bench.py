#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Falcon's ZooKeeper trace put into order by Saker, and by z3 as Falcon does it: how much longer z3 needs.

usage: bench/z3_bench.py [--rounds N] [--lean]
smoke: --rounds 1 --lean

Falcon's solver gives each event an integer from 0 to their number, says a < b for each edge, and lets z3 minimise the sum.
Two forms: as its code writes them (CausalSolver.java: a chain a thread, named, and once more as `distinct`), and `lean`,
one plain a < b an edge (--lean: only this). Both sides get the same 806 edges.

What is timed, in CPU time, as others may be at work on the machine. z3: from writing (check-sat) to reading `sat`; the
process runs, and all declarations, assertions and the objective are parsed and answered for by then. Saker: order_new(), order_add() of all events and order_solve(), which
also finds the edges and the clock offsets; events in memory. Each in a fresh process in every round; a figure is the
ratio of the medians. The two must agree: the minimal solution is the length of the longest path, Saker's clock - 1.
Prints rows of a Markdown table. Exits 77 where z3 or the data is missing.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("SAKER_BUILD", ROOT / "build"))
DATA = pathlib.Path(os.environ.get("SAKER_TEST_DATA", ROOT.parent / "shared" / "data"))
TRACE = DATA / "falcon" / "zookeeper" / "zktrace_full.log"
EVENTS, EDGES, GOAL, WARM_RUNS = 688, 806, 1000, 50


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def import_trace(work):
    subprocess.run([BUILD / "src" / "saker", "import", "falcon", TRACE, "-o", work], check=True, stderr=subprocess.DEVNULL)


def saker(recording, runs):
    out = subprocess.run([BUILD / "bench" / "falcon_order", recording, str(runs)], check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout)


def variables(clocks):
    return {event: f"e{i}" for i, event in enumerate(clocks)}


def lean(order):
    name = variables(order["clocks"])
    yield from (f"(declare-const {v} Int)(assert (and (>= {v} 0) (<= {v} {len(name)})))" for v in name.values())
    yield from (f"(assert (< {name[a]} {name[b]}))" for a, b in order["edges"])
    yield f"(minimize (+ {' '.join(name.values())}))"


def chains(order):
    """Program order as Falcon's threads have it: an edge within a host whose ends have no other such edge."""
    follower, followed = {}, set()
    for a, b in order["edges"]:
        if order["threads"][a] == order["threads"][b] and a not in follower:
            follower[a] = b
            followed.add(b)
    for event in order["clocks"]:
        if event not in followed:
            chain = [event]
            while chain[-1] in follower:
                chain.append(follower[chain[-1]])
            yield chain


def falcon(order):
    name, count = variables(order["clocks"]), 0
    yield "(set-option :produce-unsat-cores true)"
    yield f"(declare-const MAX Int)(assert (= MAX {len(name)}))"
    within = set()
    for chain in chains(order):
        within.update(zip(chain, chain[1:]))
        words = " ".join(name[e] for e in chain)
        yield from (f"(declare-const {name[e]} Int)(assert (and (>= {name[e]} 0) (<= {name[e]} MAX)))" for e in chain)
        if len(chain) > 1:
            yield f"(assert (! (< {words}) :named PO_{count}))(assert (distinct {words}))"
            count += 1
    for a, b in order["edges"]:
        if (a, b) not in within:
            yield f"(assert (! (< {name[a]} {name[b]}) :named HB_{count}))"
            count += 1
    yield f"(minimize (+ {' '.join(name.values())}))"


def cpu_seconds(pid):
    """Of all its threads, in ns resolution (Documentation/scheduler/sched-stats.rst)"""
    return sum(int(p.read_text(encoding="ascii").split()[0]) for p in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def z3(constraints, order):
    """Seconds of the check alone; the solution is compared."""
    with subprocess.Popen(["z3", "-smt2", "-in"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as solver:
        solver.stdin.write("\n".join(constraints) + '\n(echo "ready")\n')
        solver.stdin.flush()
        if solver.stdout.readline().strip() != "ready":
            sys.exit("z3 does not take the constraints")
        begin = cpu_seconds(solver.pid)
        solver.stdin.write("(check-sat)\n")
        solver.stdin.flush()
        answer = solver.stdout.readline().strip()
        seconds = cpu_seconds(solver.pid) - begin
        if answer != "sat":
            sys.exit(f"z3 says {answer}")
        name = variables(order["clocks"])
        rest, _ = solver.communicate(f"(get-value ({' '.join(name.values())}))\n")
    found = {v: int(n) for v, n in re.findall(r"\((e\d+) (\d+)\)", rest)}
    wrong = [e for e, v in name.items() if found.get(v) != order["clocks"][e] - 1]
    if wrong:
        sys.exit(f"z3 and Saker differ in {len(wrong)} of {len(name)} events, {wrong[0]} among them")
    return seconds


def with_threads(order, recording):
    out = subprocess.run([BUILD / "src" / "saker", "show", "--json", recording], check=True, stdout=subprocess.PIPE, text=True)
    hosts = sorted({h.name for h in pathlib.Path(recording).iterdir()})
    events = [json.loads(line) for line in out.stdout.splitlines()]
    order["threads"] = {f"{hosts.index(e['host'])}:{e['id']}": (e["host"], e["tid"]) for e in events if e["context"] == "task"}
    return order


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lean", action="store_true")
    args = parser.parse_args()
    rounds = args.rounds
    if not TRACE.exists():
        skip(f"{TRACE} is missing: set SAKER_TEST_DATA")
    if not shutil.which("z3"):
        skip("z3 is missing: tools/deps.sh bench")
    subprocess.run(["ninja", "-C", BUILD, "src/saker", "bench/falcon_order"], check=True, stdout=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="saker-z3-") as work:
        recording = f"{work}/rec"
        import_trace(recording)
        order = with_threads(saker(recording, 1), recording)
        if (len(order["clocks"]), len(order["edges"])) != (EVENTS, EDGES):
            sys.exit(f"{len(order['clocks'])} events and {len(order['edges'])} edges instead of {EVENTS} and {EDGES}")
        cold, warm, times = [], [], {lean: []} if args.lean else {falcon: [], lean: []}
        for turn in range(rounds):
            ns = saker(recording, WARM_RUNS)["ns"]
            cold.append(ns[0] / 1e9)
            warm.append(statistics.median(ns[1:]) / 1e9)
            for form, seconds in times.items():
                seconds.append(z3(list(form(order)), order))
            print(f"# round {turn + 1}: Saker {cold[-1] * 1e6:.0f} us cold, {warm[-1] * 1e6:.0f} us warm; z3 "
                  + ", ".join(f"{form.__name__} {s[-1]:.3f} s" for form, s in times.items()), file=sys.stderr, flush=True)
    mine = statistics.median(cold)
    for form, words, goal in ((falcon, "as Falcon's solver writes them", f">= {GOAL}x"),
                              (lean, "one plain a < b an edge", "none")):
        if form not in times:
            continue
        theirs = statistics.median(times[form])
        print(f"| Falcon's trace against z3, {words} | {theirs / mine:.0f}x | {goal} | z3 {theirs * 1e3:.0f} ms, Saker "
              f"{mine * 1e6:.0f} us in a fresh process ({statistics.median(warm) * 1e6:.0f} us when repeated: "
              f"{theirs / statistics.median(warm):.0f}x); {EVENTS} events, {EDGES} edges, all clocks equal; "
              f"median of {rounds} |", flush=True)


if __name__ == "__main__":
    main()
