#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what Saker recorded with the truth that the traffic generator logged.

usage: truth.py ranges TRUTH EVENTS        which bytes which call of which thread sent and received where
       truth.py edges TRUTH EVENTS EDGES   which call's bytes or datagram which other call received
       truth.py connections TRUTH EVENTS   who connected to whom, with which outcome, and who accepted
       truth.py forks TRUTH EVENTS         that no process or thread was missed
       truth.py loss EVENTS SUMMARY        lost + recorded = produced, by the sequence numbers of each CPU
       truth.py produced TRUTH... EVENTS   AF_UNIX streams: recorded + lost sends and receives are the generator's calls
       truth.py tap REC CHECK,... TRUTH... REC.events and REC.edges against several truths, as TAP

TRUTH is the generator's folder; EVENTS are the lines of `saker show REC --json`; EDGES those of
`saker show REC --edges --json`; SUMMARY is what `saker record --json` prints.  Prints what differs (at most ten
lines), then a line of totals; exits 1 on a difference.  With --lossy missing ones are no difference, wrong ones
still are.  With --exact ambiguous edges are a difference too; --since-tcp looks only for what TCP moved after the
snapshot.

An event belongs to the call of its thread during which it happened: the generator notes the time before and after
each call, and calls of one thread do not overlap.  So events find their calls without looking at offsets.
"""
import bisect
import collections
import json
import sys

SHOWN = 10
STREAM = ("send", "recv")
DGRAM = {"dgram_send": "send", "dgram_recv": "recv"}


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


class Report:
    def __init__(self):
        self.bad = 0

    def differ(self, text):
        self.bad += 1
        if self.bad <= SHOWN:
            print("# " + text)


def merged(ranges):
    """Sorted, disjoint ranges [begin, end) that cover the same bytes."""
    out = []
    for begin, end in sorted(ranges):
        if out and begin <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return out


def inside(begin, end, ranges):
    return any(b <= begin and end <= e for b, e in ranges)


class Call:
    def __init__(self, row, cookie):
        self.kind, self.dir, self.tid, self.pid = row["kind"], row["dir"], row["tid"], row["pid"]
        self.conn, self.way, self.len, self.cookie = row["conn"], row["way"], row["len"], cookie
        self.begin, self.end, self.how = row["begin_ns"], row["end_ns"], row["how"]
        self.key = (row["pid"], row["tid"], row["call"])
        self.ranges = merged((off, off + n) for off, n in row["ranges"])
        self.taken = 0

    def __str__(self):
        return f"{self.how} #{self.key[2]} of thread {self.tid} ({self.conn} {self.way} {self.ranges[:3]})"


class Truth:
    def __init__(self, folder):
        self.folder = folder
        self.conns = {c["conn"]: c for c in lines(folder + "/conns.jsonl")}
        self.totals = collections.Counter()
        self.calls, self.by_thread, self.anonymous = {}, collections.defaultdict(list), collections.defaultdict(list)
        for row in lines(folder + "/calls.jsonl"):
            call = Call(row, self.cookie(row["conn"], row["way"], row["dir"]))
            self.calls[call.key + (call.dir,) if call.tid is None else call.key] = call
            self.totals[call.cookie, call.dir] += call.len
            if call.tid is None:
                self.anonymous[call.cookie, call.dir].append(call)
            else:
                self.by_thread[call.tid].append(call)
        for calls in self.by_thread.values():
            calls.sort(key=lambda c: (c.begin, c.key))
        self.begins = {tid: [c.begin for c in calls] for tid, calls in self.by_thread.items()}
        self.cookies = {e["cookie"] for c in self.conns.values() for e in (c["a"], c["b"]) if e["cookie"]}

    def cookie(self, conn, way, direction):
        end = "a" if (way == "ab") == (direction == "send") else "b"
        return self.conns[conn][end]["cookie"]

    def call_of(self, event, direction):
        """The call during which the event happened; None: none."""
        if (event["sock"], direction) in self.anonymous:
            begin, end = event["offset"], event["offset"] + event["bytes"]
            return next((c for c in self.anonymous[event["sock"], direction] if inside(begin, end, c.ranges)), None)
        calls = self.by_thread.get(event["tid"], [])
        at = bisect.bisect_right(self.begins.get(event["tid"], []), event["boot_ns"])
        # a system call of several messages counts as several calls with the same begin
        same = [c for c in calls[max(0, at - 256):at] if c.begin == calls[at - 1].begin] if at else []
        fits = [c for c in same if c.end >= event["boot_ns"] and c.dir == direction and c.cookie == event["sock"]]
        if len(fits) < 2:
            return fits[0] if fits else None
        if event["type"] in STREAM and fits[0].kind == "tcp":
            begin, end = event["offset"], event["offset"] + event["bytes"]
            return next((c for c in fits if inside(begin, end, c.ranges)), fits[0])
        return next((c for c in fits if not c.taken and c.len == event["bytes"]), None)


def messages(truth, events, report):
    """Each message event of the generator's sockets with its call."""
    out = {}
    for event in events:
        direction = event["type"] if event["type"] in STREAM else DGRAM.get(event["type"])
        if not direction or not event["bytes"] or event["sock"] not in truth.cookies:
            continue
        call = truth.call_of(event, direction)
        if not call:
            report.differ(f"event {event['id']}: {event['type']} of {event['bytes']} bytes on socket {event['sock']} by "
                          f"thread {event['tid']} belongs to no call")
            continue
        call.taken += 1
        out[event["id"]] = (event, call)
    return out


