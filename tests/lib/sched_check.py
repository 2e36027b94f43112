#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what was recorded of a program's time with what the program knows (tests/lib/stretches.c), as TAP.

usage: sched_check.py EVENTS TRUTH [--late] [--lax] [--stolen NS]

--late: the program ran before the recording.  --stolen: what the hypervisor may have taken meanwhile.

Some kernels switch from some of their threads, or wake in them, without the hooks: then what a thread waited for, or when it was
woken, is not told, and the event says so.  What is compared with such a stretch may be wanting but not wrong; if nothing else is,
the exit status is 3: another run may be whole.  With --lax such comparisons are skipped.

EVENTS are the lines of `saker show REC --json`.  Moments are compared by the intervals in which the program knows them to
lie, counts with the kernel's own for the thread (getrusage), times with the thread's clock and /proc/PID/schedstat.
"""
import collections
import json
import sys

# The kernel takes its own clock some instructions away from the hook, and the hypervisor may step in between.
SWITCH_NS = 20_000
# What the hypervisor took from a thread that ran is running here, and no CPU time of the thread: /proc/stat calls it steal.
STOLEN = 0.1
# So long the program runs before each message.
MESSAGE_NS = 1_000_000


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


class Tap:
    def __init__(self, lax):
        self.count, self.failed, self.wanting, self.lax = 0, False, False, lax

    def ok(self, good, what, why="", vague=False):
        if not good and vague:
            self.wanting = True
            if self.lax:
                self.skip(what, "the kernel did not tell of a switch or a wake, or the hypervisor took the CPU")
                return
        self.count += 1
        self.failed = self.failed or not (good or vague)
        if not good and why != "":
            print(f"# {why}"[:1000])
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}")

    def skip(self, what, why):
        self.count += 1
        print(f"ok {self.count} - {what} # SKIP {why}")

    def within(self, low, got, high, what, vague=False):
        """vague: it may be less than it should."""
        self.ok(low <= got <= high, what, f"{got} is not in [{low}, {high}]", vague and got <= high)


def until(e):
    """Where the part of the event that is not a wait ends."""
    return e["off_ns"] or e["boot_ns"]


def running(e):
    return until(e) - e["since_ns"] - e["preempted_ns"] - e["short_ns"]


def woken(e):
    return e["wake_ns"] or e["boot_ns"]


def blocked(e):
    return woken(e) - e["off_ns"] if e["off_ns"] else 0


def cpu_wait(e):
    return e["boot_ns"] - woken(e) if e["off_ns"] else 0


def has(e, flag):
    return flag in str(e["flags"]).split("|")


def vague(e):
    """Not all of it was seen: its end is worked out, or nobody saw the wake."""
    return has(e, "gap") or has(e, "estimated") or bool(e["off_ns"] and not e["wake_ns"])


def sound(e):
    moments = [e["since_ns"]] + ([e["off_ns"]] if e["off_ns"] else []) + ([e["wake_ns"]] if e["wake_ns"] else []) + [e["boot_ns"]]
    counted = (e["preempted_ns"] == 0 or e["preemptions"] > 0) and (e["short_ns"] == 0 or e["short_waits"] > 0)
    return moments == sorted(moments) and running(e) >= 0 and counted and (e["off_ns"] or not e["wake_ns"])


def whole(tap, events, threads):
    """Every thread's events are one unbroken chain, from its birth (or the begin of the recording) to its end."""
    born = {(e["child_tid"], e["child_start_ns"]): e["child_start_ns"] for e in events if e["type"] == "fork"}
    ended = {(e["tid"], e["start_ns"]): e["boot_ns"] for e in events if e["type"] == "exit"}
    execs = {(e["tid"], e["start_ns"]) for e in events if e["type"] == "exec"}
    torn, early, last, gaps = [], [], [], []
    for key, chain in threads.items():
        torn += [(a, b) for a, b in zip(chain, chain[1:]) if b["since_ns"] != a["boot_ns"] and key not in execs and
                 not has(b, "gap")]
        gaps += [e for e in chain[1:] if has(e, "gap")]
        if key in born:
            early += [chain[0]] if chain[0]["since_ns"] != born[key] or chain[0]["what"] != "birth" else []
        elif not has(chain[0], "gap"):
            early.append(chain[0])
        if key in ended:
            last += [chain[-1]] if chain[-1]["boot_ns"] > ended[key] or chain[-1]["off_ns"] else []
    tap.ok(len(threads) > 5, "there are threads")
    tap.ok(not torn, "each event begins where the one before ended", torn[:2])
    told = sum(map(len, threads.values()))
    tap.ok(len(gaps) <= told / 50, "nothing is missing in between, but where the kernel did not tell", gaps[:2])
    tap.ok(not early, "the first begins with the thread, or says that it does not", early[:2])
    tap.ok(not last, "the last ends with the thread", last[:2])
    wrong = [e for chain in threads.values() for e in chain if not sound(e)]
    tap.ok(not wrong, "running, preempted, waiting, waiting for a CPU: in this order, none below 0", wrong[:2])


