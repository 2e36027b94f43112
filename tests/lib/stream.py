#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends one byte after the other over a TCP connection to itself, and keeps the truth: the moment after each send.

usage: stream.py LOG [PAUSE_US [COUNT]]
LOG gets a line for each byte: CLOCK_BOOTTIME in ns, written at once. Without COUNT it goes on until it is killed.
"""
import os
import socket
import sys
import threading
import time


def drain(conn):
    while conn.recv(4096):
        pass


def main(log, pause_us="200", count="0"):
    listener = socket.create_server(("127.0.0.1", 0))
    out = socket.create_connection(listener.getsockname())
    out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn, _ = listener.accept()
    threading.Thread(target=drain, args=(conn,), daemon=True).start()
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sent = 0
    while not int(count) or sent < int(count):
        out.send(b"x")
        os.write(fd, b"%d\n" % time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        sent += 1
        if pause_us != "0":
            time.sleep(int(pause_us) / 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
