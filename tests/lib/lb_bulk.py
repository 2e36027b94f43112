#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lb_bulk - many bytes through one TCP connection, both ways, told by their checksums.

usage: lb_bulk.py serve PORT: reads to the end, sends as much, and then the checksum of what it read.
       lb_bulk.py send ADDRESS PORT MEGABYTES: prints a line of JSON {"sent", "ok_there", "ok_back"}.
"""
import hashlib
import json
import socket
import sys

BLOCK = 1 << 20


def block(seed, i):
    """A megabyte that is another one each time."""
    return hashlib.shake_128(f"{seed} {i // 8}".encode()).digest(BLOCK)


def blocks(seed, n):
    last, at = None, -1
    for i in range(n):
        if i // 8 != at:
            last, at = block(seed, i), i // 8
        yield last


def read_all(s, n):
    digest = hashlib.sha256()
    while n:
        data = s.recv(min(n, BLOCK))
        if not data:
            raise EOFError(f"{n} bytes are missing")
        digest.update(data)
        n -= len(data)
    return digest


def serve(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    while True:
        s, _ = listener.accept()
        with s:
            try:
                n = int.from_bytes(read_exactly(s, 4), "big")
                digest = read_all(s, n * BLOCK)
                for b in blocks("back", n):
                    s.sendall(b)
                s.sendall(digest.digest())
            except (EOFError, OSError) as e:
                print(f"broken: {e}", flush=True)


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError(f"{n - len(data)} bytes are missing")
        data += more
    return data


def send(address, port, n):
    digest, back = hashlib.sha256(), hashlib.sha256()
    with socket.create_connection((address, port), timeout=60) as s:
        s.sendall(n.to_bytes(4, "big"))
        for b in blocks("there", n):
            digest.update(b)
            s.sendall(b)
        for b in blocks("back", n):
            back.update(b)
        came = read_all(s, n * BLOCK)
        there = read_exactly(s, 32)
    print(json.dumps({"sent": n * BLOCK, "ok_there": there == digest.digest(), "ok_back": came.digest() == back.digest()}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
