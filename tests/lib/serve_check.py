#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what `saker serve` answers with what `saker show` and `saker story` print, as TAP.

usage: serve_check.py SAKER ADDRESS RECORDING...

ADDRESS is what serve printed. What show prints is the truth: its events, its edges, its clocks; happens-before, program
order and windows are worked out here once more from those.
"""
import collections
import json
import random
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

SAMPLES = 40


class Server:
    def __init__(self, address):
        self.base, _, self.token = address.partition("/?token=")

    def get(self, path, **params):
        url = f"{self.base}/api/{path}?{urllib.parse.urlencode(params)}"
        request = urllib.request.Request(url, headers={"Authorization": "Bearer " + self.token})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


class Truth:
    def __init__(self, saker, recordings):
        self.saker, self.recordings = saker, recordings
        self.events = self.show("--json")
        hosts = sorted({e.get("host", "") for e in self.events})
        self.single = len(hosts) == 1
        self.edges = self.show("--json", "--edges")
        self.clocks = {self.key(e): e["clock"] for e in self.show("--json", "--order", "causal")}

    def show(self, *words, query=None):
        command = [self.saker, "show", *words, *self.recordings, *([query] if query else [])]
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def key(self, e):
        return e.get("host", ""), e["id"]

    def threads(self):
        """Program order: the events of each thread that it did itself."""
        found = collections.defaultdict(list)
        for e in self.events:
            if e["context"] == "task" and e["tgid"]:
                found[e.get("host", ""), e["tid"], e["start_ns"]].append(self.key(e))
        return found


class Check:
    def __init__(self, server, truth):
        self.server, self.truth = server, truth
        self.count = self.failed = 0
        self.info = server.get("info")
        self.lanes = server.get("lanes")
        names = {h["id"]: h["name"] for h in self.info["hosts"]}
        self.name = {i: "" if truth.single else n for i, n in names.items()}
        self.number = {n: i for i, n in self.name.items()}
        self.random = random.Random(7)

    def case(self, what, right, detail=""):
        self.count += 1
        self.failed += not right
        if not right and detail:
            print("#", str(detail)[:400])
        print(f"{'ok' if right else 'not ok'} {self.count} - {what}")

    def key(self, ref):
        host, _, event = ref.partition(":")
        return self.name[int(host)], int(event)

    def ref(self, key):
        return f"{self.number[key[0]]}:{key[1]}"

    def totals(self):
        n = len(self.truth.events)
        self.case("info: as many events as show prints", self.info["events"] == n, (self.info["events"], n))
        top = sum(lane["events"] for lane in self.lanes if lane["kind"] == "host")
        self.case("lanes: those of the hosts are all events", top == n, (top, n))
        lost = sum(e["count"] for e in self.truth.events if e["type"] == "loss")
        self.case("info: lost", self.info["lost"] == lost, (self.info["lost"], lost))
        clock = max(self.truth.clocks.values(), default=0)
        self.case("info: the highest clock", self.info["max_clock"] == clock, (self.info["max_clock"], clock))

    def order_of_lanes(self):
        place = {lane["id"]: i for i, lane in enumerate(self.lanes)}
        right = all(lane["parent"] is None or place[lane["parent"]] < place[lane["id"]] for lane in self.lanes)
        self.case("lanes: each below the one that it belongs to", right)

    def threads(self):
        """Events of threads: as many on each as show has."""
        want = collections.Counter((e.get("host", ""), e["tid"]) for e in self.truth.events
                                   if e["tgid"] and e["context"] == "task")
        got = collections.Counter()
        for lane in self.lanes:
            if lane["kind"] == "thread":
                got[self.name[lane["host"]], lane["tid"]] += lane["events"]
        more = {k: (got[k], n) for k, n in want.items() if got[k] < n}
        self.case("lanes: every thread with at least what it did itself", not more, more)

    def window(self, **params):
        rows = ",".join(str(lane["id"]) for lane in self.lanes)
        return self.server.get("window", lanes=rows, **params)

    @staticmethod
    def drawn(row):
        return len(row["events"]) if "events" in row else sum(b["n"] for b in row["bins"])

    def whole(self):
        w = self.window(px=700)
        self.case("window: all of it has all events", w["total"] == len(self.truth.events), w["total"])
        self.case("window: bins and events are its rows' counts", all(self.drawn(r) == r["count"] for r in w["lanes"]))
        arrows = sum(a["n"] for a in w["arrows"]) + w["left_out"]["arrows"] + w["inside"] + w["elsewhere"]
        self.case("window: all edges are arrows, left out, or within a row", arrows == len(self.truth.edges),
                  (arrows, len(self.truth.edges)))
        folded = self.server.get("window", px=700)
        arrows = sum(a["n"] for a in folded["arrows"]) + folded["left_out"]["arrows"] + folded["inside"]
        self.case("window: folded to hosts, too", arrows == len(self.truth.edges), (arrows, len(self.truth.edges)))
        self.case("window: folded, all events", folded["total"] == len(self.truth.events), folded["total"])

    def windows(self):
        """Stretches of time, of a single recording: t is the boot time since its first event."""
        if not self.truth.single:
            return
        first = self.truth.events[0]["boot_ns"]
        times = [e["boot_ns"] - first for e in self.truth.events]
        clocks = list(self.truth.clocks.values())
        for axis, values in (("wall", times), ("logical", clocks)):
            wrong = []
            for _ in range(SAMPLES):
                a, b = sorted(self.random.choice(values) for _ in range(2))
                w = self.window(**{"from": a, "to": b + 1}, px=self.random.choice((10, 300, 2000)), axis=axis)
                want = sum(a <= v <= b for v in values)
                if w["total"] != want or any(self.drawn(r) != r["count"] for r in w["lanes"]):
                    wrong.append((a, b, w["total"], want))
            self.case(f"window: {SAMPLES} stretches, {axis}", not wrong, wrong)

    def sides(self):
        """Causes and effects across threads, and clocks, of some events."""
        into, out = collections.defaultdict(set), collections.defaultdict(set)
        for e in self.truth.edges:
            a, b = self.truth.key(e["from"]), self.truth.key(e["to"])
            into[b].add((a, e["kind"], e["ambiguous"]))
            out[a].add((b, e["kind"], e["ambiguous"]))
        wrong = []
        some = self.random.sample(self.truth.events, min(SAMPLES, len(self.truth.events)))
        some += [e for e in self.truth.events if into[self.truth.key(e)]][:SAMPLES]
        for e in some:
            key = self.truth.key(e)
            got = self.server.get("event", id=self.ref(key))
            for side, want in (("causes", into[key]), ("effects", out[key])):
                has = {(self.key(c["id"]), c["kind"], c["ambiguous"]) for c in got[side] if c["kind"] != "program"}
                if has != want:
                    wrong.append((key, side, has ^ want))
            fields = {k: v for k, v in e.items() if k != "host" or not self.truth.single}
            if got["event"] != fields or got["clock"] != self.truth.clocks.get(key, 0):
                wrong.append((key, got["event"], got["clock"]))
        self.case("event: fields, clock, causes and effects as show has them", not wrong, wrong)

    def cones(self):
        before = collections.defaultdict(set)
        after = collections.defaultdict(set)
        pairs = [(self.truth.key(e["from"]), self.truth.key(e["to"])) for e in self.truth.edges if not e["ambiguous"]]
        for thread in self.truth.threads().values():
            pairs += list(zip(thread, thread[1:]))
        for a, b in pairs:
            before[b].add(a)
            after[a].add(b)
        wrong = []
        for e in self.random.sample(self.truth.events, min(8, len(self.truth.events))):
            for direction, graph in (("causes", before), ("effects", after)):
                want, queue = {self.truth.key(e)}, [self.truth.key(e)]
                while queue:
                    for other in graph[queue.pop()] - want:
                        want.add(other)
                        queue.append(other)
                got = self.server.get("cone", id=self.ref(self.truth.key(e)), dir=direction, limit=20000)
                has = {self.key(x["id"]) for x in got["events"]}
                if (has != want and not got["truncated"]) or not has <= want or got["truncated"] != (len(want) > 20000):
                    wrong.append((self.truth.key(e), direction, len(has), len(want)))
        self.case("cone: what leads to an event and what it leads to, by edges and program order", not wrong, wrong)

    def steps(self):
        threads = [t for t in self.truth.threads().values() if len(t) > 1]
        wrong = []
        for thread in self.random.sample(threads, min(SAMPLES, len(threads))):
            i = self.random.randrange(len(thread) - 1)
            there = self.server.get("step", id=self.ref(thread[i]), dir="next", axis="thread")["id"]
            back = self.server.get("step", id=self.ref(thread[i + 1]), dir="prev", axis="thread")["id"]
            if there != self.ref(thread[i + 1]) or back != self.ref(thread[i]):
                wrong.append((thread[i], there, back))
        self.case("step: along a thread", not wrong, wrong)
        at, seen, last, wrong = self.ref(self.truth.key(self.truth.events[0])), 0, 0, []
        while at and seen < 300:
            step = self.server.get("step", id=at, dir="next")
            if not step["id"]:
                break
            if step["clock"] < last or self.server.get("step", id=step["id"], dir="prev")["id"] != at:
                wrong.append((at, step))
            last, at, seen = step["clock"], step["id"], seen + 1
        self.case("step: by cause, clocks never fall, and back again", not wrong and seen, wrong)

    def searches(self):
        for query in ("type=send|log", "not type=send", "bytes>100 and type=recv", "process~e and not context=task"):
            want = [self.truth.key(e) for e in self.truth.show("--json", query=query)]
            got, start = [], ""
            while len(got) < 1000:
                page = self.server.get("search", q=query, limit=500, **({"from": start} if start else {}))
                got += [self.key(e["id"]) for e in page["events"]]
                start = page.get("next")
                if not start:
                    break
            right = page["total"] == len(want) and set(got) <= set(want) and (start or len(got) == len(want))
            self.case(f"search: {query}", right, (page["total"], len(want), len(got)))
            rows = self.window(q=query)
            self.case(f"window: {query}", rows["total"] == len(want), (rows["total"], len(want)))

    def story(self):
        command = [self.truth.saker, "story", "--json", *self.truth.recordings]
        want = json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
        self.case("story: as saker story tells it", self.server.get("story", requests=1) == want)

    def offsets(self):
        """What is left of the difference of the clocks is what show says less the difference of the epochs."""
        if self.truth.single:
            return
        epochs = {}
        for e in self.truth.events:
            if e["type"] == "clock" and e.get("host") not in epochs:
                epochs[e["host"]] = e["real_ns"] - e["boot_ns"]
        told = [h for h in self.info["hosts"] if h["offset"]["low"] is not None and h["offset"]["high"] is not None]
        right = all(h["offset"]["low"] <= h["offset"]["high"] for h in told)
        self.case("info: offsets are intervals", right and len(told) >= 1, self.info["hosts"])


def main(saker, address, recordings):
    check = Check(Server(address), Truth(saker, recordings))
    for part in (check.totals, check.order_of_lanes, check.threads, check.whole, check.windows, check.sides, check.cones,
                 check.steps, check.searches, check.story, check.offsets):
        part()
    print(f"1..{check.count}")
    return check.failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
