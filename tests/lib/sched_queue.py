#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes that lie in a receive queue until somebody takes them, and whether they were recorded so.

usage: sched_queue.py act TRUTH
       sched_queue.py check EVENTS TRUTH      EVENTS: lines of `saker show REC --json`; prints TAP
"""
import json
import socket
import sys
import time

REST_S = 0.002
ROUNDS = ((100, 50), (1, 1), (3000, 7))


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def act(path):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as a, \
            listener.accept()[0] as b, open(path, "w", encoding="ascii") as truth:
        for first, second in ROUNDS:
            at = [now()]
            for n in (first, second):
                a.send(b"x" * n)
                at.append(now())
                time.sleep(REST_S)
            at.append(now())
            got = len(b.recv(65536))
            print(*at, got, file=truth)


def check(events, path):
    with open(events, encoding="utf-8") as f:
        arrived = [e for e in map(json.loads, f) if e["type"] == "arrived"]
    with open(path, encoding="ascii") as f:
        truth = [tuple(map(int, line.split())) for line in f]
    cases = [("each receive says since when its bytes had been there", len(arrived) == len(truth) == len(ROUNDS))]
    for n, (e, (begin, sent, again, taken, got)) in enumerate(zip(arrived, truth)):
        cases.append((f"{n}: so many", e["bytes"] == got))
        cases.append((f"{n}: the first came while it was sent", begin <= e["arrived_ns"] <= sent))
        cases.append((f"{n}: the last, too", sent < e["last_ns"] <= again))
        cases.append((f"{n}: they were taken then", e["boot_ns"] >= taken))
    for n, (what, good) in enumerate(cases):
        print(f"{'ok' if good else 'not ok'} {n + 1} - {what}")
    print(f"1..{len(cases)}")
    return not all(good for _, good in cases)


if __name__ == "__main__":
    sys.exit({"act": act, "check": check}[sys.argv[1]](*sys.argv[2:]))