def boundary(chain, before, after):
    """The short sleep between two stamps."""
    found = [e for e in chain if e["what"] == "sleep" and before["to"] <= e["off_ns"] and e["boot_ns"] <= after["from"]]
    return found[0] if len(found) == 1 else None


class Phase:
    """What was recorded between the two short sleeps of a line of the truth."""

    def __init__(self, chain, line):
        self.line, self.open = line, boundary(chain, line["open"], line["opened"])
        self.close = boundary(chain, line["close"], line["closed"])
        if not self.open or not self.close:
            return
        begin, end = self.open["boot_ns"], self.close["boot_ns"]
        self.parts = [e for e in chain if begin < e["boot_ns"] <= end]
        self.vague = any(map(vague, self.parts + [self.open]))
        self.waits = [e for e in self.parts if e["off_ns"] and e is not self.close]
        self.running = sum(map(running, self.parts))
        self.preempted = sum(e["preempted_ns"] for e in self.parts)
        self.preemptions = sum(e["preemptions"] for e in self.parts)
        self.short_waits = sum(e["short_waits"] for e in self.parts)
        self.faults = sum(e["faults"] for e in self.parts)
        self.delay = self.preempted + sum(map(cpu_wait, self.waits))
        self.blocked = collections.Counter()
        for e in self.waits:
            self.blocked[e["what"]] += blocked(e)
        self.elapsed = self.close["off_ns"] - begin
        self.total = self.running + self.preempted + sum(e["short_ns"] for e in self.parts) + sum(self.blocked.values()) + \
            sum(map(cpu_wait, self.waits))

    def inner(self, name):
        return self.line["close"][name] - self.line["opened"][name]

    def outer(self, name):
        return self.line["closed"][name] - self.line["open"][name]


def counted(tap, p, name, stolen):
    """As the kernel counted: up to what the hypervisor may have stolen, wherever that was, a run is not whole."""
    slack = SWITCH_NS * (2 + len(p.waits) + p.short_waits + p.preemptions)
    tap.ok(p.total == p.elapsed, f"{name}: the parts add up to the time exactly", f"{p.total} != {p.elapsed}")
    # the kernel's clock may stand still from a wake to the switch: then the wait for a CPU is charged as running
    charged = sum(map(cpu_wait, p.waits)) / 2 + STOLEN * p.delay
    most = p.outer("cpu") + slack + STOLEN * p.elapsed
    low = p.inner("cpu") - slack - 2 * charged
    tap.ok(low <= p.running <= most, f"{name}: running", f"{p.running} is not in [{low}, {most}]", low <= p.running <= most + stolen)
    tap.ok(p.running + p.delay >= p.inner("cpu") + p.inner("delay") - slack, f"{name}: running and waiting for a CPU",
           (p.running, p.delay, p.line), p.vague)
    tap.within(p.inner("waits"), len(p.waits) + p.short_waits, p.outer("waits") - 2, f"{name}: number of waits", p.vague)
    tap.within(p.inner("preemptions"), p.preemptions, p.outer("preemptions"), f"{name}: number of preemptions", p.vague)
    tap.within(p.inner("minor") + p.inner("major"), p.faults, p.outer("minor") + p.outer("major"), f"{name}: page faults")
    least = p.inner("delay") - slack - charged
    tap.ok(p.delay >= least, f"{name}: waiting for a CPU, as schedstat has it at least",
           f"{p.delay} < {p.inner('delay')}: {p.parts}", p.vague or p.delay >= least - stolen)
    if not p.waits:
        tap.ok(p.delay <= p.outer("delay") + slack + STOLEN * p.preempted, f"{name}: and at most",
               f"{p.delay} > {p.outer('delay')}")