def check_ranges(truth, events, lossy, report):
    have = collections.defaultdict(list)
    sizes = collections.Counter()
    for event, call in messages(truth, events, report).values():
        have[call].append((event["offset"], event["offset"] + event["bytes"])) if call.kind == "tcp" else None
        sizes[call] += event["bytes"]
    total = 0
    for call in truth.calls.values():
        total += call.len
        if call.kind == "tcp":
            a, b = call.ranges, merged(have[call])
            if a != b and not (lossy and merged(a + b) == a):
                report.differ(f"{call}: recorded {b[:4]}")
        if sizes[call] != call.len and not (lossy and sizes[call] < call.len):
            report.differ(f"{call}: {call.len} bytes, recorded {sizes[call]}")
    print(f"# {len(truth.calls)} calls, {total} bytes, {report.bad} differ")


def true_pairs(truth):
    pairs = {}
    for row in lines(truth.folder + "/truth.jsonl"):
        ends = [(row[e]["pid"], row[e]["tid"], row[e]["call"]) for e in ("from", "to")]
        ends = [key + (d,) if key[1] is None else key for key, d in zip(ends, ("send", "recv"))]
        pairs[truth.calls[ends[0]], truth.calls[ends[1]]] = merged((off, off + n) for off, n in row["ranges"])
    return pairs


def check_edges(truth, events, edges, lossy, exact_only, report):
    calls = messages(truth, events, report)
    pairs = true_pairs(truth)
    exact, maybe = collections.defaultdict(list), set()
    for edge in edges:
        ids = edge["from"]["id"], edge["to"]["id"]
        if edge["kind"] != "message" or not (ids[0] in calls or ids[1] in calls):
            continue
        pair = tuple(calls[i][1] if i in calls else None for i in ids)
        if edge["ambiguous"]:
            maybe.add(pair)
        elif pair not in pairs:
            report.differ(f"an edge that is not: {ids[0]} -> {ids[1]}, {pair[0]} -> {pair[1]}")
        else:
            exact[pair].append((edge["offset"], edge["offset"] + edge["bytes"]))
    found = unsure = 0
    if "--since-tcp" in sys.argv:
        # only TCP, and only what was sent when the last socket had been described
        start = max(e["boot_ns"] for e in events if e["type"] == "socket" and "snapshot" in e["flags"])
        pairs = {p: r for p, r in pairs.items() if p[0].kind == "tcp" and p[0].begin > start}
        if not pairs:
            report.differ("no TCP after the snapshot")
    for pair, ranges in pairs.items():
        have = merged(exact[pair]) if pair[0].kind == "tcp" else ranges if pair in exact else []
        whole = sum(e - b for b, e in ranges) == sum(e - b for b, e in exact[pair]) or pair[0].kind != "tcp"
        if have == ranges and whole:
            found += 1
        elif pair in maybe and pair[0].kind != "tcp" and not exact_only:
            unsure += 1
        elif not (lossy and merged(have + ranges) == ranges):
            report.differ(f"{pair[0]} -> {pair[1]}: exact {have[:4]}, ambiguous {pair in maybe}")
    print(f"# {len(pairs)} true pairs of calls: {found} exact, {unsure} among {len(maybe)} ambiguous pairs, {report.bad} differ")
    return found


