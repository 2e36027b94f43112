#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the time of slow requests is put down to what was planted: the right span, the right reason, the right milliseconds.

usage: bench/why_bench.py [--runs N] [--hold S] [FAULT...]	(20 runs of 3 s; lock flush hog loss query)
smoke: --runs 1 --hold 1

Each run plants one fault of random size in the shop of demo/shop.sh while it is recorded. The application writes down of each
request by which thread and when it was answered and how long the step took that the fault delays; that is the truth. Of the hog
it is the least of two: how long the request's thread waited for a CPU, as the kernel counts it, and how long the hog ran meanwhile, by
its own log. What Saker states is the time in the tree of spans below that request, of whatever class but waiting for another span, added
up by class and by whose doing it is (who had the CPU, the server at the other end, the process itself): the largest sum.
A run counts by the request that was delayed most among those of which the fault is more than half, by the application's own
clock: what else the machine does delays others. A run without one is drawn again, twice at most. Prints rows of a Markdown table.
"""
import argparse
import collections
import random
import re
import statistics
import sys

import shop

APP = "threads"
SIZES = {"lock": (20, 120), "flush": (100, 250), "hog": (20, 120), "loss": (40, 160), "query": (20, 120)}
WITHIN = 0.10
TAIL_NS = 300000000  # at the end nobody waits for answers any more


HELD = re.compile(r"(?:^|, )([^,]*?)\[\d+\] (?:had that CPU )?for (\d+\.\d) ms")


def hog_ran(bursts, line):
    """How long the hog ran during a request, by its own log: begin and end of each burst, and what it ran in it."""
    return sum(max(0, min(end, line["end_boot_ns"]) - max(begin, line["begin_boot_ns"])) * ran / max(end - begin, 1)
               for begin, end, ran in bursts)


def expected(fault, ms, served, bursts):
    """Of each request that was delayed: its line, how long, by which class, whose doing."""
    usual = statistics.median([line["redis_blocked_ns"] for line in served if not line["redis_resent"]] or [0])
    for line in served:
        if fault == "lock" and line["lock_blocked_ns"] > ms * 250000:
            yield line, line["lock_blocked_ns"], "lock", "self"
        elif fault == "flush" and line["fault"]:
            yield line, line["flush_blocked_ns"], "disk", "self"
        elif fault == "hog" and min(line["cpu_wait_ns"], hog_ran(bursts, line)) > ms * 250000:
            yield line, min(line["cpu_wait_ns"], hog_ran(bursts, line)), "cpu_wait", "shop-hog"
        elif fault == "loss" and line["redis_resent"]:
            yield line, line["redis_blocked_ns"] - usual, "retransmit", "redis"
        elif fault == "query" and line["fault"]:
            yield line, ms * 1000000, "sleep", "postgres"


class Spans:
    def __init__(self, rec, pid):
        self.rows = shop.lines(shop.saker("requests", rec, "--all", "--json"))
        self.children = collections.defaultdict(list)
        self.of_thread = collections.defaultdict(list)
        for span in self.rows:
            self.children[span.get("parent")].append(span)
            if span["pid"] == pid and span["kind"] == "server":
                self.of_thread[span["tid"]].append(span)

    def of(self, line):
        """The server span of a request that the application tells of."""
        for span in self.of_thread[line["tid"]]:
            if span["begin_ns"] <= line["begin_boot_ns"] <= span["end_ns"]:
                return span
        return None

    def below(self, span):
        found = [span]
        for one in found:
            found.extend(self.children[one["id"]])
        return found

    def stated(self, root):
        """The largest sum below it: nanoseconds, class, whose doing."""
        sums = collections.Counter()
        for span in self.below(root):
            for time, ns in span["time_ns"].items():
                if time == "cpu_wait":
                    for name, held in HELD.findall(span.get("blame", "")):
                        sums[time, name] += float(held) * 1e6
                        ns -= float(held) * 1e6
                if time != "child" and ns > 0:
                    sums[time, place_of(span, root)] += ns
        (time, who), ns = sums.most_common(1)[0]
        return ns, time, who


def place_of(span, root):
    if span["id"] == root["id"]:
        return "self"
    return "redis" if "redis" in span["service"] + span["peer"] else "postgres" if "postgres" in span["service"] else "another"


class Tally:
    def __init__(self):
        self.runs = self.span = self.reason = self.size = self.whole = self.nothing = self.requests = self.right = 0
        self.off, self.said = [], collections.Counter()

    def add(self, results):
        """One run: (nanoseconds of truth, whose doing, right reason, how far off, words) of each request."""
        self.runs += 1
        if not results:
            self.nothing += 1
            return
        _, span, reason, off, words = max(results)
        self.span, self.reason, self.size = self.span + span, self.reason + reason, self.size + (off <= WITHIN)
        self.whole += span and reason and off <= WITHIN
        self.off.append(off)
        self.requests += len(results)
        self.right += sum(s and r and o <= WITHIN for _, s, r, o, _ in results)
        if not (span and reason and off <= WITHIN):
            self.said[words] += 1


def bursts_of(place):
    return [tuple(map(int, line.split())) for line in (place.place / "hog.bursts").read_text(encoding="utf-8").splitlines()]


def one_run(place, fault, ms, hold):
    rec, _ = place.record([shop.SCRIPT, "load", "--dir", place.place, "--fault", fault, "--app", APP, "--ms", ms, "--hold", hold],
                          "--with", "sched")
    spans, results = Spans(rec, place.pid[APP]), []
    end = shop.lines((place.place / "truth.jsonl").read_text(encoding="utf-8"))[-1]["end_boot_ns"]
    served = [line for line in place.served() if line["app"] == APP and line["end_boot_ns"] < end - TAIL_NS]
    for line, ns, reason, where in expected(fault, ms, served, bursts_of(place) if fault == "hog" else []):
        if 2 * ns < line["end_boot_ns"] - line["begin_boot_ns"]:
            continue
        span = spans.of(line)
        if not span:
            results.append((ns, False, False, 1.0, "no span of that request"))
            continue
        got, time, found = spans.stated(span)
        results.append((ns, found == where, time == reason, abs(got - ns) / max(ns, 1),
                        f"{time}, {found} {got / 1e6:.1f} of {ns / 1e6:.1f} ms"))
    return results


def delaying_run(place, fault, dice, hold):
    """One run, or another where the fault met no request: a lock that nobody else wanted at that moment."""
    for _ in range(3):
        results = one_run(place, fault, dice.randint(*SIZES[fault]), hold)
        if results:
            break
    return results


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--runs", type=int, default=20)
    args.add_argument("--hold", type=int, default=3)
    args.add_argument("faults", nargs="*", metavar="FAULT")
    args = args.parse_args()
    shop.need()
    dice = random.Random()
    with shop.Shop() as place:
        for fault in args.faults or SIZES:
            tally = Tally()
            for _ in range(args.runs):
                tally.add(delaying_run(place, fault, dice, args.hold))
            off = f"median {100 * statistics.median(tally.off):.1f} %, most {100 * max(tally.off):.1f} %" if tally.off else "-"
            shop.row(f"why, {fault}", f"{tally.whole} of {tally.runs} runs right", f"{args.runs} of {args.runs}",
                     f"whose {tally.span}, reason {tally.reason}, within 10 % {tally.size}; off by {off}; {tally.right} of "
                     f"{tally.requests} delayed requests; {tally.nothing} runs delayed none; wrong: {dict(tally.said) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
