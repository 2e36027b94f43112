#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares recorded wakes with what tests/lib/handoff.c logged, as TAP.

usage: handoff_check.py thread|process EVENTS EDGES SCENE...

The truth of a scene is in truth-SCENE; EVENTS are the lines of `saker show REC --json`, EDGES those of `saker show REC --edges --json`.

A wake is placed by the marks around it: the number of `send` events of the waker before it, and of the woken before
it. A wake that ended a hand-off lies in the interval that the giver logged and in the one that the taker logged.
"""
import collections
import json
import re
import sys

RECALL = 0.99
# scene: (what the woken waits for, what the waker uses)
KINDS = {"mutex": ("futex", "futex"), "pi_mutex": ("futex", "futex"), "condition": ("futex", "futex"),
         "semaphore": ("futex", "futex"), "broadcast": ("futex", "futex"), "requeue": ("futex", "futex"),
         "free": ("futex", "futex"), "eventfd": ("eventfd", "eventfd"), "epoll": ("epoll", "eventfd"),
         "pipe": ("pipe", "pipe"), "poll": ("poll", "pipe"), "unix": ("socket", "socket")}
NONE = ("signal", "tcp", "udp", "timer", "spin", "trylock")  # hand-offs that no thread's wake makes

Wake = collections.namedtuple("Wake", "id by_mark taker_mark what by flags giver taker")


class Tap:
    def __init__(self, label):
        self.label, self.count, self.failed = label, 0, False

    def case(self, right, what, *why):
        self.count += 1
        self.failed |= not right
        for line in why if not right else ():
            print(f"# {line}")
        print(f"{'ok' if right else 'not ok'} {self.count} - {self.label}: {what}")

    def end(self):
        print(f"1..{self.count}")
        return self.failed


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


class Truth:
    def __init__(self, path):
        self.actors, self.gives, self.takes, self.holds = set(), [], [], []
        for line in open(path, encoding="ascii"):
            word, *numbers = line.split()
            row = tuple(int(n) for n in numbers)
            if word == "actor":
                self.actors.add(row[0])
            else:
                {"give": self.gives, "take": self.takes, "hold": self.holds}[word].append(row)

    def handoffs(self):
        """(giver, its mark, taker, its mark) of rounds with one giver and one taker."""
        takes = {round: (tid, mark) for round, tid, mark in self.takes}
        return {(tid, mark, *takes[round]) for round, tid, mark in self.gives}

    def by_round(self):
        gives, takes = collections.defaultdict(list), collections.defaultdict(dict)
        for round, tid, mark in self.gives:
            gives[round].append((tid, mark))
        for round, tid, mark in self.takes:
            takes[round][tid] = mark
        return gives, takes


class Recorded:
    def __init__(self, actors, events, edges):
        self.threads = collections.defaultdict(list)  # tid: its own events
        for e in events:
            if e["context"] == "task":
                self.threads[e["tid"]].append(e)
        self.edges = [e for e in edges if e["kind"] in ("wake", "lock")]
        self.marks = {tid: self.marks_of(own) for tid, own in self.threads.items()}
        self.wakes, self.others = [], 0
        for tid, own in self.threads.items():
            for e in own:
                if e["type"] == "wake" and e["what"] != "kernel_lock":
                    self.take(actors, tid, e)

    @staticmethod
    def marks_of(own):
        """Times of what it sent on the socket that it used first."""
        sends = [e for e in own if e["type"] == "send"]
        return [e["boot_ns"] for e in sends if e["sock"] == sends[0]["sock"]]

    def take(self, actors, tid, e):
        giver, taker = tid, e["target_tid"]
        if giver not in actors or taker not in actors:
            self.others += 1  # the main thread waits for the actors' ends
            return
        self.wakes.append(Wake(e["id"], self.place(giver, e["boot_ns"]), self.place(taker, e["boot_ns"]), e["what"], e["by"],
                               e.get("flags", ""), giver, taker))

    def place(self, tid, time):
        return sum(1 for t in self.marks.get(tid, ()) if t < time)

    def told_of(self, texts):
        """The events that texts name by their numbers."""
        ids = {int(n) for n in re.findall(r"\d+", " ".join(texts))}
        return sorted((e for own in self.threads.values() for e in own if e["id"] in ids), key=lambda e: e["id"])

    def next_event(self, tid, time):
        after = [e["id"] for e in self.threads[tid] if e["boot_ns"] > time]
        return after[0] if after else None


def check_edges(tap, rec):
    """Each wake has one edge, to the woken thread's next event; and there are no others."""
    found = collections.defaultdict(list)
    for e in rec.edges:
        found[e["from"]["id"]].append((e["to"]["id"], e["kind"], e["ambiguous"]))
    wrong, wakes = [], 0
    for own in rec.threads.values():
        for e in own:
            if e["type"] != "wake":
                continue
            wakes += 1
            after = rec.next_event(e["target_tid"], e["boot_ns"]) if e["what"] != "kernel_lock" else None
            want = [(after, "lock" if e["what"] == "futex" else "wake", False)] if after else []
            got = found.pop(e["id"], [])
            if got != want:
                wrong.append(f"wake {e['id']}: edges {got}, want {want}")
    wrong += [f"an edge from {source}, which is no wake" for source in found]
    told = [f"{e['id']}: {json.dumps(e)}" for e in rec.told_of(wrong[:2])] if wrong else []
    tap.case(not wrong, f"{wakes} wakes, each with the edge to what the woken did next, and no other", *wrong[:5], *told)


