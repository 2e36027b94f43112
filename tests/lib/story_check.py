#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a story says against what the demo did.

    story_check.py TRUTH.jsonl STORY.json     a line for each thing that is wrong; nothing: it is right
    story_check.py none STORY.json            the story must name no cause

TRUTH.jsonl is written by demo/etcd.sh and demo/zookeeper.sh: a fault, its victim, who did it, from when to when (CLOCK_BOOTTIME). STORY.json is
what `saker story --json` prints. Nothing of Saker is used here.
"""
import json
import re
import sys

BEFORE_NS = 50_000_000  # clocks are one; the truth is written just before the deed
LATE_NS = 1_000_000_000
LINES = 10


def wrong_cause(truth, line):
    """The cause names the victim and who did it, in its role."""
    victim = re.escape("%s[%d]" % (truth["process"], truth["pid"])) + r" on \S*" + truth["node"] + r"\b"
    killer = r"\[%d\]" % truth["killer_pid"]
    shape = {
        "pause": r"^[^,]*" + killer + r" sent SIGSTOP to " + victim,
        "kill": r"^[^,]*" + killer + r" sent SIGKILL to " + victim,
        "oom": r"^memory ran out: the kernel killed " + victim,
        "partition": r"^" + victim + r" was cut off, as [^,]*" + killer,
    }[truth["fault"]]
    if not re.search(shape, line["text"]):
        yield "the cause is another: %s" % line["text"]
    late = truth["lift_boot_ns"] if truth["fault"] == "oom" else truth["begin_boot_ns"] + LATE_NS
    if not truth["begin_boot_ns"] - BEFORE_NS <= line["boot_ns"] <= late:
        yield "the cause is %.3f s off" % ((line["boot_ns"] - truth["begin_boot_ns"]) / 1e9)


def has(lines, shape, truth, begin, end):
    """A line of that shape within the time?"""
    who = r"(\S*%s|%s\[%d\] on \S+)" % (truth["node"], re.escape(truth["process"]), truth["pid"])
    return any(re.search(shape.replace("WHO", who), l["text"]) and begin <= l["boot_ns"] <= end for l in lines)


def wrong_effects(truth, lines):
    """The last word, somebody's wait, the lifting, the return: all but the third come from messages alone."""
    begin, lift = truth["begin_boot_ns"], truth["lift_boot_ns"]
    if not has(lines, r"^WHO's last message to ", truth, begin - LATE_NS, lift):
        yield "no last message of the victim"
    if not (has(lines, r"had heard nothing from WHO for ", truth, begin, lift + LATE_NS) or
            has(lines, r" had waited \d", truth, begin, lift + 3 * LATE_NS)):
        yield "nobody waited"
    lifted = {"pause": r"SIGCONT", "kill": r" started .* after the death of WHO", "oom": r" started .* after the death of WHO",
              "partition": r"WHO (heard from|was heard by) .* again"}[truth["fault"]]
    if not has(lines, lifted, truth, lift - BEFORE_NS, lift + 3 * LATE_NS):
        yield "not told how it was lifted"
    if not has(lines, r" (heard from|was heard by) .* again", truth, lift - BEFORE_NS, lift + 4 * LATE_NS):
        yield "not told when the victim was heard again"


def wrong(truth, story):
    causes = [l for l in story["lines"] if l["cause"]]
    if len(story["lines"]) > LINES - 2:
        yield "%d lines" % len(story["lines"])
    for line in story["lines"]:
        if not line["events"]:
            yield "no evidence: %s" % line["text"]
    if truth is None:
        for line in causes:
            yield "a cause, though nothing happened: %s" % line["text"]
        return
    if len(causes) != 1:
        yield "%d causes" % len(causes)
    for line in causes:
        yield from wrong_cause(truth, line)
    yield from wrong_effects(truth, story["lines"])


def main():
    truth = None
    if sys.argv[1] != "none":
        with open(sys.argv[1], encoding="utf-8") as file:
            truth = json.loads(file.readline())
    with open(sys.argv[2], encoding="utf-8") as file:
        story = json.load(file)
    for sentence in wrong(truth, story):
        print(sentence)


main()
