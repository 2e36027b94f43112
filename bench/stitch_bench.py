#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many of the links from span to parent are right, and how many are found, without any id in the messages.

usage: bench/stitch_bench.py [--requests N] [--concurrency N,...] [APP...]	(2000 and 1,16,64; all applications)
smoke: --requests 60 --concurrency 4

The client of demo/shop.sh sends a random X-Request-ID, which each application passes on in what it asks: as a header, as a
second key to Redis, as a comment in SQL. `saker requests --ignore-ids` does not look at them; here they are read from the
recorded messages, and say of each span whose it is. A link is right when both ends have the same id, and the parent is the
other end of the connection (of a server span) or the server span of the same process (of a client span).

An application's figures are those of its own spans while the client asks it, as fast as it answers: precision is right /
claimed, recall is right / all that its own log of requests tells. Prints rows of a Markdown table, and for each application one
of reliability: of the links from client spans to their parents, by the confidence that is told of them, how many were right. (Links of
server spans are left out there: both ends of a connection name the same bytes, which is certain.) At the end the same of all links by the
kind of evidence, each kind's with a row: one that promises more than it holds is marked.
"""
import argparse
import bisect
import collections
import re
import sys

import shop

ID = re.compile(r"X-Request-I[Dd]: ([0-9a-f]{16})|\bid:([0-9a-f]{16})|/\* ([0-9a-f]{16}) \*/")
GOAL = {"threads": 0.99, "pool": 0.99, "loop": 0.95, "go": 0.95}


class Truth:
    """The ids in the recorded messages. A message may arrive in several pieces, the id in any of them."""

    def __init__(self, rec):
        self.ids, self.at = collections.defaultdict(list), {}
        for e in shop.lines(shop.saker("show", "--json", rec, "type=payload or type=send or type=recv")):
            if e["type"] == "payload":
                match = ID.search(e["data"])
                if match:
                    self.ids[e["sock"], "sent" in str(e["flags"])].append((e["offset"], match[match.lastindex]))
            else:
                self.at[e["id"]] = (e["sock"], e["type"] == "send"), e["offset"]

    def of(self, span):
        """None: no id in its request."""
        stream, begin = self.at.get(span["event"], (None, 0))
        found = self.ids.get(stream, [])
        i = bisect.bisect_left(found, (begin, ""))
        return found[i][1] if i < len(found) and found[i][0] < begin + span["request_bytes"] else None


def spans(rec):
    return shop.lines(shop.saker("requests", rec, "--ignore-ids", "--all", "--json"))


BUCKETS = (0, 20, 40, 60, 80, 90, 95, 98, 101)  # percent; the last is the end


class Reliability:
    """By what confidence was told: links, how many were right, and the sum of the confidences."""

    def __init__(self):
        self.rows = [[0, 0, 0] for _ in BUCKETS[1:]]

    def add(self, confidence, right):
        row = self.rows[bisect.bisect_right(BUCKETS, confidence) - 1]
        row[0], row[1], row[2] = row[0] + 1, row[1] + right, row[2] + confidence

    def over(self):
        """Does it promise more than it holds?  Two standard deviations of as many draws are chance, and a hundredth is rounding."""
        for links, right, sum_told in self.rows:
            said = sum_told / links / 100 if links else 0
            if links and right / links < said - 0.01 - 2 * (said * (1 - said) / links) ** 0.5:
                return True
        return False

    def text(self):
        told = [(low, high, *row) for low, high, row in zip(BUCKETS, BUCKETS[1:], self.rows) if row[0]]
        return "; ".join(f"{low} to {high - 1} %: {right} of {links} = {right / links:.3f}, told {told / links / 100:.3f}"
                         for low, high, links, right, told in told)


EVIDENCE = collections.defaultdict(Reliability)


class Score:
    def __init__(self):
        self.told = Reliability()
        self.right = self.claimed = self.all = 0
        self.wrong = collections.Counter()

    def add(self, claimed, right, evidence):
        self.all += 1
        self.claimed += claimed
        self.right += right
        if claimed and not right:
            self.wrong[evidence] += 1
        elif not claimed:
            self.wrong["none"] += 1

    def precision(self):
        return self.right / self.claimed if self.claimed else 0.0

    def recall(self):
        return self.right / self.all if self.all else 0.0


def scores(rec):
    """Score of each process."""
    truth, rows = Truth(rec), spans(rec)
    by_id = {span["id"]: span for span in rows}
    whose = {span["id"]: truth.of(span) for span in rows}
    found = collections.defaultdict(Score)
    for span in rows:
        if not whose[span["id"]] or span["service"].startswith("shop-client"):
            continue
        parent = by_id.get(span.get("parent"))
        right = bool(parent) and whose.get(parent["id"]) == whose[span["id"]] and parent["kind"] != span["kind"] and \
            (parent["pid"] == span["pid"]) == (span["kind"] == "client")
        found[span["pid"]].add(parent is not None, right, span["evidence"])
        if parent:
            EVIDENCE[span["evidence"]].add(span["confidence"], right)
        if parent and span["kind"] == "client":
            found[span["pid"]].told.add(span["confidence"], right)
    return found


def measure(place, app, concurrency, requests):
    rec, talk = place.record(place.load("--threads", concurrency, "--requests", max(1, requests // concurrency), shop.WEB, app),
                             "--payload", "512")
    lost = re.search(r", (\d+) lost", talk)
    found = scores(rec)
    score, whole = found[place.pid[app]], Score()
    # Of each request that it answered: the server span, those to Redis and PostgreSQL, that to the next application
    links = sum(3 + (line["next_ns"] > 0) for line in place.served() if line["app"] == app)
    missing, score.all = links - score.all, links
    for one in found.values():
        whole.right, whole.claimed, whole.all = whole.right + one.right, whole.claimed + one.claimed, whole.all + one.all
    asked = place.asked()
    failed = sum(a["status"] != 200 for a in asked)
    goal = GOAL[app]
    shop.row(f"stitching, {app}, {concurrency} at a time", f"precision {score.precision():.4f}, recall {score.recall():.4f}",
             f">= {goal}, {goal}", f"{links} links, {missing} of spans that were not found; {len(asked)} requests, {failed} failed; of all processes "
             f"{whole.precision():.4f}, {whole.recall():.4f} of {whole.all}; {lost[1] if lost else '?'} events lost; wrong by "
             f"evidence: {dict(score.wrong) or 'none'}")
    shop.row(f"confidence, {app}, {concurrency} at a time", score.told.text() or "no links", "right as often as told", "links of client spans")
    return min(score.precision(), score.recall()) >= goal and score.all > 0


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--requests", type=int, default=2000)
    args.add_argument("--concurrency", default="1,16,64")
    args.add_argument("apps", nargs="*", metavar="APP")
    args = args.parse_args()
    shop.need()
    reached = True
    with shop.Shop() as place:
        for app in args.apps or shop.APPS:
            for concurrency in map(int, args.concurrency.split(",")):
                reached &= measure(place, app, concurrency, args.requests)
    for name, told in sorted(EVIDENCE.items()):
        shop.row(f"confidence, evidence {name}", told.text(), "right as often as told",
                 "promises more than it holds" if told.over() else "holds what it promises")
    if not reached:
        print("# not all goals are reached", file=sys.stderr)


if __name__ == "__main__":
    main()
