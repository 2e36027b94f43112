#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests and responses between two machines, and what each side knows of them.

usage: wire.py server ADDRESS TRUTH          serves until every connection has been closed
       wire.py client ADDRESS TRUTH          waits for the server, then does all exchanges
       wire.py join TRUTH_A TRUTH_B OUT      writes what truth.py reads, of both sides

Each side writes a line of JSON for each call that moved bytes: which connection, which direction, which bytes of it,
its thread, and its boot clock before and after.  Every 8 bytes say where in which direction they belong, and every
datagram its number, so that a side knows what it received from the bytes alone.  Both sides draw sizes from one seed.
"""
import json
import os
import random
import socket
import struct
import sys
import threading
import time

CONNECTIONS, EXCHANGES, LARGEST, DATAGRAMS = 4, 100, 6000, 100 # at the same time
LOCKSTEP = 1000 # small exchanges after that, one after the other, on a connection of their own
PORT = 7007
FINISHED, ATTEMPTS = (1 << 64) - 1, 30


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Log:
    def __init__(self, folder):
        os.makedirs(folder)
        self.folder, self.lock, self.calls, self.conns = folder, threading.Lock(), [], []

    def call(self, conn, way, direction, kind, begin, rng, **more):
        row = {"pid": os.getpid(), "tid": threading.get_native_id(), "dir": direction, "kind": kind, "conn": conn,
               "way": way, "len": rng[1], "ranges": [rng], "begin_ns": begin, "end_ns": now(), **more}
        with self.lock:
            row["call"] = len(self.calls) + 1
            self.calls.append(row)

    def conn(self, name, kind, sock):
        cookie = struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, 57, 8))[0]
        with self.lock:
            self.conns.append({"conn": name, "kind": kind, "cookie": cookie})

    def write(self):
        for name in ("calls", "conns"):
            with open(f"{self.folder}/{name}.jsonl", "w", encoding="ascii") as f:
                f.writelines(json.dumps(row) + "\n" for row in getattr(self, name))


def pattern(conn, way, off, n):
    first = off // 8
    words = struct.pack(f">{(off + n + 7) // 8 - first}Q",
                        *((conn << 56 | (way == "ba") << 48 | i) for i in range(first, (off + n + 7) // 8)))
    return words[off - 8 * first:off - 8 * first + n]


class End:
    """One side of a connection."""

    def __init__(self, log, sock, conn, side):
        self.log, self.sock, self.no = log, sock, conn
        self.out, self.into = ("ab", "ba") if side == "a" else ("ba", "ab")
        self.sent = self.received = 0
        log.conn(f"tcp/{conn}", "tcp", sock)

    def send(self, n, parts):
        step = n // parts + 1
        end = self.sent + n
        while self.sent < end:
            data = pattern(self.no, self.out, self.sent, min(step, end - self.sent))
            begin = now()
            n = self.sock.send(data)
            self.log.call(f"tcp/{self.no}", self.out, "send", "tcp", begin, [self.sent, n], how="send")
            self.sent += n

    def recv(self, n, step):
        end = self.received + n
        while self.received < end:
            begin = now()
            data = self.sock.recv(min(step, end - self.received))
            if data != pattern(self.no, self.into, self.received, len(data)) or not data:
                sys.exit(f"connection {self.no}: not the bytes that belong at {self.received}")
            self.log.call(f"tcp/{self.no}", self.into, "recv", "tcp", begin, [self.received, len(data)], how="recv")
            self.received += len(data)


def exchange(end, side, count=EXCHANGES, largest=LARGEST):
    chance = random.Random(end.no)
    for _ in range(count):
        request, response, parts, step = (chance.randint(*r) for r in ((1, largest), (1, largest), (1, 3), (500, 8000)))
        parts = parts if count == EXCHANGES else 1
        if side == "a":
            end.send(request, parts)
            end.recv(response, step)
        else:
            end.recv(request, step)
            end.send(response, parts)
    end.sock.close()


def together(functions):
    threads = [threading.Thread(target=f, args=a) for f, a in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def datagram_send(log, sock, to, way, number, n):
    data = struct.pack(">Q", number) + bytes(n)
    begin = now()
    sock.sendto(data, to)
    log.call("udp/0", way, "send", "udp", begin, [0, len(data)], how="sendto", dgram=number)


def datagram_recv(log, sock, way):
    begin = now()
    data, sender = sock.recvfrom(65536)
    number = struct.unpack(">Q", data[:8])[0]
    log.call("udp/0", way, "recv", "udp", begin, [0, len(data)], how="recvfrom", dgram=number)
    return number, sender


def datagrams_a(log, address):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, PORT))
    sock.settimeout(2)
    log.conn("udp/0", "udp", sock)
    for i in range(DATAGRAMS):
        datagram_send(log, sock, (address, PORT), "ab", i, i * 7)
        try:
            datagram_recv(log, sock, "ba")
        except TimeoutError:
            print(f"datagram {i} or its answer went astray")
    for attempt in range(ATTEMPTS): # that went astray, too, would leave the server waiting
        datagram_send(log, sock, (address, PORT), "ab", FINISHED - attempt, 0)
        try:
            while datagram_recv(log, sock, "ba")[0] <= FINISHED - ATTEMPTS:
                pass
            return
        except TimeoutError:
            print("the last datagram or its answer went astray")


def datagrams_b(log, sock):
    log.conn("udp/0", "udp", sock)
    while True:
        number, sender = datagram_recv(log, sock, "ab")
        if number > FINISHED - ATTEMPTS:
            datagram_send(log, sock, sender, "ba", number, 0)
            return
        datagram_send(log, sock, sender, "ba", number, number * 3)


def server(address, folder):
    log = Log(folder)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, PORT))
    listener = socket.create_server((address, PORT))
    ends = []
    for number in range(CONNECTIONS + 1): # the client dials one after the other: they come in that order
        sock = listener.accept()[0]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends.append(End(log, sock, number, "b"))
    last = ends.pop()
    together([(exchange, (end, "b")) for end in ends] + [(datagrams_b, (log, udp))])
    exchange(last, "b", LOCKSTEP, 64)
    log.write()


def dial(address):
    """Until the server is there.  No attempt is given up by the client: the server might have seen it, and would count it."""
    while True:
        try:
            return socket.create_connection((address, PORT))
        except OSError:
            time.sleep(0.1)


def client(address, folder):
    log = Log(folder)
    ends = []
    for i in range(CONNECTIONS + 1):
        sock = dial(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends.append(End(log, sock, i, "a"))
    last = ends.pop()
    together([(exchange, (end, "a")) for end in ends] + [(datagrams_a, (log, address))])
    exchange(last, "a", LOCKSTEP, 64)
    log.write()


def rows(folder, name):
    with open(f"{folder}/{name}.jsonl", encoding="ascii") as f:
        return [json.loads(line) for line in f]


def place(call):
    return {k: call[k] for k in ("pid", "tid", "call")}


def pair(send, recv):
    """What of a send a receive got; None: nothing."""
    if send["conn"] != recv["conn"] or send["way"] != recv["way"]:
        return None
    if "dgram" in send:
        return send["ranges"] if send["dgram"] == recv["dgram"] else None
    begin = max(send["ranges"][0][0], recv["ranges"][0][0])
    end = min(sum(send["ranges"][0]), sum(recv["ranges"][0]))
    return [[begin, end - begin]] if begin < end else None


# Thread ids and cookies of two machines may be equal: those of the second are moved out of the way
SHIFT = {"pid": 1 << 40, "tid": 1 << 40, "cookie": 1 << 50, "sock": 1 << 50, "tgid": 1 << 40}


def moved(row, host):
    return {k: v + SHIFT[k] * host if k in SHIFT and isinstance(v, int) else v for k, v in row.items()}


def join(folder_a, folder_b, out):
    calls = [[moved(r, host) for r in rows(f, "calls")] for host, f in enumerate((folder_a, folder_b))]
    conns = [{r["conn"]: moved(r, host) for r in rows(f, "conns")} for host, f in enumerate((folder_a, folder_b))]
    os.makedirs(out)
    with open(out + "/conns.jsonl", "w", encoding="ascii") as f:
        for name, a in conns[0].items():
            f.write(json.dumps({"conn": name, "kind": a["kind"], "lossy": False, "a": a, "b": conns[1][name]}) + "\n")
    with open(out + "/calls.jsonl", "w", encoding="ascii") as f:
        f.writelines(json.dumps(r) + "\n" for r in calls[0] + calls[1])
    with open(out + "/truth.jsonl", "w", encoding="ascii") as f:
        for one, other in (calls, calls[::-1]):
            receives = {}
            for r in other:
                if r["dir"] == "recv":
                    receives.setdefault((r["conn"], r["way"]), []).append(r)
            for send in one:
                for recv in receives.get((send["conn"], send["way"]), []) if send["dir"] == "send" else []:
                    ranges = pair(send, recv)
                    if ranges:
                        f.write(json.dumps({"from": place(send), "to": place(recv), "ranges": ranges}) + "\n")


if __name__ == "__main__":
    {"server": server, "client": client, "join": join}[sys.argv[1]](*sys.argv[2:])
