#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections that are used before, while and after messages are left out, and what may be told of them.

usage: budget.py act FIFO PORTS     after a first line of FIFO 600 connections with itself; each further line is a number
                                    of bytes that is sent on each of them and received; their client ports go to
                                    PORTS, and a line to stdout after each line; ends with FIFO
       budget.py check EVENTS PORTS BEFORE MEANWHILE AFTER...
"""
import collections
import json
import resource
import socket
import sys

CONNECTIONS = 600


def say(text):
    print(text, flush=True)


def pairs():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as listener:
        for _ in range(CONNECTIONS):
            client = socket.create_connection(listener.getsockname())
            yield client, listener.accept()[0]


def transfer(client, server, count):
    client.sendall(b"x" * count)
    while count:
        count -= len(server.recv(count))


def act(fifo, ports):
    with open(fifo, encoding="utf-8") as lines:
        lines.readline()
        open_pairs = list(pairs())
        with open(ports, "w", encoding="utf-8") as f:
            f.writelines(f"{client.getsockname()[1]}\n" for client, _ in open_pairs)
        say("done open")
        for line in lines:
            for client, server in open_pairs:
                transfer(client, server, int(line))
            say(f"done {line.strip()}")


def case(what, good, detail=""):
    case.count += 1
    case.failed |= not good
    print(f"{'ok' if good else 'not ok'} {case.count} - {what}")
    if not good:
        print(f"# {detail}")


case.count, case.failed = 0, False


def ranges(events, type_name):
    """{socket: [(offset, bytes)]}, ends of streams not"""
    found = collections.defaultdict(list)
    for e in events:
        if e["type"] == type_name and e["bytes"]:
            found[e["sock"]].append((e["offset"], e["bytes"]))
    return found


def check(events_path, ports_path, sizes):
    with open(events_path, encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    with open(ports_path, encoding="utf-8") as f:
        ports = {int(line) for line in f}
    before, meanwhile, after = sizes[0], sizes[1], sizes[2:]
    clients = {e["sock"] for e in events if e["type"] == "connected" and e["local_port"] in ports}
    servers = {e["sock"] for e in events if e["type"] == "accept" and e["remote_port"] in ports}
    case("the connections are told", len(clients) == len(servers) == CONNECTIONS, f"{len(clients)} {len(servers)}")
    sent = {s: r for s, r in ranges(events, "send").items() if s in clients}
    got = {s: r for s, r in ranges(events, "recv").items() if s in servers}
    first = [(0, before)]
    case("all are recorded while the cost is small", all(first == sent.get(s, [])[:1] for s in clients) and
         all(first == got.get(s, [])[:1] for s in servers), f"{len(sent)} sent, {len(got)} received")
    start, later = before + meanwhile, []
    for size in after:
        later.append((start, size))
        start += size
    case("nothing is told of the bytes that were left out, and offsets go on behind them",
         all(set(r[1:]) <= set(later) for r in list(sent.values()) + list(got.values())),
         [r for r in list(sent.values()) + list(got.values()) if not set(r[1:]) <= set(later)][:3])
    whole = [r[1:] for r in sent.values() if r[1:]]
    case("some connections are taken up again, wholly", whole and all(r == later for r in whole), whole[:3])
    case("and not all of them", len(whole) < CONNECTIONS // 2, len(whole))
    # the first receive of each finds only where the reader stands
    case("at both ends alike", sorted(r[1:] for r in got.values() if r[1:]) == [later[1:]] * len(whole),
         f"{len(whole)} at the senders, {sum(1 for r in got.values() if r[1:])} at the receivers")
    print(f"1..{case.count}")
    return case.failed


if __name__ == "__main__":
    if sys.argv[1:2] == ["act"]:
        act(*sys.argv[2:4])
    elif sys.argv[1:2] == ["check"]:
        sys.exit(check(sys.argv[2], sys.argv[3], [int(n) for n in sys.argv[4:]]))
    else:
        sys.exit(__doc__)
