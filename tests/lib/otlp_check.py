# SPDX-License-Identifier: Apache-2.0
"""
otlp_check.py REQUESTS DECODED TRUTH CONTAINER: what `saker requests --all --json` printed against the same spans as another decoder read them out
of OTLP, field by field, as TAP. What a field is called there is taken from OpenTelemetry's semantic conventions. TRUTH is what
front_back.py wrote: which port asked which port for which path. CONTAINER: the id of the container in which it ran, or empty.
"""
import json
import re
import sys

KINDS = {"internal": 1, "server": 2, "client": 3}


def attributes(r, truth):
    """What must be said of a span, as the conventions for HTTP and saker's man page want it."""
    here, there = (truth.server, truth.asker(r)) if r["kind"] == "server" else (truth.asker(r), truth.server)
    a = {
        "network.protocol.name": "http",
        "network.transport": "tcp",
        "network.type": "ipv4",
        "network.local.address": "127.0.0.1",
        "network.local.port": here,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": there,
        "server.address": "127.0.0.1",
        "server.port": truth.server,
        "url.scheme": "http",
        "http.request.method": r["operation"],
        "url.template" if "{" in r["resource"] else "url.path": r["resource"],
        "thread.id": str(r["tid"]),
        "saker.evidence": r.get("evidence", "root"),
        "saker.request_bytes": str(r["request_bytes"]),
        "saker.response_bytes": str(r["response_bytes"]),
        "saker.begin_event": str(r["event"]),
        "saker.end_event": str(r["end_event"]),
    }
    if r["kind"] == "server":
        a["client.address"], a["client.port"] = "127.0.0.1", there
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


class Truth:
    """Who asked: requests of one path came one after the other, so the nth span of a kind and path is the nth line."""

    def __init__(self, path, requests):
        self.ports, nth, self.of = {}, {}, {}
        for path, self.server, port in map(str.split, open(path, encoding="utf-8")):
            self.ports.setdefault(re.sub(r"\d+", "{n}", path), []).append(port)
        for r in sorted(requests, key=lambda r: r["begin_ns"]):
            key = r["kind"], r["resource"]
            self.of[r["id"]] = nth[key] = nth.get(key, -1) + 1

    def asker(self, r):
        ports = self.ports.get(r["resource"], [])
        return ports[self.of[r["id"]]] if self.of[r["id"]] < len(ports) else "none"


def error(r):
    """Who asks for what is not there has failed, and not the server."""
    return r["kind"] == "client" if 400 <= r["status"] < 500 else "failed" in r["flags"]


def compare(r, d, epoch, truth, container):
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
    if container:
        want["resource"]["container.id"] = container
    differ = [f"{k}: {d[k]!r}, not {v!r}" for k, v in want.items() if d[k] != v]
    must = attributes(r, truth)
    differ += [f"{k}: {got.get(k)!r}, not {must.get(k)!r}" for k in sorted(got.keys() | must.keys()) if got.get(k) != must.get(k)]
    return differ


def main():
    requests = [json.loads(line) for line in open(sys.argv[1])]
    truth = Truth(sys.argv[3], requests)
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
        case(f"{r['kind']} {r['operation']} {r['resource']} {r['status']}", compare(r, d, epoch, truth, sys.argv[4]) if d else ["it is missing"])
    kinds = {(r["kind"], r["status"]) for r in requests}
    case("there were servers and clients, failed and not",
         sorted({("server", 200), ("client", 200), ("server", 500), ("client", 404), ("server", 404)} - kinds))
    print(f"1..{n}")


main()
