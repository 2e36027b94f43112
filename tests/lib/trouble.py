#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes TCP connections fail between two namespaces, and compares what was recorded with what the kernel counted.

usage: traffic.sh topology netns trouble.py play TRUTH     connects that are refused or time out, lost packets, resets
       trouble.py check TRUTH EVENTS                       as TAP; EVENTS are lines of `saker show REC --json`

The counts come from /proc/net/snmp of each namespace (as nstat shows them) and from counters of nft, which see the
packets themselves.  The times come from this program, around its own calls.
"""
import collections
import ctypes
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

SO_COOKIE, SO_NETNS_COOKIE, CLONE_NEWNET = 57, 71, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
SIDES = ("client", "server")


def enter(side):
    fd = os.open("/run/netns/" + os.environ["TG_" + side.upper()], os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def nft(side, rules):
    enter(side)
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def number(sock, option):
    return struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, option, 8))[0]


def dial(port, block=True):
    enter("client")
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
    s.setblocking(block)
    row = {"sock": number(s, SO_COOKIE), "begin": now()}
    row["error"] = s.connect_ex((os.environ["TG_DIAL"].split(":")[0], port))
    row["end"] = now()
    return s, row


def outcome(s, row):
    select.select([], [s], [], 30)
    row["error"] = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    row["end"] = now()
    s.close()


def pair(listener, port):
    a, row = dial(port)
    if row["error"]:
        raise OSError(row["error"], "connect")
    b, _ = listener.accept()
    return a, b


def pump(a, b, count):
    """count bytes from a to b, whatever is lost on the way"""
    a.setblocking(False)
    b.setblocking(False)
    sent = got = 0
    while got < count:
        r, w, _ = select.select([b], [a] if sent < count else [], [], 30)
        if not r and not w:
            raise TimeoutError("nothing arrived for 30 s")
        if w:
            sent += a.send(bytes(min(count - sent, 65536)))
        if r:
            got += len(b.recv(65536))


def snmp(side):
    enter(side)
    with open("/proc/thread-self/net/snmp", encoding="ascii") as f:
        names, values = [line.split()[1:] for line in f if line.startswith("Tcp:")]
    return dict(zip(names, map(int, values)))


def resets_seen(side):
    enter(side)
    out = json.loads(subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, check=True).stdout)
    return {c["counter"]["name"]: c["counter"]["packets"] for c in out["nftables"] if "counter" in c}


RULES = """table ip trouble {
	counter rst_in {}
	counter rst_out {}
	chain in { type filter hook input priority 0;
		tcp flags & rst == rst counter name rst_in
		%s
	}
	chain out { type filter hook output priority 0; tcp flags & rst == rst counter name rst_out
	}
}"""


def play(folder):
    os.makedirs(folder)
    drops = "tcp dport 9 drop\n tcp dport 8080 meta length > 400 numgen inc mod 15 == 7 drop"
    nft("client", RULES % "")
    nft("server", RULES % drops)
    truth = {"netns": {}, "connects": []}
    waiting, late = dial(9, block=False)
    enter("server")
    listener = socket.create_server((os.environ["TG_LISTEN"].split(":")[0], 8080))
    truth["netns"]["server"] = number(listener, SO_NETNS_COOKIE)
    truth["netns"]["client"] = number(waiting, SO_NETNS_COOKIE)
    for block in (True, False):
        s, row = dial(7777, block)
        if row["error"] == errno.EINPROGRESS:
            outcome(s, row)
        truth["connects"].append(row)
    a, b = pair(listener, 8080)
    pump(a, b, 4 << 20)
    a.close()
    b.close()
    for _ in range(3):
        a, b = pair(listener, 8080)
        a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        a.close()  # at once: a reset to the server
        select.select([b], [], [], 10)
        b.close()
        a, b = pair(listener, 8080)
        a.send(b"unread")
        select.select([b], [], [], 10)
        b.close()  # with bytes unread: a reset to the client
        select.select([a], [], [], 10)
        a.close()
    outcome(waiting, late)
    truth["connects"].append(late)
    for side in SIDES:
        truth[side] = {**snmp(side), **resets_seen(side)}
    with open(folder + "/trouble.json", "w", encoding="ascii") as f:
        json.dump(truth, f)


def check(folder, path):
    with open(folder + "/trouble.json", encoding="ascii") as f:
        truth = json.load(f)
    with open(path, encoding="utf-8") as f:
        events = [json.loads(line) for line in f]
    where = {e["sock"]: e["netns"] for e in events if e["type"] in ("connect", "accept", "socket")}
    bad = 0

    def case(what, got, want):
        nonlocal bad
        if got != want:
            bad += 1
            print(f"# got {got}, want {want}")
        print(f"{'ok' if got == want else 'not ok'} - {what}")

    for row in truth["connects"]:
        mine = [e for e in events if e.get("sock") == row["sock"]]
        begun = [e for e in mine if e["type"] == "connect"]
        ended = [e for e in mine if e["type"] == "connected"]
        name = errno.errorcode[row["error"]]
        case(f"{name}: one connect, one outcome", [len(begun), [e["error"] for e in ended]], [1, [name]])
        if len(begun) == len(ended) == 1:
            times = [row["begin"], begun[0]["boot_ns"], ended[0]["boot_ns"], row["end"]]
            case(f"{name}: within the call", times, sorted(times))
            took = ended[0]["boot_ns"] - begun[0]["boot_ns"]
            case(f"{name}: the duration is between them", 0 <= took - ended[0]["duration_ns"] + 1000000 <= 2000000, True)
    for side in SIDES:
        netns = truth["netns"][side]
        totals = collections.Counter()
        for e in events:
            if e["type"] == "retransmit" and where.get(e["sock"]) == netns:
                totals[e["sock"]] = max(totals[e["sock"]], e["total"])
        case(f"{side}: retransmitted segments as counted", sum(totals.values()), truth[side]["RetransSegs"])
        resets = collections.Counter(e["direction"] for e in events if e["type"] == "reset" and e["netns"] == netns)
        # a closed port has no socket: its resets are nobody's
        closed = sum(r["error"] == errno.ECONNREFUSED for r in truth["connects"]) if side == "server" else 0
        case(f"{side}: resets sent as counted", resets["sent"], truth[side]["rst_out"] - closed)
        case(f"{side}: resets received as counted", resets["received"], truth[side]["rst_in"])
    case("there were retransmissions", truth["client"]["RetransSegs"] > 1, True)
    return bad


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "play":
        play(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        sys.exit(1 if check(sys.argv[2], sys.argv[3]) else 0)
    else:
        sys.exit(__doc__)
