#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""goro_check.py SAKER REC TRUTH SCENE: what `goro` says of itself against what was recorded; prints TAP.

Of each write: the goroutine, as the thread's `goroutine` events say, and the thread.  Of the order: the last write of a
goroutine has all earlier ones of it in its past, and those of others only where the truth has a hand-over (then, in
scene hand, all of them).  In scene lock, of each pair of writes of two goroutines of which one ended the other's wait.
late: a program that was met when it ran already; whose its first events are is not known, but no order is made up.

Only edges that are claimed count, not candidates.  Of a past that is wrong the chain of edges is printed that leads there: a
run in which goroutines wait for each other where the truth knows of nothing (a lock of a library's, say) shows a go_ready in it.
"""
import collections
import json
import subprocess
import sys

saker, rec, truth_path, scene = sys.argv[1:5]
hand, lock, late = scene == "hand", scene == "lock", scene == "late"
count = failed = 0


def case(what, wrong):
    global count, failed
    count += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {count} - {what}")
    for line in wrong[:40]:
        print("#", line)


def lines(*args):
    out = subprocess.run([saker, "show", rec, "--json", *args], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def past_of(event):
    """What is claimed to be before the event: {id: (the edge's kind, where that leads)}."""
    into, past, todo = collections.defaultdict(list), {}, collections.deque([event])
    for e in lines("--causes", str(event)):
        if not e["ambiguous"] and not e.get("early"):
            into[e["to"]["id"]].append(e)
    while todo:
        to = todo.popleft()
        for e in into[to]:
            if e["from"]["id"] not in past:
                past[e["from"]["id"]] = (e["kind"], to)
                todo.append(e["from"]["id"])
    return past


def chain_of(past, event, end):
    """The way from one event to another, a line for each of its ends and for what is no program order."""
    yield f"    {described[event]}"
    while event != end:
        kind, to = past[event]
        if kind != "program" or to == end:
            yield f"    -{kind}-> {described[to]}"
        elif past[to][0] != "program":
            yield f"    ... {described[to]}"
        event = to


writes, overs, pairs = [], [], []
for words in map(str.split, open(truth_path)):
    {"w": writes, "e": overs, "o": pairs}[words[0]].append(list(map(int, words[1:])))

events = lines()
now, sends, described = {}, {}, {}
for e in events:
    described[e["id"]] = f"{e['id']} {e['type']} of thread {e['tid']}"
    if e["context"] != "task":
        continue
    if e["type"] == "goroutine":
        now[e["tid"]] = e["goid"]
    elif e["type"] == "send":
        sends[e["sock"], e["offset"]] = dict(e, goroutine=now.get(e["tid"], 0))
    described[e["id"]] += f", goroutine {now.get(e['tid'], 0)}"
    if e["type"] == "go_ready":
        described[e["id"]] += f": {e['by']} makes {e['goid']} run"

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
if not late:
    case("each is its goroutine's", wrong_goroutine)
case("each is its thread's", wrong_thread)
if not lock and not late:
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
    past = past_of(es[-1]["id"])
    for e in es[:-1]:
        if e["id"] not in past:
            missed.append(f"{e['id']} before {es[-1]['id']}, both of goroutine {goid}")
    chain, g = set(), goid
    while g in before:
        g = before[g]
        chain.add(g)
    for event in past.keys() & at.keys() if not lock else ():
        if at[event] != goid and at[event] not in chain:
            false.append(f"event {event} of goroutine {at[event]} before {es[-1]['id']} of goroutine {goid}")
            false += chain_of(past, event, es[-1]["id"]) if len(false) < 40 else []
    for g in chain if hand else ():
        unordered += [f"{e['id']} of {g} before {es[-1]['id']} of {goid}" for e in own[g] if e["id"] not in past]
if not late:
    case("each goroutine's writes are in order", missed)
if lock:
    told = {((a, i), (b, j)) for a, i, b, j in pairs}
    for a, b in {(a, b) for a, _, b, _ in pairs}:
        of = {side: sorted(key for key in sends if key[0] == side) for side in (a, b)}
        for y in of[b]:
            past = past_of(sends[y]["id"])
            for x in of[a]:
                claimed = sends[x]["id"] in past
                true = any(x <= i and j <= y for i, j in told if i[0] == a and j[0] == b)
                if true and not claimed:
                    unordered.append(f"{sends[x]['id']} before {sends[y]['id']}")
                elif claimed and not true:
                    false += [f"{sends[x]['id']} before {sends[y]['id']}", *chain_of(past, sends[x]["id"], sends[y]["id"])]
    case("what either did before one ended the other's wait comes before what the other did then", unordered)
    case("and nothing else does", false)
else:
    case("writes of goroutines that have nothing to do with each other are not", false)
if hand:
    case(f"{len(overs)} hand-overs are seen", unordered or ([] if overs else ["there are none"]))
print(f"1..{count}")
sys.exit(failed > 0)
