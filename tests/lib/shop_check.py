#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shop_check.py DIR APP: what the client asked of APP against what the applications say they did; prints TAP.

DIR has client.jsonl (demo/shop/client.c) and requests.jsonl (demo/shop/item.c): each id must have passed through exactly
the applications that its item needs, one inside the other.
"""
import collections
import json
import sys

NEXT = {"threads": "loop", "pool": "loop", "loop": "go"}
DEEP = 3
# What an application measured of a fault that it was asked for
MEASURED = {"lock": "held_ns", "flush": "flush_ns", "query": "query_ns"}

folder, app = sys.argv[1:3]
count = 0


def case(what, wrong):
    global count
    count += 1
    print(f"{'not ok' if wrong else 'ok'} {count} - {app}: {what}")
    for line in wrong[:8]:
        print("#", line)


def lines(name):
    with open(f"{folder}/{name}", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def chain(item):
    """The applications that a request for this item goes through, first to last."""
    names = [app]
    while item % DEEP == 0 and names[-1] in NEXT:
        names.append(NEXT[names[-1]])
    return names


asked = lines("client.jsonl")
served = collections.defaultdict(list)
for line in lines("requests.jsonl"):
    served[line["id"]].append(line)

case(f"{len(asked)} requests are answered", [f"{a['id']}: {a['status']}" for a in asked if a["status"] != 200])
wrong_chain, wrong_nesting, wrong_fault, planted = [], [], [], 0
for a in asked:
    steps = sorted(served[a["id"]], key=lambda line: line["begin_boot_ns"])
    if [line["app"] for line in steps] != chain(a["item"]):
        wrong_chain.append(f"{a['id']}, item {a['item']}: {[line['app'] for line in steps]}, want {chain(a['item'])}")
        continue
    # Who answers writes it down afterwards: only the beginnings stand inside
    outer_begin, outer_end = a["begin_boot_ns"], a["end_boot_ns"]
    for line in steps:
        if not outer_begin <= line["begin_boot_ns"] <= outer_end:
            wrong_nesting.append(f"{a['id']}: {line['app']} begins outside of who asks it")
        outer_begin = line["begin_boot_ns"]
    kind, _, ms = a["fault"].partition("=")
    if ms:
        planted += 1
        if steps[0]["fault"] != a["fault"] or steps[0][MEASURED[kind]] < int(ms) * 1000000:
            wrong_fault.append(f"{a['id']}: {a['fault']}, of which {steps[0]} knows less")
    elif steps[0]["fault"] or steps[0]["held_ns"] or steps[0]["flush_ns"]:
        wrong_fault.append(f"{a['id']}: has a fault that nobody planted: {steps[0]}")

case("each id passes through the applications that its item needs", wrong_chain or ([] if asked else ["none"]))
case("they begin one within the other", wrong_nesting)
case(f"each of {planted} planted delays delays, and nothing else does", wrong_fault)
deep = sum(len(chain(a["item"])) > 1 for a in asked)
case("some go deeper, some do not", [] if app == "go" or 0 < deep < len(asked) else [f"{deep} of {len(asked)}"])
print(f"1..{count}")
