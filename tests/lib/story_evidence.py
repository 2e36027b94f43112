#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the events that a story cites say what it says?

    story_evidence.py EVENTS.jsonl STORY.json    a line for each sentence that its events do not bear out

EVENTS.jsonl is what `saker show --json` prints, STORY.json what `saker story --json` does. For each shape of sentence
stands here what its events must be: types, processes, and the seconds that it gives.
"""
import json
import re
import sys

MS = 1_500_000


def pid(text, nth=0):
    """The nth process id of a sentence, `name[4711]`."""
    found = re.findall(r"\[(\d+)\]", text)
    return int(found[nth]) if len(found) > nth else None


def near(seconds, a, b):
    return abs(float(seconds) * 1e9 - (b - a)) <= MS


def last_message(_, events):
    return [e["type"] for e in events] == ["send"]


def sent_signal(match, events):
    sender, name, victim = int(match[1]), match[2], int(match[3])
    first, last = events[0], events[-1]
    done = {"SIGSTOP": "stop"}.get(name, "exit")
    return (first["type"] == "signal" and first["tgid"] == sender and first["sig"] == name and first["target_tgid"] == victim and
            last["type"] == done and last["tgid"] == victim)


def out_of_memory(match, events):
    return events[0]["type"] == "oom_kill" and events[0]["victim_tgid"] == int(match[1]) and events[-1]["tgid"] == int(match[1])


def went_on(match, events):
    return events[0]["type"] == "signal" and events[0]["sig"] == "SIGCONT" and events[0]["target_tgid"] == int(match[1])


def started(match, events):
    return events[0]["type"] == "exec" and events[0]["tgid"] == int(match[1])


def timer_fired(_, events):
    timer, asked, answered = events
    return (timer["type"] == "timer" and asked["type"] == "send" and answered["type"] == "recv" and
            timer["target_tgid"] == asked["tgid"] == answered["tgid"] and
            timer["boot_ns"] <= asked["boot_ns"] <= answered["boot_ns"])


def waited(match, events):
    asked, end = events[0], events[-1]
    return asked["type"] == "send" and asked["tgid"] == end["tgid"] and near(match[1], asked["begin_ns"], end["boot_ns"])


def heard_again(match, events):
    last, first = events
    when = first["boot_ns"]
    return last["type"] == "send" and first["type"] in ("send", "recv") and when - last["begin_ns"] <= float(match[1]) * 1e9 + MS


def failed(match, events):
    return all(e["type"] == "connected" and e["error"] == match[1] for e in events)


def gave_up(_, events):
    return all(e["type"] == "connected" and e["error"] == "ECONNABORTED" for e in events)


def resets(_, events):
    return all(e["type"] == "reset" for e in events)


def again(_, events):
    return all(e["type"] == "retransmit" for e in events)


def cut(_, events):
    return events[0]["type"] in ("send", "recv") and len(events) > 1 and all(e["type"] == "retransmit" for e in events[1:])


def ended(match, events):
    return events[0]["type"] == "exit" and events[0]["code"] == int(match[1])


def died(match, events):
    return events[-1]["type"] == "exit" and events[-1]["sig"] == match[1]


def complained(_, events):
    return all(e["type"] == "log" and e["level"] in ("error", "fatal") for e in events)


def slow(_, events):
    """The request of one process, from its first byte on to the last one of its answer."""
    first, last = events
    return first["tgid"] == last["tgid"] and first["type"] in MESSAGES and last["type"] in MESSAGES and first["boot_ns"] <= last["boot_ns"]


MESSAGES = ("send", "recv", "dgram_send", "dgram_recv", "payload", "note")
SHAPES = [
    (r"^the slowest \d+ % of [\d,]+ requests take .* because of ", slow),
    (r"^[\d,]+ log lines? at level error", complained),
    (r"'s last message to ", last_message),
    (r"^(?:.*?\[\d+\]'s )?[^\[]*\[(\d+)\](?: on \S+)? sent (SIG\w+) to [^\[]*\[(\d+)\]", sent_signal),
    (r"^memory ran out: the kernel killed [^\[]*\[(\d+)\]", out_of_memory),
    (r" let [^\[]*\[(\d+)\].* go on by SIGCONT", went_on),
    (r"started [^\[]*\[(\d+)\].* after the death of", started),
    (r" a timer fired, it spoke to .* which answered", timer_fired),
    (r" had waited ([\d.]+) s", waited),
    (r" again, ([\d.]+) s after its last message", heard_again),
    (r" failed with (E\w+)", failed),
    (r" gave up [\d,]+ connect", gave_up),
    (r" resets? ended ", resets),
    (r" sent [\d,]+ segments? again to ", again),
    (r" was cut off|^nothing passed between", cut),
    (r" ended by itself with status (\d+)", ended),
    (r" died of (SIG\w+)", died),
]


def borne_out(line, events):
    for shape, says in SHAPES:
        match = re.search(shape, line["text"])
        if match:
            return says(match, events)
    return False


def main():
    events = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        for text in file:
            event = json.loads(text)
            events[event["id"]] = event
    with open(sys.argv[2], encoding="utf-8") as file:
        story = json.load(file)
    for line in story["lines"]:
        cited = [events.get(ref["id"]) for ref in line["events"]]
        if None in cited or not cited or not borne_out(line, cited):
            print("its events do not say so: %s %s" % (line["text"], [e and e["type"] for e in cited]))


main()
