#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes log lines from several threads, by each way into the journal, and what it wrote where nobody else looks.

usage: journal_writer.py TRUTH

Ways: stdout and stderr (of a unit: a stream to journald), native (a datagram to journald's socket), syslog (one to /dev/log).
TRUTH gets a line of JSON for each: way, pid, tid, text, begin_ns, end_ns (CLOCK_BOOTTIME).
"""
import json
import os
import socket
import sys
import threading
import time

THREADS, LINES = 3, 20
SOCKETS = {"native": "/run/systemd/journal/socket", "syslog": "/dev/log"}
truth, lock = [], threading.Lock()


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def datagram(way, text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(SOCKETS[way])
        s.send(f"MESSAGE={text}\nPRIORITY=4\n".encode() if way == "native" else f"<12>writer: {text}".encode())


def write(way, text):
    begin = now()
    if way in SOCKETS:
        datagram(way, text)
    else:
        os.write(1 if way == "stdout" else 2, (text + "\n").encode())
    with lock:
        truth.append({"way": way, "pid": os.getpid(), "tid": threading.get_native_id(), "text": text, "begin_ns": begin,
                      "end_ns": now()})


def writer(number):
    for i in range(LINES):
        for way in ("stdout", "stderr", "native", "syslog"):
            write(way, f"line {i} of writer {number} by {way}")


def main():
    threads = [threading.Thread(target=writer, args=(n,)) for n in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with open(sys.argv[1], "w", encoding="ascii") as f:
        f.writelines(json.dumps(row) + "\n" for row in truth)


if __name__ == "__main__":
    main()
