# SPDX-License-Identifier: Apache-2.0
"""logs_check.py THREADS LINES WHERE LANG... <EVENTS: every line of logwriters/ on its thread and at its place, as TAP.

EVENTS are `saker show --json` of log and dgram_send events.  What the writers write is known from their arguments; which
threads there are, from the lines.
"""
import collections
import json
import re
import sys

TRACES = {
    "c": ["", "goroutine 1 [running]:", "main.work(0x1)", "\t/main.go:3"],
    "java": ["java.lang.IllegalStateException: broken", "\tat a.B.c(B.java:1)",
             "Caused by: java.io.IOException: gone", "\t... 2 more"],
    "python": ["Traceback (most recent call last):", '  File "x.py", line 1, in f', "ValueError: no number"],
}
TRACES["go"] = TRACES["c"]
HEADS = {"c": "panic: ", "go": "panic: ", "java": "2026-11-25 00:00:00,000 ERROR ",
         "python": "2026-11-25 00:00:00,000 ERROR "}


def expected(lang, tid, n):
    head = f"{lang} tid={tid} n={n} "
    if n % 25 == 24 and n % 10 != 7:
        return [head + "%0*d" % (3000 if n // 25 % 2 == 0 else 9000, n)]
    if n % 10 == 7:
        return [HEADS[lang] + head + "text"] + TRACES[lang]
    return [head + "text"]


def check_thread(lang, tid, events, count):
    """What is wrong with one thread's events."""
    lines, folded, more, sent = [], 0, False, -1
    for e in events:
        if e["type"] == "dgram_send":
            sent = e["bytes"] - 1
            continue
        parts = e["text"].split("\n")
        folded += len(parts) > 1
        if more:
            lines[-1][1] += parts.pop(0)
        lines += [[sent, p] for p in parts]
        more = "more" in e["flags"]
        if "lost" in e["flags"] or "partial" in e["flags"] or "cut" in e["flags"]:
            return f"flags {e['flags']} of '{e['text'][:80]}'", 0
    want = [[n, line] for n in range(count) for line in expected(lang, tid, n)]
    if lines != want:
        for got, right in zip(lines + [None], want + [None]):
            if got != right:
                return f"got {str(got)[:200]}, want {str(right)[:200]}", folded
    return None, folded


def main():
    threads, count, where = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    langs = sys.argv[4:]
    by_thread, lang_of, places = collections.defaultdict(list), {}, collections.Counter()
    for line in sys.stdin:
        e = json.loads(line)
        by_thread[e["tid"]].append(e)
        if e["type"] == "log":
            found = re.search(r"(\w+) tid=(\d+) n=0 ", e["text"])
            if found and int(found[2]) == e["tid"]:
                lang_of[e["tid"]] = found[1]
            places[e["where"]] += 1
    number, bad = 0, 0
    for lang in langs:
        tids = [t for t, l in lang_of.items() if l == lang]
        folded = 0
        wrong = [] if len(tids) == threads else [f"{len(tids)} threads wrote, not {threads}"]
        for tid in tids:
            why, n = check_thread(lang, tid, by_thread[tid], count)
            folded += n
            wrong += [f"thread {tid}: {why}"] if why else []
        # on a busy machine what goes on with a line may come too late: that is said by a flag, and seldom
        traces = threads * len([n for n in range(count) if n % 10 == 7])
        if folded < traces / 2:
            wrong.append(f"{folded} of {traces} traces are folded")
        for w in wrong[:5]:
            print(f"# {w}")
        number += 1
        bad += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {where}: {lang}: {threads} threads, {count} lines each, "
              "each on its thread at its place")
    number += 1
    only = set(places) == {where}
    print(f"# {dict(places)}")
    print(f"{'ok' if only else 'not ok'} {number} - {where}: that is where they went")
    print(f"1..{number}")
    return bool(bad) or not only


sys.exit(main())