def address(event, which):
    host = event[which]
    return f"[{host}]:{event[which + '_port']}" if ":" in host else f"{host}:{event[which + '_port']}"


def check_totals(truth, conn, event, report):
    """What a socket says at its end: how many bytes went in and out."""
    for direction, field in (("send", "tx_offset"), ("recv", "rx_offset")):
        total = truth.totals[event["sock"], direction]
        if event[field] != total:
            report.differ(f"{conn}: socket {event['sock']} ends with {field} {event[field]}, the calls moved {total}")


def check_connections(truth, events, report):
    by_sock = collections.defaultdict(lambda: collections.defaultdict(list))
    for event in events:
        if "sock" in event:
            by_sock[event["sock"]][event["type"]].append(event)
    n = 0

    def one(cookie, kind, what):
        got = by_sock[cookie][kind]
        if len(got) != 1:
            report.differ(f"{what}: {len(got)} events {kind} on socket {cookie}")
        return got[0] if got else None

    for conn in truth.conns.values():
        if conn["kind"] != "tcp":
            continue
        n += 1
        for end, kind in (("a", "connected"), ("b", "accept")):
            want = conn[end]
            event = one(want["cookie"], kind, conn["conn"]) if want["cookie"] else None
            if not event:
                continue
            got = address(event, "local"), address(event, "remote"), event["netns"]
            if got != (want["local"], want["peer"], want["netns"]):
                report.differ(f"{conn['conn']} {end}: truth {want}, recorded {got}")
            if event.get("error", 0) not in (0, "0", ""):
                report.differ(f"{conn['conn']}: connected with error {event['error']}")
            end_event = one(want["cookie"], "close", conn["conn"])
            if end_event and not conn["lossy"]:
                check_totals(truth, conn["conn"], end_event, report)
        if conn["a"]["cookie"]:
            one(conn["a"]["cookie"], "connect", conn["conn"])
    failed = [r for r in lines(truth.folder + "/other.jsonl") if r["what"] == "connect"]
    known = [e for e in events if e["type"] == "connected" and e["sock"] not in truth.cookies]
    for row in failed:
        fits = [e for e in known if e["tid"] == row["tid"] and e["boot_ns"] <= row["ns"]]
        event = max(fits, key=lambda e: e["boot_ns"], default=None)
        if not event or ERRNO.get(event["error"]) != row["error"] or not event["duration_ns"]:
            report.differ(f"a connect of thread {row['tid']} failed with {row['error']}, recorded {event}")
    print(f"# {n} connections and {len(failed)} failed connects, {report.bad} differ")


ERRNO = {"ECONNREFUSED": 111, "ETIMEDOUT": 110, "EHOSTUNREACH": 113, "ENETUNREACH": 101, "ECONNRESET": 104}


def check_forks(truth_dir, events, report):
    forked = {(e["child_tgid"], e["child_tid"]) for e in events if e["type"] == "fork"}
    ended = {(e["tgid"], e["tid"]) for e in events if e["type"] == "exit"}
    rows = lines(truth_dir + "/forks.jsonl")
    for row in rows:
        if (row["pid"], row["tid"]) not in forked:
            report.differ(f"{row['kind']} {row['pid']}/{row['tid']} of {row['parent']} was not seen to begin")
        elif (row["pid"], row["tid"]) not in ended:
            report.differ(f"{row['kind']} {row['pid']}/{row['tid']} was not seen to end")
    print(f"# {len(rows)} processes and threads, {report.bad} missed")


def gaps(seqs, produced):
    """What is missing between 0 and produced, as a count."""
    return produced - len(set(seqs))


