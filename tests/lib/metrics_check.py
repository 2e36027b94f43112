# SPDX-License-Identifier: Apache-2.0
"""
metrics_check.py REQUESTS TEXT OPENMETRICS EVENTS: what /metrics says, read by Prometheus' own Python client, against what
`saker requests --all --json` printed and how many events `saker show` did, as TAP.
"""
import collections
import json
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text

BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, float("inf")]
count = 0


def case(what, wrong):
    global count
    count += 1
    for line in wrong[:10]:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} {count} - {what}")


def samples(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def expected(requests):
    """What the requests add up to."""
    want = collections.Counter()
    for r in requests:
        labels = {"service": r["service"], "operation": f"{r['operation']} {r['resource']}", "kind": r["kind"]}
        key = tuple(sorted(labels.items()))
        failed = r["kind"] == "client" if 400 <= r["status"] < 500 else "failed" in r["flags"]
        seconds = r["duration_ns"] / 1e9
        want["saker_requests_total", key] += 1
        want["saker_request_errors_total", key] += failed
        want["saker_requests_incomplete_total", key] += "incomplete" in r["flags"]
        want["saker_request_duration_seconds_count", key] += 1
        want["saker_request_duration_seconds_sum", key] += seconds
        for bound in BOUNDS:
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            want["saker_request_duration_seconds_bucket", tuple(sorted({**labels, "le": le}.items()))] += seconds <= bound
    return want


def differences(got, want):
    got = {k: v for k, v in got.items() if k[0].startswith("saker_request") }
    return [f"{k}: {got.get(k)}, not {want.get(k)}" for k in sorted(got.keys() | want.keys())
            if k not in got or k not in want or abs(got[k] - want[k]) > 1e-8]


def main():
    requests = [json.loads(line) for line in open(sys.argv[1])]
    plain, om = open(sys.argv[2]).read(), open(sys.argv[3]).read()
    a = samples(text.text_string_to_metric_families(plain))
    b = samples(openmetrics.text_string_to_metric_families(om))
    case("there are requests", [] if len(requests) >= 8 else [str(len(requests))])
    case("the text format says what they add up to", differences(a, expected(requests)))
    case("OpenMetrics says the same", [f"{k}: {a.get(k)} and {b.get(k)}" for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)])
    case("the events", [] if a["saker_events_total", ()] == int(sys.argv[4]) else [str(a["saker_events_total", ()])])
    case("what is missing", [] if a["saker_lost_total", (("stage", "requests"), ("type", "fact"))] == 0 else ["facts"])
    cost = [a["saker_recorder_cpu_seconds_total", (("where", w),)] for w in ("kernel", "recorder")]
    case("what it cost", [] if all(0 <= c < 60 for c in cost) else [str(cost)])
    print(f"1..{count}")


main()
