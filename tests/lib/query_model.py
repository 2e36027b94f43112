#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks `saker show` queries and compares what it selects with the same questions asked in Python, as TAP.

usage: query_model.py SAKER RECORDING

The Python side sees the lines of `saker show RECORDING --json` only.  Names of processes and places it works out itself,
from fork, exec, process and netns events.  Each question but the marked ones must find something, and leave something.
"""
import fnmatch
import ipaddress
import json
import signal
import subprocess
import sys


class Names:
    """Who every event belongs to."""

    def __init__(self, events):
        self.comm, self.netns_of, self.owner, self.netns_of_sock = {}, {}, {}, {}
        self.places = {e["netns"]: e["name"] for e in events if e["type"] == "netns"}
        self.cgroups = {e["cgroup"]: e["path"] for e in events if e["type"] == "cgroup"}
        self.cgroup_of = {}
        self.hostname = next(e["hostname"] for e in events if e["type"] == "host")
        self.first = events[0]["boot_ns"]
        for e in events:
            self.learn(e)
            pid = e["tgid"] or e.get("target_tgid", 0) or self.owner.get(e.get("sock"), 0)
            netns = e.get("netns") or self.netns_of_sock.get(e.get("sock")) or self.netns_of.get(pid, 0)
            e["_process"] = self.comm.get(pid, "")
            e["_host"] = self.places.get(netns) or self.hostname
            e["_cgroup"] = self.cgroups.get(self.cgroup_of.get(pid), "")
            e["_time"] = e["boot_ns"] - self.first

    def learn(self, e):
        if e["type"] in ("process", "exec"):
            self.comm[e["tgid"]], self.netns_of[e["tgid"]] = e["comm"], e["netns"]
            self.cgroup_of[e["tgid"]] = e["cgroup"]
        elif e["type"] == "fork" and "thread" not in e["flags"]:
            self.comm[e["child_tgid"]] = e["comm"]
            self.netns_of[e["child_tgid"]] = self.netns_of.get(e["tgid"], 0)
            self.cgroup_of[e["child_tgid"]] = self.cgroup_of.get(e["tgid"], 0)
        elif e["type"] in ("socket", "connect", "connected", "accept", "listen"):
            self.netns_of_sock[e["sock"]] = e["netns"]
            if e["context"] == "task":
                self.owner[e["sock"]] = e["tgid"]
            if e["type"] in ("connect", "listen"):
                self.netns_of[e["tgid"]] = e["netns"]


def flags(e):
    return e["flags"].split("|")


def addresses(e):
    return [plain(e[f]) for f in ("local", "remote") if f in e]


def plain(text):
    a = ipaddress.ip_address(text)
    return getattr(a, "ipv4_mapped", None) or a


def within(e, network):
    net = ipaddress.ip_network(network)
    return any(a.version == net.version and a in net for a in addresses(e))


def ports(e):
    return [e[f] for f in ("local_port", "remote_port") if f in e]


# Texts of each type, from docs/events.md by hand: what else in JSON is a string is a label or an address.
TEXTS = {"loss": [], "host": ["hostname", "boot_id", "kernel", "machine"], "netns": ["name"], "mark": ["text"],
         "process": ["comm", "exe", "args"], "fork": ["comm"], "exec": ["comm", "exe", "args"], "exit": ["comm"],
         "signal": ["target_comm"], "oom_kill": ["comm"], "cgroup": ["path"], "socket": ["path"], "log": ["text", "name"],
         "shed": ["what", "why"], "sched_process_fork": ["parent_comm", "child_comm"]}


def texts(e):
    return [e[f] for f in TEXTS.get(e["type"], [])]


def more(e, field, value):
    return field in e and e[field] > value


def sig(e):
    return getattr(signal, e["sig"]).value if isinstance(e.get("sig"), str) else e.get("sig")


def glob(text, pattern):
    return fnmatch.fnmatchcase(text, pattern)


NONE = "may find nothing"


def questions(pids, hosts):
    """(query, the same in Python [, NONE])"""
    pid = pids[0]
    a, b = hosts
    return [
        ("type=send", lambda e: e["type"] == "send"),
        ("type!=send", lambda e: e["type"] != "send"),
        ("type==send|recv", lambda e: e["type"] in ("send", "recv")),
        ("type=s*", lambda e: e["type"].startswith("s")),
        ("type=?lose|d*", lambda e: e["type"] == "close" or e["type"].startswith("d")),
        ("type~ECT", lambda e: "ect" in e["type"]),
        ("type!~e", lambda e: "e" not in e["type"]),
        ("type=send and bytes>20", lambda e: e["type"] == "send" and e["bytes"] > 20),
        ("bytes>20", lambda e: more(e, "bytes", 20)),
        ("bytes>=20", lambda e: more(e, "bytes", 19)),
        ("bytes<20", lambda e: "bytes" in e and e["bytes"] < 20),
        ("bytes<=0x14", lambda e: "bytes" in e and e["bytes"] <= 20),
        ("bytes=20", lambda e: e.get("bytes") == 20),
        ("bytes!=20", lambda e: "bytes" in e and e["bytes"] != 20),
        ("not bytes=20", lambda e: e.get("bytes") != 20),
        ("bytes=4|8|12", lambda e: e.get("bytes") in (4, 8, 12)),
        ("bytes!=4|8", lambda e: "bytes" in e and e["bytes"] not in (4, 8)),
        ("bytes>0.0625k and bytes<1k", lambda e: "bytes" in e and 64 < e["bytes"] < 1024),
        ("bytes", lambda e: bool(e.get("bytes"))),
        ("not bytes", lambda e: not e.get("bytes")),
        ("code=3", lambda e: e.get("code") == 3),
        ("code=0", lambda e: e.get("code") == 0),
        ("code<0", lambda e: "code" in e and e["code"] < 0, NONE),
        ("code>=-1", lambda e: "code" in e and e["code"] >= -1),
        ("sig=SIGSTOP", lambda e: sig(e) == 19),
        ("sig=stop|CONT", lambda e: sig(e) in (18, 19)),
        ("sig=9", lambda e: sig(e) == 9),
        ("sig!=SIGCHLD", lambda e: "sig" in e and sig(e) != 17),
        ("sig>15", lambda e: "sig" in e and sig(e) > 15),
        ("type=exit and sig=KILL", lambda e: e["type"] == "exit" and sig(e) == 9),
        ("error=ECONNREFUSED", lambda e: e.get("error") == "ECONNREFUSED"),
        ("error=111", lambda e: e.get("error") == "ECONNREFUSED"),
        ("error!=0", lambda e: e.get("error", 0) != 0),
        ("error=0", lambda e: e.get("error") == 0),
        ("flags=group", lambda e: "flags" in e and "group" in flags(e)),
        ("flags!=group", lambda e: "flags" in e and "group" not in flags(e)),
        ("flags=thread", lambda e: "flags" in e and "thread" in flags(e)),
        ("flags=group|thread", lambda e: "flags" in e and {"group", "thread"} & set(flags(e))),
        ("flags=0", lambda e: e.get("flags") == ""),
        ("result=ignored", lambda e: e.get("result") == "ignored", NONE),
        ("action=default", lambda e: e.get("action") == "default"),
        ("state=established|listen", lambda e: e.get("state") in ("established", "listen")),
        ("protocol=udp", lambda e: e.get("protocol") == "udp"),
        ("protocol=17", lambda e: e.get("protocol") == "udp"),
        ("family!=inet", lambda e: "family" in e and e["family"] != "inet"),
        ("context=task", lambda e: e["context"] == "task"),
        ("context!=task", lambda e: e["context"] != "task"),
        ("context=recorder", lambda e: e["context"] == "recorder"),
        (f"pid={pid}", lambda e: e["tgid"] == pid),
        (f"tgid!={pid}", lambda e: e["tgid"] != pid),
        (f"pid={pid}|{pids[1]}", lambda e: e["tgid"] in pids[:2]),
        (f"pid={pid} and type=send", lambda e: e["tgid"] == pid and e["type"] == "send"),
        ("tid>0", lambda e: e["tid"] > 0),
        ("pid=0", lambda e: e["tgid"] == 0),
        ("id<=10", lambda e: e["id"] <= 10),
        ("id>10 and id<=12", lambda e: e["id"] in (11, 12)),
        ("cpu=0", lambda e: e["cpu"] == 0),
        ("seq=0|1|2", lambda e: e["seq"] in (0, 1, 2)),
        ("start_ns", lambda e: e["start_ns"] != 0),
        ("port=7301", lambda e: 7301 in ports(e)),
        ("port!=7301", lambda e: ports(e) and 7301 not in ports(e)),
        ("port>60k", lambda e: any(p > 61440 for p in ports(e)), NONE),
        ("remote_port=1", lambda e: e.get("remote_port") == 1),
        ("addr=10.9.0.0/16", lambda e: within(e, "10.9.0.0/16")),
        ("addr=10.9.1.2", lambda e: within(e, "10.9.1.2/32")),
        ("addr!=10.9.0.0/16", lambda e: addresses(e) and not within(e, "10.9.0.0/16")),
        ("local=10.9.1.1", lambda e: "local" in e and plain(e["local"]) == plain("10.9.1.1")),
        ("remote=127.0.0.0/8", lambda e: "remote" in e and plain(e["remote"]) in ipaddress.ip_network("127.0.0.0/8")),
        ("addr=fe80::/10", lambda e: within(e, "fe80::/10"), NONE),
        ("text~ARGUMENT", lambda e: any("argument" in t.lower() for t in texts(e))),
        ("text=*star*", lambda e: any("star" in t for t in texts(e))),
        ("args~'*star*'", lambda e: "*star*" in e.get("args", "")),
        ("args~\"an argument\" and args~10%", lambda e: "an argument" in e.get("args", "") and "10%" in e["args"]),
        ("exe=/usr/bin/*", lambda e: glob(e.get("exe", ""), "/usr/bin/*")),
        ("exe='/usr/bin/*'", lambda e: False, NONE),
        ("comm=sh|sleep", lambda e: e.get("comm") in ("sh", "sleep")),
        ("comm!=sleep", lambda e: "comm" in e and e["comm"] != "sleep"),
        ("target_comm=s?eep", lambda e: e.get("target_comm") == "sleep"),
        ("process=sleep", lambda e: e["_process"] == "sleep"),
        ("process!=python3", lambda e: e["_process"] != "python3"),
        ("process=s* and type=exit", lambda e: e["_process"].startswith("s") and e["type"] == "exit"),
        ("process~THON and type=connected", lambda e: "thon" in e["_process"] and e["type"] == "connected"),
        (f"host={a}", lambda e: e["_host"] == a),
        (f"host={a}|{b}", lambda e: e["_host"] in (a, b)),
        (f"host!={b}", lambda e: e["_host"] != b),
        (f"host={b} and type=send and bytes>0", lambda e: e["_host"] == b and e["type"] == "send" and e["bytes"] > 0),
        ("cgroup_path~/", lambda e: "/" in e["_cgroup"], NONE),
        ("time>0.1s", lambda e: e["_time"] > 10**8, NONE),
        ("time<1ms", lambda e: e["_time"] < 10**6),
        ("time<=0", lambda e: e["_time"] <= 0),
        ("duration_ns>0.1us", lambda e: more(e, "duration_ns", 100)),
        ("duration_ns<1h", lambda e: "duration_ns" in e and e["duration_ns"] < 3600 * 10**9),
        ("child_pid>1", lambda e: more(e, "child_pid", 1)),
        ("type=sched_process_fork and parent_comm=python3",
         lambda e: e["type"] == "sched_process_fork" and e["parent_comm"] == "python3"),
        ("lost_type=send", lambda e: e.get("lost_type") == "send", NONE),
        ("type=exit or type=exec and comm=sh",
         lambda e: e["type"] == "exit" or (e["type"] == "exec" and e["comm"] == "sh")),
        ("(type=exit or type=exec) and comm=sh", lambda e: e["type"] in ("exit", "exec") and e["comm"] == "sh"),
        ("not (type=exit or type=exec)", lambda e: e["type"] not in ("exit", "exec")),
        ("not type=exit and not bytes>4", lambda e: e["type"] != "exit" and not more(e, "bytes", 4)),
        ("not not NOT type=send", lambda e: e["type"] != "send"),
        ("type=send AND(bytes>20 OR pid=0)", lambda e: e["type"] == "send" and (e["bytes"] > 20 or e["tgid"] == 0)),
    ]


def selected(saker, recording, query):
    run = subprocess.run([saker, "show", recording, query, "--json"], capture_output=True, text=True, check=False)
    if run.returncode or run.stderr:
        return run.stderr
    return [json.loads(line)["id"] for line in run.stdout.splitlines()]


def main(saker, recording):
    lines = subprocess.run([saker, "show", recording, "--json"], capture_output=True, text=True, check=True).stdout
    events = [json.loads(line) for line in lines.splitlines()]
    Names(events)
    talkers = [e for e in events if e["type"] in ("connect", "accept") and 7301 in ports(e)]
    pids = [e["tgid"] for e in talkers]
    hosts = [e["_host"] for e in talkers]
    asked, failed = questions(pids, hosts), 0
    for n, (query, predicate, *may) in enumerate(asked, 1):
        want = [e["id"] for e in events if predicate(e)]
        have = selected(saker, recording, query)
        vacuous = not may and len(want) in (0, len(events))
        right = have == want and not vacuous
        failed += not right
        if not right:
            print(f"# want {want[:20]}, have {have if isinstance(have, str) else have[:20]}"
                  f"{'; the scene does not test this' if vacuous else ''}")
        print(f"{'ok' if right else 'not ok'} {n} - {query.replace('#', '')}")
    print(f"1..{len(asked)}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
