# SPDX-License-Identifier: Apache-2.0
"""
otlp_check.py REQUESTS DECODED: what `saker requests --all --json` printed against the same spans as another decoder read them out
of OTLP, field by field, as TAP. What a field is called there is taken from OpenTelemetry's semantic conventions.
"""
import json
import sys

KINDS = {"internal": 1, "server": 2, "client": 3}


def attributes(r):
    """What must be said of a span, as the conventions for HTTP and saker's man page want it."""
    a = {
        "network.protocol.name": "http",
        "http.request.method": r["operation"],
        "url.template" if "{" in r["resource"] else "url.path": r["resource"],
        "thread.id": str(r["tid"]),
        "saker.evidence": r.get("evidence", "root"),
        "saker.request_bytes": str(r["request_bytes"]),
        "saker.response_bytes": str(r["response_bytes"]),
        "saker.begin_event": str(r["event"]),
        "saker.end_event": str(r["end_event"]),
    }
    if r["status"]:
        a["http.response.status_code"] = str(r["status"])
    if r["kind"] == "client" and r.get("peer"):
        a["peer.service"] = r["peer"]
    if error(r):
        a["error.type"] = str(r["status"])
    for flag in r["flags"]:
        a[f"saker.{flag}"] = True
    for key, ns in r["time_ns"].items():
        a[f"saker.time.{key}_ns"] = str(ns)
    if r.get("blame"):
        a["saker.blame"] = r["blame"]
    if "confidence" in r:
        a["saker.confidence"] = str(r["confidence"])
    return a


def error(r):
    """Who asks for what is not there has failed, and not the server."""
    return r["kind"] == "client" if 400 <= r["status"] < 500 else "failed" in r["flags"]


def compare(r, d, epoch):
    got = dict(d["attributes"])
    if "confidence" not in r:
        got.pop("saker.confidence", None)
    want = {
        "trace": r["trace"], "id": r["id"], "parent": r.get("parent", ""),
        "name": f"{r['operation']} {r['resource']}", "kind": KINDS[r["kind"]],
        "start": str(r["begin_ns"] + epoch), "end": str(r["end_ns"] + epoch),
        "code": 2 if error(r) else 0, "message": r.get("error", "") if error(r) else "",
        "resource": {"service.name": r["service"], "host.name": r["host"], "process.pid": str(r["pid"])},
    }
    differ = [f"{k}: {d[k]!r}, not {v!r}" for k, v in want.items() if d[k] != v]
    must = attributes(r)
    differ += [f"{k}: {got.get(k)!r}, not {must.get(k)!r}" for k in sorted(got.keys() | must.keys()) if got.get(k) != must.get(k)]
    return differ


def main():
    requests = [json.loads(line) for line in open(sys.argv[1])]
    decoded = {d["id"]: d for d in map(json.loads, open(sys.argv[2]))}
    n = 0

    def case(what, wrong):
        nonlocal n
        n += 1
        for line in wrong[:10]:
            print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} {n} - {what}")

    case(f"as many spans: {len(requests)}", [] if len(decoded) == len(requests) and requests else [f"{len(decoded)}"])
    first = requests[0]
    epoch = int(decoded[first["id"]]["start"]) - first["begin_ns"] if first["id"] in decoded else 0
    # From 2020 on: a wall clock.
    case("times are on the wall clock", [] if epoch > 1577836800 * 10**9 else [str(epoch)])
    for r in requests:
        d = decoded.get(r["id"])
        case(f"{r['kind']} {r['operation']} {r['resource']} {r['status']}", compare(r, d, epoch) if d else ["it is missing"])
    kinds = {(r["kind"], r["status"]) for r in requests}
    case("there were servers and clients, failed and not",
         sorted({("server", 200), ("client", 200), ("server", 500), ("client", 404), ("server", 404)} - kinds))
    print(f"1..{n}")


main()
