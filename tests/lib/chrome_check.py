#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a file against the rules of the Trace Event Format as Perfetto and chrome://tracing read it.

usage: chrome_check.py TRACE.json [EVENTS FLOWS [BACKWARD]]

The rules: one object with traceEvents; each event has a phase, pid, tid; a slice (X) a time and a duration; slices of a
thread are nested or apart; an instant (i) has a scope; every process and thread that has events is named; each flow has
one start and one end of the same category and name, both within a slice of their thread, the end bound to it. EVENTS: how many
slices and instants there must be; FLOWS: how many flows; BACKWARD: how many of these may end before they start.
"""
import collections
import json
import sys

PHASES = {"M": {"args"}, "X": {"ts", "dur", "cat", "args"}, "i": {"ts", "s", "cat", "args"},
          "s": {"ts", "id", "cat"}, "f": {"ts", "id", "cat", "bp"}}


def fail(text, event=None):
    sys.exit(f"{text}: {json.dumps(event)[:300]}" if event else text)


def check_event(event):
    phase = event.get("ph")
    if phase not in PHASES:
        fail("unknown phase", event)
    missing = ({"pid", "tid", "name"} | PHASES[phase]) - set(event)
    if missing:
        fail(f"lacks {sorted(missing)}", event)
    for key in ("pid", "tid", "ts", "dur"):
        value = event.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            fail(f"{key} is no number from 0", event)
    if not isinstance(event["name"], str) or not event["name"]:
        fail("no name", event)
    if phase == "i" and event["s"] not in ("g", "p", "t"):
        fail("unknown scope", event)
    if phase == "f" and event["bp"] != "e":
        fail("the flow would end at the next slice", event)
    if phase in "sf" and int(event["id"], 16) >= 1 << 64:
        fail("the id has more than 64 bits", event)


def track(event):
    return event["pid"], event["tid"]


def ns(value):
    return round(value * 1000)


def check_nesting(slices):
    for rows in slices.values():
        rows.sort(key=lambda e: (ns(e["ts"]), -ns(e["dur"])))
        open_ends = []
        for event in rows:
            begin, end = ns(event["ts"]), ns(event["ts"]) + ns(event["dur"])
            while open_ends and open_ends[-1] <= begin:
                open_ends.pop()
            if open_ends and end > open_ends[-1]:
                fail("overlaps the slice before it in part", event)
            open_ends.append(end)


def check_names(events):
    processes = {e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name" and e["args"].get("name")}
    threads = {track(e) for e in events if e["ph"] == "M" and e["name"] == "thread_name" and e["args"].get("name")}
    for event in events:
        if event["ph"] != "M" and (event["pid"] not in processes or track(event) not in threads):
            fail("its process or thread has no name", event)


def within(event, starts):
    """Slices of a track do not overlap here, so one that covers the moment is found by its start."""
    rows = starts.get(track(event), [])
    return any(ns(e["ts"]) <= ns(event["ts"]) < ns(e["ts"]) + ns(e["dur"]) for e in rows)


def check_flows(events, slices):
    flows = collections.defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            flows[event["cat"], event["name"], event["id"]].append(event)
            if not within(event, slices):
                fail("no slice around the flow's end", event)
    backward = 0
    for rows in flows.values():
        if sorted(e["ph"] for e in rows) != ["f", "s"]:
            fail("a flow without exactly one start and one end", rows[0])
        start, end = sorted(rows, key=lambda e: e["ph"], reverse=True)
        backward += ns(end["ts"]) < ns(start["ts"])
    return len(flows), backward


def main(path, want_events=None, want_flows=None, may_backward=None):
    with open(path, encoding="utf-8") as f:
        events = json.load(f)["traceEvents"]
    slices = collections.defaultdict(list)
    for event in events:
        check_event(event)
        if event["ph"] == "X":
            slices[track(event)].append(event)
    check_nesting(slices)
    check_names(events)
    flows, backward = check_flows(events, slices)
    shown = sum(e["ph"] in "Xi" for e in events)
    print(f"{shown} events on {len(slices)} threads, {flows} flows, {backward} of them backwards")
    if want_events is not None and shown != int(want_events):
        fail(f"{want_events} events were expected")
    if want_flows is not None and flows != int(want_flows):
        fail(f"{want_flows} flows were expected")
    if may_backward is not None and backward > int(may_backward):
        fail(f"at most {may_backward} flows may run backwards")


if __name__ == "__main__":
    main(*sys.argv[1:])
