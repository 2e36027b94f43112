#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""goro_check.py SAKER REC TRUTH SCENE: what `goro` says of itself against what was recorded; prints TAP.

Of each write: the goroutine, as the thread's `goroutine` events say, and the thread.  Of the order: the last write of a
goroutine has all earlier ones of it in its past, and those of others only where the truth has a hand-over (then, in
scene hand, all of them).
"""
import json
import subprocess
import sys

saker, rec, truth_path, scene = sys.argv[1:5]
hand = scene == "hand"
count = failed = 0


def case(what, wrong):
    global count, failed
    count += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {count} - {what}")
    for line in wrong[:8]:
        print("#", line)


def lines(*args):
    out = subprocess.run([saker, "show", rec, "--json", *args], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


writes, overs = [], []
for words in map(str.split, open(truth_path)):
    (writes if words[0] == "w" else overs).append(list(map(int, words[1:])))

events = lines()
now, sends = {}, {}
for e in events:
    if e["context"] != "task":
        continue
    if e["type"] == "goroutine":
        now[e["tid"]] = e["goid"]
    elif e["type"] == "send":
        sends[e["sock"], e["offset"]] = dict(e, goroutine=now.get(e["tid"], 0))

wrong_goroutine, wrong_thread, missing = [], [], []
own, at = {}, {}
for goid, tid, cookie, offset, size in writes:
    e = sends.get((cookie, offset))
    if not e or e["bytes"] != size:
        missing.append(f"goroutine {goid}, socket {cookie}, offset {offset}")
        continue
    if e["goroutine"] != goid:
        wrong_goroutine.append(f"event {e['id']} is goroutine {goid}'s, not {e['goroutine']}'s")
    if e["tid"] != tid:
        wrong_thread.append(f"event {e['id']} is thread {tid}'s, not {e['tid']}'s")
    own.setdefault(goid, []).append(e)
    at[e["id"]] = goid

case(f"{len(writes)} writes of {len(own)} goroutines were recorded", missing or ([] if len(own) > 3 else ["too few"]))
case("each is its goroutine's", wrong_goroutine)
case("each is its thread's", wrong_thread)
threads = {e["tid"]: set() for es in own.values() for e in es}
for goid, es in own.items():
    for e in es:
        threads[e["tid"]].add(goid)
shared = sum(len(g) > 1 for g in threads.values())
moved = sum(len({e["tid"] for e in es}) > 1 for es in own.values())
print(f"# {len(threads)} threads, {shared} of them with several goroutines; {moved} goroutines on several threads")
case("goroutines share threads", [] if shared else ["none does"])
if scene == "move":
    case("goroutines move between threads", [] if moved else ["none does"])

before = {b: a for a, b in overs}  # who handed over to whom
missed, false, unordered = [], [], []
for goid, es in own.items():
    past = {e["from"]["id"] for e in lines("--causes", str(es[-1]["id"]))}
    for e in es[:-1]:
        if e["id"] not in past:
            missed.append(f"{e['id']} before {es[-1]['id']}, both of goroutine {goid}")
    chain, g = set(), goid
    while g in before:
        g = before[g]
        chain.add(g)
    for event in past & at.keys():
        if at[event] != goid and at[event] not in chain:
            false.append(f"event {event} of goroutine {at[event]} before {es[-1]['id']} of goroutine {goid}")
    for g in chain if hand else ():
        unordered += [f"{e['id']} of {g} before {es[-1]['id']} of {goid}" for e in own[g] if e["id"] not in past]
case("each goroutine's writes are in order", missed)
case("writes of goroutines that have nothing to do with each other are not", false)
if hand:
    case(f"{len(overs)} hand-overs are seen", unordered or ([] if overs else ["there are none"]))
print(f"1..{count}")
sys.exit(failed > 0)