def woken_by_other(tap, p, name, what):
    """One wait, which the other thread ended between two moments that it knows."""
    line = p.line
    waits = [e for e in p.waits if e["what"] == what]
    tap.ok(len(waits) >= 1, f"{name}: waited for {what}", p.waits, p.vague)
    if not waits or p.vague:
        return
    e = waits[-1]
    tap.ok(line["begin"] <= waits[0]["off_ns"] <= line["other_from"], f"{name}: since it had asked", (line, e))
    tap.ok(line["other_from"] <= e["wake_ns"] <= line["other_to"], f"{name}: until the other one gave it", (line, e))
    tap.ok(e["boot_ns"] <= line["end"], f"{name}: and ran before it went on", (line, e))
    tap.within(line["wanted"] - (e["off_ns"] - line["begin"]), p.blocked[what], line["end"] - line["begin"], f"{name}: so long")


def slept(tap, p):
    line, e = p.line, max(p.waits, key=blocked, default=None)
    took = line["end"] - line["begin"]
    tap.ok(e and e["what"] == "sleep", "sleep: what it is", p.waits, p.vague and (not e or e["what"] == "unknown"))
    tap.within(2 * line["wanted"] - took, p.blocked["sleep"], took, "sleep: so long", p.vague)


def synced(tap, p):
    calls = {e["call"] for e in p.waits if e["what"] == "disk"}
    tap.ok(74 in calls, "sync: waited for the disk in fsync", p.waits, p.vague)
    tap.ok(all(e["what"] == "disk" for e in p.waits if e["call"] == 74), "sync: and for nothing else there", p.waits)
    tap.within(1, p.blocked["disk"], p.line["end"] - p.line["begin"], "sync: so long", p.vague)


def paged(tap, p):
    if not p.inner("major"):
        tap.skip("major: waited for pages", "no page had to be read")
        return
    faults = [e for e in p.waits if e["what"] == "fault"]
    tap.ok(faults and len(faults) <= p.inner("major") + 1, "major: waited for pages", p.waits, p.vague)
    tap.ok(all(e["call"] == 65535 for e in faults), "major: not in a call")


