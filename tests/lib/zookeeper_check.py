#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The log lines of a recorded ZooKeeper ensemble against its own log files, as TAP.

    zookeeper_check.py DEMO EVENTS.jsonl CAUSAL.jsonl EDGES.jsonl STORY.json

DEMO is the folder of demo/zookeeper.sh: zk1.log, ... and truth.jsonl.  EVENTS is what `saker show --json` prints, CAUSAL the
same of the log lines with `--order causal`, EDGES with `--edges`, STORY what `saker story --json` does.

What ZooKeeper says itself is the truth: which line is whose (`[myid:2]`), on which thread (log4j's %t, of which the kernel
knows the first 15 characters), who had become the leader, and which notification was sent and received: one that arrives
must stand behind the line with which its sender let it go.  The time stamps in the lines are minutes off.
"""
import collections
import json
import re
import sys

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \[myid:(\d*)\] - (\w+) +\[(.*?):([A-Za-z0-9_$]+)@(\d+)\] - ")
NUMBER = r"(0x[0-9a-f]+|-?\d+)"
SENT = re.compile(r"Sending Notification: " + NUMBER + r" \(n.leader\), " + NUMBER + r" \(n.zxid\), " + NUMBER +
                  r" \(n.round\), (\d+) \(recipient\), (\d+) \(myid\), " + NUMBER + r" \(n.peerEpoch\)")
ANSWERED = re.compile(r"Sending new notification. My id ?= ?(\d+) recipient=(\d+) zxid=(?:0x)?([0-9a-f]+) leader=(\d+)")
RECEIVED = re.compile(r"Notification: my state:(\w+); n.sid:(\d+), n.state:(\w+), n.leader:" + NUMBER + r", n.round:" + NUMBER +
                      r", n.peerEpoch:" + NUMBER + r", n.zxid:" + NUMBER)
NODES = ("1", "2", "3")

count = 0


def case(what, wrong, note=""):
    """A test case: right when nothing is wrong."""
    global count
    count += 1
    print("%sok %d - %s%s" % ("not " if wrong else "", count, what, note and ": " + note))
    for sentence in wrong[:10]:
        print("# %s" % sentence)


def load(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [json.loads(line) for line in file]


def node_of(event):
    match = LINE.match(event["text"])
    return match[2] if match else ""


def same(written, recorded):
    """Secrets are masked by asterisks, and a line ends with its last word."""
    written, recorded = written.rstrip(), recorded.rstrip()
    if written == recorded:
        return True
    return re.fullmatch(re.sub(r"(\\\*)+", ".*", re.escape(recorded)), written) is not None


def check_files(demo, logs):
    """Every line of each file was recorded, in the file's order."""
    owner = {}
    for event in logs:
        if node_of(event):
            owner[event["tgid"]] = node_of(event)
    for node in NODES:
        with open("%s/zk%s.log" % (demo, node), encoding="utf-8") as file:
            written = file.read().split("\n")
        recorded = [line for e in logs if owner.get(e["tgid"]) == node for line in e["text"].split("\n")]
        while written and not written[-1]:
            written.pop()
        wrong = ["line %d: '%s' is '%s'" % (i + 1, w[:100], r[:100])
                 for i, (w, r) in enumerate(zip(written, recorded)) if not same(w, r)]
        if len(written) != len(recorded):
            wrong.append("%d lines were written, %d recorded" % (len(written), len(recorded)))
        case("zk%s: each line that it wrote" % node, wrong, "%d lines" % len(written))


def check_threads(events, logs):
    """The name of the thread in the line is that of the thread which the line is bound to."""
    names = {(e["tid"], e["start_ns"]): e["comm"] for e in events if e["type"] == "exit"}
    wrong, right, threads = [], 0, set()
    for event in logs:
        match = LINE.match(event["text"])
        if not match:
            continue
        name = names.get((event["tid"], event["start_ns"]))
        threads.add((event["tid"], event["start_ns"]))
        if name != ("java" if match[4] == "main" else match[4].strip()[:15].rstrip()):
            wrong.append("%d is on thread %s: %s" % (event["id"], name, event["text"][:150]))
        right += 1
    case("lines are bound to their threads", wrong or ([] if right > 300 else ["only %d lines" % right]),
         "%d lines of %d threads" % (right, len(threads)))


