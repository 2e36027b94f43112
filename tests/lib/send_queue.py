#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that nobody takes for a while, and whether that is what is said of them.

usage: send_queue.py act TRUTH [waits|polls]   how the server sends: in a call that waits for room, or with one that does not
       send_queue.py check SPANS TRUTH [waits|polls]      SPANS: lines of `saker requests REC --all --json`; prints TAP

Of a server that polls it is inferred, and not of each wait, so two of the three answers must have it.
"""
import json
import selectors
import socket
import sys
import threading
import time

STALLS_S = (0.3, 0.15, 0.5)
BYTES = 64 << 20  # more than both sockets have room for


def send_polling(conn, data):
    """As an event loop does."""
    conn.setblocking(False)
    rest = memoryview(data)
    with selectors.DefaultSelector() as selector:
        selector.register(conn, selectors.EVENT_WRITE)
        while rest:
            try:
                rest = rest[conn.send(rest):]
            except BlockingIOError:
                selector.select()
    conn.setblocking(True)


def serve(listener, began, send):
    conn = listener.accept()[0]
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BYTES + bytes(BYTES)
    for _ in STALLS_S:
        conn.recv(4096)
        begin = time.monotonic_ns()
        send(conn, answer)
        began.append((begin, time.monotonic_ns()))


def act(path, how="waits"):
    send = send_polling if how == "polls" else socket.socket.sendall
    with socket.create_server(("127.0.0.1", 0)) as listener, open(path, "w", encoding="ascii") as truth:
        began, read = [], []
        server = threading.Thread(target=serve, args=(listener, began, send))
        server.start()
        with socket.create_connection(listener.getsockname()) as s:
            for stall in STALLS_S:
                s.sendall(b"GET /stall HTTP/1.1\r\nHost: here\r\n\r\n")
                time.sleep(stall)
                read.append(time.monotonic_ns())
                left = BYTES
                while left > 0:
                    left -= len(s.recv(1 << 20))
        server.join()
        for (begin, end), taken in zip(began, read):
            print(taken - begin, end - begin, file=truth)


def check(spans, path, how="waits"):
    with open(spans, encoding="utf-8") as f:
        served = [s for s in map(json.loads, f) if s["kind"] == "server"]
    with open(path, encoding="ascii") as f:
        truth = [tuple(map(int, line.split())) for line in f]
    polls = how == "polls"
    cases = [("all answers are there", len(served) == len(truth) == len(STALLS_S))]
    whole = 0
    for n, (span, (stall, sent)) in enumerate(zip(served, truth)):
        said = span["time_ns"].get("send_queue", 0)
        busy = span["time_ns"].get("running", 0) + span["time_ns"].get("cpu_wait", 0)  # while it filled the socket
        print(f"# planted {stall}, the call took {sent}, said {said}, busy {busy}")
        whole += said >= 0.9 * (stall - busy)
        cases.append((f"{n}: and no longer than the call took", said <= sent))
    least = len(STALLS_S) - polls
    cases.append((f"in the send queue as long as nobody took them, at least: {least} of {len(STALLS_S)}", whole >= least))
    for n, (what, good) in enumerate(cases):
        print(f"{'ok' if good else 'not ok'} {n + 1} - {what}")
    print(f"1..{len(cases)}")
    return not all(good for _, good in cases)


if __name__ == "__main__":
    sys.exit({"act": act, "check": check}[sys.argv[1]](*sys.argv[2:]))