def talked(tap, chain, messages, stamps):
    """
    Between two messages the thread's own clock knows how long it ran; and what an event tells as a sum lies behind
    the last message in its stretch.
    """
    lying = [(m["boot_ns"], e) for m in messages for e in chain
             if e["since_ns"] < m["boot_ns"] < until(e) and e["preempted_ns"] + e["short_ns"] > until(e) - m["boot_ns"]]
    tap.ok(not lying, "talk: sums never reach back behind a message", lying[:1])
    sends = [m for m in messages if m["type"] == "send"]
    tap.ok(len(sends) == len(stamps) - 1, "talk: all messages are there", len(sends))
    wrong, off = [], 0
    for i in range(1, len(sends)):
        begin, end = sends[i - 1]["boot_ns"], sends[i]["boot_ns"]
        parts = [e for e in chain if begin < e["boot_ns"] <= end]
        away = sum(e["preempted_ns"] + e["short_ns"] + blocked(e) + cpu_wait(e) for e in parts)
        switches = sum(e["preemptions"] + e["short_waits"] + 1 for e in parts)
        most = stamps[i + 1]["at"]["cpu"] - stamps[i - 1]["at"]["cpu"]
        slack = SWITCH_NS * (1 + switches)
        off += away
        if not MESSAGE_NS - slack - STOLEN * away <= end - begin - away <= most + slack + STOLEN * (end - begin):
            wrong.append((end - begin, away, most, parts))
    tap.ok(len(wrong) <= len(sends) // 10, "talk: between two messages it ran as long as its own clock says", wrong[:1])
    tap.ok(off > 5_000_000, "talk: and it was put off the CPU meanwhile", off)


def stopped(tap, chain, line):
    e = [e for e in chain if e["what"] == "stopped"]
    tap.ok(len(e) == 1, "stopped: once", chain[:3])
    if e:
        tap.ok(line["begin"] <= e[0]["off_ns"] and line["other_from"] <= e[0]["wake_ns"] <= line["other_to"],
               "stopped: from SIGSTOP to SIGCONT", (line, e[0]))


def late(tap, chain, threads, truth):
    first = chain[0]
    tap.ok(has(first, "gap") and first["off_ns"] == first["since_ns"] and first["wake_ns"] > first["off_ns"],
           "late: who was asleep when the recording began had waited since then", first)
    spinner = [line["tid"] for line in truth if line["what"] == "ran before"][0]
    own = [c for (tid, _), c in threads.items() if tid == spinner][0]
    tap.ok(has(own[0], "gap") and not any(e["off_ns"] for e in own), "late: who ran then ran on", own[:3])


def main(events, truth, *options):
    stolen = int(options[options.index("--stolen") + 1]) if "--stolen" in options else 0
    events, truth, tap, threads = lines(events), lines(truth), Tap("--lax" in options), collections.defaultdict(list)
    for e in sorted((e for e in events if e["type"] == "ran"), key=lambda e: (e["boot_ns"], e["id"])):
        threads[e["tid"], e["start_ns"]].append(e)
    tap.ok(not [e for e in events if e["type"] == "loss"], "nothing was lost")
    whole(tap, events, threads)
    main_tid = [line["tid"] for line in truth if line["what"] == "spin"][0]
    chain = [c for (tid, _), c in threads.items() if tid == main_tid][-1]
    checks = {"sleep": slept, "sync": synced, "major": paged,
              "lock": lambda t, p: woken_by_other(t, p, "lock", "futex"), "pipe": lambda t, p: woken_by_other(t, p, "pipe", "pipe")}
    for line in truth:
        if not line.get("close", {}).get("from"):
            continue
        p = Phase(chain, line)
        tap.ok(p.open and p.close, f"{line['what']}: its bounds are there", "", any(
            vague(e) and line["open"]["from"] <= e["boot_ns"] and e["since_ns"] <= line["closed"]["to"] for e in chain))
        if p.open and p.close and any(has(e, "gap") for e in p.parts):
            tap.skip(f"{line['what']}: compared", "the kernel did not tell of a switch")
        elif p.open and p.close:
            counted(tap, p, line["what"], stolen)
            checks.get(line["what"], lambda *_: None)(tap, p)
            if line["what"] == "touch":
                tap.ok(p.faults >= line["pages"], "touch: a fault a page", p.faults)
    stamps = sorted((line for line in truth if line["what"] == "message"), key=lambda line: line["number"])
    begin, end = stamps[0]["at"]["from"], stamps[-1]["at"]["to"]
    talked(tap, chain, [e for e in events if e["type"] in ("send", "recv") and e["tid"] == main_tid and
                        begin <= e["boot_ns"] <= end], stamps)
    for line in truth:
        if line["what"] == "stopped":
            stopped(tap, [c for (tid, _), c in threads.items() if tid == line["tid"]][0], line)
    if "--late" in options:
        late(tap, chain, threads, truth)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 3 if tap.wanting else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