def check_handoffs(tap, scene, truth, rec):
    want = truth.handoffs()
    got = collections.Counter((w.giver, w.by_mark, w.taker, w.taker_mark) for w in rec.wakes)
    false = [k for k in got if k not in want]
    tap.case(not false, f"no false hand-off among {len(got)}", *(f"{k} is not in the truth" for k in false[:5]))
    recall = len(want & set(got)) / len(want)
    tap.case(recall >= RECALL, f"{len(want & set(got))} of {len(want)} hand-offs, {100 * recall:.2f} %",
             *(f"{k} is missing" for k in sorted(want - set(got))[:5]))
    kinds = collections.Counter((w.what, w.by) for w in rec.wakes)
    tap.case(set(kinds) == {KINDS[scene]}, f"waits are of kind {KINDS[scene][0]}", str(kinds))


def mutex_holders(takes, round, taker):
    """
    Who may give the mutex to a taker of this round: another before its wait or after it; one that still leaves the round before; one
    that already came to the next, whose wait gives it up.
    """
    here = {(o, m + after) for o, m in takes[round].items() for after in (0, 1) if o != taker}
    return here | {(o, m) for near in (round - 1, round + 1) for o, m in takes.get(near, {}).items() if o != taker}


def check_broadcast(tap, truth, rec):
    gives, takes = truth.by_round()
    places = collections.defaultdict(set)
    for w in rec.wakes:
        places[w.taker, w.taker_mark].add((w.giver, w.by_mark))
    total = sum(len(t) for t in takes.values())
    told = sum(gives[r][0] in places[tid, mark] for r, t in takes.items() for tid, mark in t.items())
    tap.case(told >= RECALL * total, f"{told} of {total} woken by who broadcast")
    allowed = {(tid, mark): {gives[r][0]} | mutex_holders(takes, r, tid) for r, t in takes.items() for tid, mark in t.items()}
    false = [(k, g) for k, givers in places.items() for g in givers if g not in allowed.get(k, ())]
    tap.case(not false, f"and {len(rec.wakes) - told} by one another for the mutex, in the same round or where it meets its neighbours", *map(str, false[:5]))


def check_requeue(tap, mode, truth, rec):
    """The moving one wakes the first; each woken one the next, which had been moved (told within a process)."""
    gives, takes = truth.by_round()
    got = {(w.giver, w.by_mark): w for w in rec.wakes}
    wrong, right = [], 0
    total = sum(len(g) for g in gives.values())
    for r, g in gives.items():
        left = dict(takes[r])
        for tid, mark in g:
            w = got.pop((tid, mark), None)
            if not w:
                continue
            moved = mode == "thread" and tid in takes[r]
            if left.pop(w.taker, None) != w.taker_mark or ("requeued" in w.flags) != moved:
                wrong.append(f"round {r}: {w}")
            right += 1
    tap.case(not wrong and not got, "no false hand-off; who had been moved is said to be", *wrong[:5], *list(got)[:5])
    tap.case(right >= RECALL * total, f"{right} of {total} hand-offs, {100 * right / total:.2f} %")


def check_free(tap, truth, rec):
    """A wake comes from the unlock of one who had the lock before the woken got it."""
    held = collections.defaultdict(dict)
    for order, tid, mark in truth.holds:
        held[tid][mark] = order
    wrong = []
    for w in rec.wakes:
        before = [o for m, o in held[w.giver].items() if m <= w.by_mark]
        after = [o for m, o in held[w.taker].items() if m > w.taker_mark]
        if not before or (after and min(after) < max(before)):
            wrong.append(f"{w}: had it as {before[-1:]}, the woken next as {after[:1]}")
    tap.case(len(rec.wakes) > 0, f"{len(rec.wakes)} threads were woken for the lock")
    tap.case(not wrong, "none before the lock was given up", *wrong[:5])


def check_scene(tap, scene, mode, truth, events, edges):
    tap.label = f"{scene}, {mode}"
    rec = Recorded(truth.actors, events, edges)
    marks = min((len(rec.marks.get(tid, ())) for tid in truth.actors), default=0)
    tap.case(marks > 1, f"recorded, {marks} marks of an actor at least")
    if not truth.actors:
        return
    # before their first marks the actors come to life, behind their last they end: the C library has locks of its own for that
    rec.wakes = [w for w in rec.wakes if (w.by_mark or w.taker_mark) and
                 (w.by_mark < len(rec.marks[w.giver]) or w.taker_mark < len(rec.marks[w.taker]))]
    if scene in NONE:
        tap.case(not rec.wakes, "no thread is said to have woken another", *map(str, rec.wakes[:5]))
    elif scene == "broadcast":
        check_broadcast(tap, truth, rec)
    elif scene == "requeue":
        check_requeue(tap, mode, truth, rec)
    elif scene == "free":
        check_free(tap, truth, rec)
    else:
        check_handoffs(tap, scene, truth, rec)


def main(mode, events, edges, *scenes):
    tap = Tap(mode)
    events, edges = lines(events), lines(edges)
    tap.case(not any(e["type"] == "loss" for e in events), "nothing was lost")
    check_edges(tap, Recorded((), events, edges))
    for scene in scenes:
        check_scene(tap, scene, mode, Truth(f"truth-{scene}"), events, edges)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
