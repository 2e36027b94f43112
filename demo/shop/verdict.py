#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What made the slow requests of the shop slow, in a sentence, and whether that is what was planted.

usage: verdict.py SAKER RECORDING TRUTH		TRUTH: the file truth.jsonl of demo/shop.sh

Reads `saker requests --all --json`. Slow are the slowest 2 % of the requests of wrk. The time of
each span went to classes (lock, disk, ...); what that of the slow requests has more than the usual of the same span is
added up by class and by who it happened to. The largest sum is the cause. Ends with 1 when it is not what was planted.
"""
import collections
import json
import statistics
import subprocess
import sys

SLOW, FEW = 0.02, 5
PLANTED = {  # fault: classes that name it, whose doing, in words
    "lock": ({"lock"}, "APP", "a lock held too long"),
    "flush": ({"disk"}, "APP", "a slow flush to disk"),
    "hog": ({"cpu_wait"}, "APP", "a CPU hog"),
    "loss": ({"retransmit"}, "redis", "a lossy link"),
    "query": ({"sleep", "other", "unknown"}, "postgres", "a slow query"),
    "table": ({"lock", "other", "unknown"}, "postgres", "a locked table"),
}
PROCESS = {"threads": "shop-threads", "pool": "shop-pool", "loop": "loop.py", "go": "shop-go"}
WORDS = {
    "running": "running", "cpu_wait": "waiting for a CPU", "lock": "waiting for a lock", "disk": "waiting for a disk",
    "fault": "page faults", "sleep": "sleeping", "send_queue": "in the send queue", "flight": "on the network",
    "retransmit": "lost and sent again", "receive_queue": "in the receive queue", "queue": "waiting for a thread",
    "other": "waiting for something else", "unknown": "not known",
}
NETWORK = {"send_queue", "flight", "retransmit", "receive_queue"}


def spans(saker, recording):
    out = subprocess.run([saker, "requests", recording, "--all", "--json"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def owner(span, time):
    """Whom it happened to: what happens on the way, to the server that was asked."""
    name = span["peer"] if time in NETWORK and span["kind"] == "client" and span["peer"] else span["service"]
    return name.partition(":")[0]


def own_times(span):
    return ((time, ns) for time, ns in span["time_ns"].items() if time != "child")


def usual(traces):
    """The median of each class of the same kind of span, over traces."""
    found, count = collections.defaultdict(list), collections.Counter()
    for trace in traces:
        for span in trace:
            count[kind_of(span)] += 1
            for time, ns in own_times(span):
                found[kind_of(span), time].append(ns)
    for (kind, _), values in found.items():
        values.extend([0] * (count[kind] - len(values)))
    return {key: statistics.median(values) for key, values in found.items()}


def kind_of(span):
    return span["service"], span["kind"], span["peer"], span["operation"]


def causes(slow, normal):
    """Nanoseconds beyond the usual, by class and owner; with a span for each."""
    sums, examples = collections.Counter(), {}
    for trace in slow:
        for span in trace:
            for time, ns in own_times(span):
                beyond = ns - normal.get((kind_of(span), time), 0)
                key = time, owner(span, time)
                sums[key] += max(beyond, 0)
                if beyond > examples.get(key, (0, None))[0]:
                    examples[key] = beyond, span
    return sums, examples


def holders(sums, slow, traces):
    """Who sleeps while others wait for the lock that it holds is no cause of its own: that time is the lock's."""
    blamed = " ".join({span.get("blame", "") for trace in traces for span in trace if "lock" in span["time_ns"]})
    for trace in slow:
        for span in trace:
            whose = owner(span, "lock")
            if span["kind"] == "server" and f"[{span['pid']}], thread {span['tid']}," in blamed:
                moved = min(span["time_ns"].get("sleep", 0), sums["sleep", whose])
                sums["sleep", whose] -= moved
                sums["lock", whose] += moved


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[3], encoding="utf-8") as f:
        truth = json.loads(f.readlines()[-1])
    by_trace = collections.defaultdict(list)
    for span in spans(*sys.argv[1:3]):
        by_trace[span["trace"]].append(span)
    asked = {key: next((s for s in trace if not s.get("parent") and s["service"].startswith("wrk")), None)
             for key, trace in by_trace.items()}
    took = {key: root["duration_ns"] for key, root in asked.items() if root}
    if not took:
        sys.exit("verdict.py: no request of wrk was recorded")
    median = statistics.median(took.values())
    order = sorted(took, key=took.get, reverse=True)
    slow = [by_trace[key] for key in order[:max(FEW, int(SLOW * len(order)))]]
    sums, examples = causes(slow, usual([by_trace[key] for key in took]))
    holders(sums, slow, by_trace.values())
    print(f"the slowest {len(slow)} of {len(took)} requests took {took[order[len(slow) - 1]] / 1e6:.1f} ms and more, "
          f"the median is {median / 1e6:.1f} ms")
    for (time, whose), ns in sums.most_common(3):
        print(f"  {100 * ns / max(sum(sums.values()), 1):3.0f} % of what they took longer: {WORDS.get(time, time)}, {whose}")
    if truth["fault"] == "none":
        print("nothing was planted")
        return 0
    classes, whose, words = PLANTED[truth["fault"]]
    if whose == "APP":
        whose = PROCESS[truth["app"]]
    (time, named), _ = sums.most_common(1)[0] if sums else (("nothing", "nobody"), 0)
    right = time in classes and named.startswith(whose)
    span = examples.get((time, named), (0, None))[1]
    example = ""
    if span:
        example = f", such as {span['time_ns'][time] / 1e6:.1f} ms in {span['operation']} {span['resource']}"
        if span.get("blame"):
            example += f" ({span['blame']})"
    print(f"the cause: {WORDS.get(time, time)}, {named}{example}")
    print(f"planted was {words} at {whose}, {truth['ms']} ms each time: {'that is it' if right else 'that is something else'}")
    return not right


if __name__ == "__main__":
    sys.exit(main())
