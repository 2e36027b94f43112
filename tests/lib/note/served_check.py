# SPDX-License-Identifier: Apache-2.0
"""served_check.py TRUTH SPANS WAYS [sched] - are the spans that served.c said of itself there as it wrote them down?  0: yes.

SPANS: what `saker requests --json --all` prints; WAYS: `saker path --json` of some of its requests, a line each.
"""
import json
import sys


def between(what, ns, around):
    return [] if int(around[0]) <= ns <= int(around[1]) else [f"{what}: {ns} is not within {around}"]


def attributes(name, number):
    if name == "price":
        return {"currency": "EUR" if number % 2 else "USD", "items": number - 3}
    return {}


def one(line, servers, told):
    number, name, ms, *moments = line.split()
    number, ms = int(number), int(ms)
    server = servers[f"/{number}"]
    spans = [s for s in told if s["trace"] == server["trace"] and s["operation"] == name]
    if len(spans) != 1:
        return [f"{number} {name}: {len(spans)} spans"], 0
    (span,) = spans
    parent = server["id"] if name == "handle" else span["parent"]
    above = next(s["operation"] for s in told + [server] if s["id"] == span["parent"])
    bad = between(f"{number} {name} begins", span["begin_ns"], moments[:2])
    if name != "open":
        bad += between(f"{number} {name} ends", span["end_ns"], moments[2:])
    if span["kind"] != "internal" or parent != span["parent"] or above != ("GET" if name == "handle" else "handle"):
        bad.append(f"{number} {name}: {span['kind']} below {above}")
    if span.get("attributes", {}) != attributes(name, number):
        bad.append(f"{number} {name}: {span.get('attributes')}")
    if ("unanswered" in span["flags"]) != (name == "open"):
        bad.append(f"{number} {name}: {span['flags']}")
    if sum(span["time_ns"].values()) != span["duration_ns"]:
        bad.append(f"{number} {name}: times {span['time_ns']}")
    kind = {"price": "running", "wait": "sleep"}.get(name)
    right = kind is None or 0.9 * ms <= span["time_ns"].get(kind, 0) / 1e6
    return bad, right


def way(path):
    """Its stretches cover the request once, and those of notes are their own."""
    root = path["spans"][0]
    stretches = sorted(s for span in path["spans"] for s in span.get("segments", []))
    bad = [] if sum(b - a for a, b in stretches) == root["duration_ns"] else ["the path does not add up"]
    bad += ["two at a time"] if any(x[1] > y[0] for x, y in zip(stretches, stretches[1:])) else []
    for name in ("price", "wait"):
        span = next(s for s in path["spans"] if s["operation"] == name)
        bad += [] if span["on_path"] and span["exclusive_ns"] == span["duration_ns"] else [f"{name} is not on the path"]
    return bad


def main():
    truth = open(sys.argv[1]).read().splitlines()
    spans = [json.loads(line) for line in open(sys.argv[2])]
    servers = {s["resource"]: s for s in spans if s["kind"] == "server"}
    # Numbers in paths are written {n}: the n-th request is then the n-th
    if len(servers) == 1:
        servers = {f"/{i}": s for i, s in enumerate(s for s in spans if s["kind"] == "server")}
    told = [s for s in spans if s["kind"] == "internal"]
    results = [one(line, servers, told) for line in truth]
    bad = [b for r, _ in results for b in r]
    if len(told) != len(truth):
        bad.append(f"{len(told)} spans, {len(truth)} were said")
    numbers = [s.get("attributes", {}).get("number") for s in servers.values()]
    if numbers != list(range(len(numbers))):
        bad.append(f"numbers of requests: {numbers}")
    for line in open(sys.argv[3]):
        bad += way(json.loads(line))
    right = sum(bool(r) for _, r in results)
    if len(sys.argv) > 4 and right < 0.9 * len(results):
        bad.append(f"where the time went is right in {right} of {len(results)}")
    print("\n".join(bad[:10]))
    return bool(bad)


sys.exit(main())