def notifications(logs):
    """Of the log lines in their order: (position, what) of all that were sent, and of all that arrived."""
    sent, received = collections.defaultdict(list), []
    for at, event in enumerate(logs):
        text, node = event["text"], node_of(event)
        match = SENT.search(text)
        if match:
            leader, zxid, around, to, sid, epoch = match.groups()
            sent[(sid, to, leader, int(zxid, 16))].append(at)
        match = ANSWERED.search(text)
        if match:
            sid, to, zxid, leader = match.groups()
            sent[(sid, to, leader, int(zxid, 16))].append(at)
        match = RECEIVED.search(text)
        if match:
            received.append((at, (match[2], node, match[4], int(match[7], 16))))
    return sent, received


def out_of_order(logs):
    """Notifications that stand before all lines that sent such a one; how many arrived from other nodes."""
    sent, received = notifications(logs)
    wrong, others = [], 0
    for at, what in received:
        others += what[0] != what[1]
        if not sent.get(what) or min(sent[what]) > at:
            wrong.append("%s stands at %d, sent at %s" % (logs[at]["text"][:200], at, sent.get(what)))
    return wrong, others


class Past:
    """Happens-before, as the edges and the order in each thread say."""

    def __init__(self, events, edges):
        self.before = collections.defaultdict(list)
        last = {}
        for event in events:
            if event["context"] != "task":
                continue
            thread = (event["tid"], event["start_ns"])
            if thread in last:
                self.before[event["id"]].append(last[thread])
            last[thread] = event["id"]
        for edge in edges:
            if not edge["ambiguous"]:
                self.before[edge["to"]["id"]].append(edge["from"]["id"])

    def has(self, event, wanted):
        seen, todo = {event}, [event]
        while todo:
            for cause in self.before[todo.pop()]:
                if cause in wanted:
                    return True
                if cause not in seen:
                    seen.add(cause)
                    todo.append(cause)
        return False


def check_order(events, causal, edges):
    wrong, others = out_of_order(causal)
    case("the election stands in causal order", wrong or ([] if others >= 10 else ["only %d notifications" % others]),
         "%d notifications from other nodes" % others)
    by_stamp = sorted((e for e in causal if e["stamp_ns"]), key=lambda e: int(e["stamp_ns"]))
    upside_down = out_of_order(by_stamp)[0]
    case("by the time stamps of the lines it does not", [] if len(upside_down) >= others // 4 else [
        "only %d notifications stand before they were sent" % len(upside_down)], "%d stand before they were sent" % len(upside_down))
    past = Past(events, edges)
    sent, received = notifications(causal)
    proven = sum(past.has(causal[at]["id"], {causal[i]["id"] for i in sent[what]}) for at, what in received if what[0] != what[1])
    case("what was received follows from what was sent by edges", [] if proven * 2 > others else [
        "only %d of %d" % (proven, others)], "%d of %d" % (proven, others))


def check_story(demo, logs, story):
    """The last one that said LEADING before the fault is named, as is its process."""
    truth = load(demo + "/truth.jsonl")[0]
    leading = [e for e in logs if e["text"].rstrip().endswith(" - LEADING") and e["boot_ns"] < truth["begin_boot_ns"]]
    wrong = []
    if not leading or "zk" + node_of(leading[-1]) != truth["node"]:
        wrong.append("by its own log another was the leader")
    causes = [l["text"] for l in story["lines"] if l["cause"]]
    name = r"QuorumPeerMain\[%d\] on \S*%s\b" % (leading[-1]["tgid"] if leading else 0, truth["node"])
    if len(causes) != 1 or not re.search(name, causes[0]):
        wrong.append("the story does not name it: %s" % causes)
    case("the leader is named", wrong, causes[0] if causes else "")


def main():
    demo = sys.argv[1]
    events, causal, edges = (load(path) for path in sys.argv[2:5])
    with open(sys.argv[5], encoding="utf-8") as file:
        story = json.load(file)
    began = {e["tgid"]: e["id"] for e in events if e["type"] == "exec" and e["comm"] == "java"}
    logs = [e for e in events if e["type"] == "log" and e["id"] > began.get(e["tgid"], e["id"])]
    check_files(demo, logs)
    check_threads(events, logs)
    check_order(events, [e for e in causal if node_of(e)], edges)
    check_story(demo, logs, story)
    print("1..%d" % count)


main()
