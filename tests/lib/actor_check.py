#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what Saker recorded with what tests/lib/actor.py wrote down, as TAP.

usage: actor_check.py TRUTH EVENTS

EVENTS are the lines of ctf_json.py.
"""
import json
import sys

def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def only(items, what):
    """The one item; a ValueError says how many there are instead."""
    if len(items) != 1:
        raise ValueError(f"{len(items)} {what} instead of one")
    return items[0]


def want(event, **values):
    """Raises if a field of the event is not as wanted; None: any."""
    for name, value in values.items():
        if value is not None and event.get(name) != value:
            raise ValueError(f"{name} is {event.get(name)!r} instead of {value!r} in {event}")


class Recording:
    def __init__(self, events):
        self.events = events
        self.at = {id(e): n for n, e in enumerate(events)}

    def of(self, kind, **values):
        return [e for e in self.events if e["type"] == kind and all(e.get(k) == v for k, v in values.items())]

    def before(self, first, second, what):
        if not first["boot_ns"] <= second["boot_ns"] or self.at[id(first)] > self.at[id(second)]:
            raise ValueError(f"{what}: out of order")


def has_flag(event, bit):
    return bool(event["flags_number"] & bit)


def check_start(rec, fact):
    execs = rec.of("exec", tgid=fact["pid"])  # several where python3 is a script that finds the true one
    if not execs:
        raise ValueError("the actor was not seen to begin")
    want(execs[-1], netns=fact["netns"])


def check_fork(rec, fact):
    fork = only(rec.of("fork", child_tgid=fact["child"], child_tid=fact["child"]), "forks")
    want(fork, tgid=fact["pid"], context="task")
    if has_flag(fork, 4):
        raise ValueError("a process is called a thread")
    children = rec.of("exit", tgid=fact["child"], tid=fact["child"])
    for own in children:
        rec.before(fork, own, "fork and exit")
        want(own, start_ns=fork["child_start_ns"])


def check_thread(rec, fact):
    fork = only(rec.of("fork", child_tgid=fact["pid"], child_tid=fact["tid"]), "beginnings of the thread")
    if not has_flag(fork, 4):
        raise ValueError("a thread is called a process")
    end = only(rec.of("exit", tgid=fact["pid"], tid=fact["tid"]), "ends of the thread")
    want(end, start_ns=fork["child_start_ns"])


def check_exec(rec, fact):
    event = only(rec.of("exec", tgid=fact["child"]), "exec events")
    want(event, tid=fact["child"], exe=fact["exe"], comm=fact["comm"], args=fact["args"], uid=fact["uid"],
         gid=fact["gid"], ppid=fact["pid"], netns=fact.get("netns"), cgroup=fact.get("cgroup"))
    if "cgroup_path" in fact:
        names = rec.of("cgroup", cgroup=fact["cgroup"])
        want(only(names, "names of the cgroup"), path=fact["cgroup_path"])


def check_exit(rec, fact):
    last = only([e for e in rec.of("exit", tgid=fact["child"]) if has_flag(e, 1)], "ends of the process")
    want(last, code=fact["code"] or 0, sig=fact["sig"])
    if has_flag(last, 2) != fact["core"]:
        raise ValueError(f"core dump is {has_flag(last, 2)}, wait(2) says {fact['core']}")


def check_join(rec, fact):
    """wait(2) returned: the thread that waited says so, after the end of the child."""
    join = only(rec.of("join", tgid=fact["pid"], child_tgid=fact["child"]), "joins")
    last = only([e for e in rec.of("exit", tgid=fact["child"]) if has_flag(e, 1)], "ends of the process")
    rec.before(last, join, "exit and join")
    want(join, child_tid=last["tid"], child_start_ns=last["start_ns"], context="task")
    after = [e for e in rec.events if e["tgid"] == fact["pid"] and e["type"] == "fork" and
             e["boot_ns"] > last["boot_ns"]]
    if after:
        rec.before(join, after[0], "join and the parent's next fork")


def check_signal(rec, fact):
    sent = [e for e in rec.of("signal", tgid=fact["pid"], target_tgid=fact["target"], sig=fact["sig"])
            if ("code" not in fact or e["code"] == fact["code"]) and
            ("group" not in fact or has_flag(e, 1) == fact["group"])]
    if not sent:
        raise ValueError("not seen")
    want(sent[0], result=fact.get("result"), context="task")
    if has_flag(sent[0], 2):
        raise ValueError("a person's signal is said to be the kernel's")
    if fact.get("handler"):
        delivered = rec.of("deliver", tgid=fact["target"], sig=fact["sig"], action="handler")
        if not delivered:
            raise ValueError("no handler ran")
        rec.before(sent[0], delivered[0], "signal and delivery")
    if fact.get("result") == "ignored" and rec.of("deliver", tgid=fact["target"], sig=fact["sig"]):
        raise ValueError("it was ignored, and delivered all the same")


def check_kernel_signal(rec, fact):
    event = only(rec.of("signal", target_tgid=fact["target"], sig=fact["sig"]), "signals")
    if not has_flag(event, 2):
        raise ValueError("it is not said to come from the kernel")
    if fact["sig"] == 14 and event["context"] == "task":
        raise ValueError("a timer's signal is said to be the interrupted task's")


def check_stop(rec, fact):
    if not rec.of("stop", tgid=fact["child"], sig=fact["sig"]):
        raise ValueError("not seen")


def check_cont(rec, fact):
    conts, stops = rec.of("cont", tgid=fact["child"]), rec.of("stop", tgid=fact["child"])
    if len(conts) != len(stops):
        raise ValueError(f"{len(stops)} stops and {len(conts)} continues")
    for stop, cont in zip(stops, conts):
        rec.before(stop, cont, "stop and continue")


def check_oom(rec, fact):
    event = only(rec.of("oom_kill", victim_tgid=fact["victim"]), "kills")
    fork = only(rec.of("fork", child_tgid=fact["victim"], child_tid=fact["victim"]), "forks")
    want(event, victim_start_ns=fork["child_start_ns"], uid=0)
    end = only([e for e in rec.of("exit", tgid=fact["victim"]) if has_flag(e, 1)], "ends of the victim")
    want(end, sig=9)
    rec.before(event, end, "kill and end")


def main():
    rec = Recording(lines(sys.argv[2]))
    facts = lines(sys.argv[1])
    facts += [dict(f, fact="join") for f in facts if f["fact"] == "exit"]
    failed = 0
    kinds = list(dict.fromkeys(f["fact"] for f in facts))
    for number, kind in enumerate(kinds, 1):
        bad = 0
        mine = [f for f in facts if f["fact"] == kind]
        for fact in mine:
            try:
                globals()["check_" + kind](rec, fact)
            except (ValueError, KeyError) as e:
                bad += 1
                print(f"# {fact}: {e}")
        print(f"{'not ok' if bad else 'ok'} {number} - {kind}: {len(mine)} as the actor says, {bad} differ")
        failed += bad
    print(f"1..{len(kinds)}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