def check_loss(events, summary, report):
    """The kernel gives each event a number of its CPU, recorded or not: what is missing must be what is told."""
    seqs = collections.defaultdict(list)
    told = collections.Counter()
    untold = 0
    for e in events:
        if e["type"] == "loss":
            told[e["lost_cpu"]] += e["count"]
            if not e["from_ns"] <= e["to_ns"] or e["first_seq"] > e["last_seq"]:
                report.differ(f"loss event {e['id']} ends before it begins")
        if e["type"] not in SELF and not (e["type"] == "loss" and not e["seq"]):
            seqs[e["cpu"]].append(e["seq"])
    for cpu, have in seqs.items():
        if len(set(have)) != len(have):
            report.differ(f"CPU {cpu}: {len(have) - len(set(have))} sequence numbers twice")
        missing = gaps(have, max(have) + 1)
        # after the last event that fitted the kernel's own counter says how far it went
        if told[cpu] < missing:
            report.differ(f"CPU {cpu}: {missing} numbers are missing, {told[cpu]} told as lost")
        untold += told[cpu] - missing
    recorded = sum(len(v) for v in seqs.values())
    lost = sum(told.values())
    last = sum(max(v) + 1 for v in seqs.values())
    if recorded + lost != summary["produced"]:
        report.differ(f"recorded {recorded} + lost {lost} is not produced {summary['produced']}")
    if last + untold != summary["produced"]:
        report.differ(f"the last numbers seen ({last}) and the losses behind them ({untold}) are not {summary['produced']}")
    if lost != summary["lost"]:
        report.differ(f"the summary says {summary['lost']} lost, the recording {lost}")
    print(f"# produced {summary['produced']} = recorded {recorded} + lost {lost}, {report.bad} differ")


def check_produced(truths, events, report):
    """One call on an AF_UNIX stream is one event, so the generator knows what the kernel's side must have produced."""
    for kind in STREAM:
        calls = sum(c.dir == kind for t in truths for c in t.calls.values())
        recorded = sum(e["type"] == kind and e["bytes"] > 0 for e in events)
        lost = sum(e["count"] for e in events if e["type"] == "loss" and e["lost_type"] == kind)
        if calls != recorded + lost:
            report.differ(f"{kind}: the generator made {calls} calls, recorded {recorded} + lost {lost}")
        print(f"# {kind}: {calls} calls = {recorded} recorded + {lost} lost")


# made by the recorder in user space, log lines from pieces that take no number, as are the losses that it tells at the end: they have no number
SELF = ("host", "clock", "cost", "cgroup", "netns", "mark", "shed", "log")


def check_tap(rec, checks, folders, lossy, exact_only):
    events, edges = lines(rec + ".events"), lines(rec + ".edges")
    bad = 0
    for folder in folders:
        truth = Truth(folder)
        report = Report()
        if "ranges" in checks:
            check_ranges(truth, events, lossy, report)
            bad += tap(f"{folder}: what each call moved", report)
        if "edges" in checks:
            for calls in truth.calls.values():
                calls.taken = 0
            report = Report()
            check_edges(truth, events, edges, lossy, exact_only, report)
            bad += tap(f"{folder}: the edges are the truth", report)
        if "connections" in checks:
            report = Report()
            check_connections(truth, events, report)
            bad += tap(f"{folder}: connections", report)
    return bad


def tap(what, report):
    print(f"{'not ok' if report.bad else 'ok'} - {what}")
    return report.bad


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    lossy, exact_only = "--lossy" in sys.argv, "--exact" in sys.argv
    if args and args[0] == "produced" and len(args) > 2:
        report = Report()
        check_produced([Truth(t) for t in args[1:-1]], lines(args[-1]), report)
        sys.exit(1 if report.bad else 0)
    counts = {"ranges": 3, "edges": 4, "connections": 3, "forks": 3, "loss": 3}
    if args and args[0] == "tap" and len(args) > 3:
        sys.exit(1 if check_tap(args[1], args[2].split(","), args[3:], lossy, exact_only) else 0)
    if not args or counts.get(args[0]) != len(args):
        sys.exit(__doc__)
    report = Report()
    if args[0] == "ranges":
        check_ranges(Truth(args[1]), lines(args[2]), lossy, report)
    elif args[0] == "edges":
        check_edges(Truth(args[1]), lines(args[2]), lines(args[3]), lossy, exact_only, report)
    elif args[0] == "connections":
        check_connections(Truth(args[1]), lines(args[2]), report)
    elif args[0] == "loss":
        check_loss(lines(args[1]), lines(args[2])[0], report)
    else:
        check_forks(args[1], lines(args[2]), report)
    sys.exit(1 if report.bad else 0)


if __name__ == "__main__":
    main()
