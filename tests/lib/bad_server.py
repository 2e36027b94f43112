#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is not well, and its clients.

bad_server.py serve PORT		resets the first three connections, and takes no others any more
bad_server.py ask ADDRESS PORT		three that are reset, and then ten that wait; ends with its standard input
"""
import socket
import struct
import sys

RESETS = 3


def serve(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen(1)
    print("ready", flush=True)
    for _ in range(RESETS):
        c, _ = s.accept()
        c.recv(1)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    sys.stdin.read()


def ask(address, port):
    for _ in range(RESETS):
        c = socket.create_connection((address, int(port)))
        try:
            c.sendall(b"xx")
            c.recv(1)
        except ConnectionResetError:
            print("reset", flush=True)
    waiting = []
    for _ in range(10):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex((address, int(port)))
        waiting.append(c)
    sys.stdin.read()


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
