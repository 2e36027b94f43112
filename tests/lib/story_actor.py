#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small programs to which something happens; tests/e2e/story_cases.sh plays them.

    server ADDR PORT                    answers each line; a line of a client each
    slow ADDR PORT                      the same for one client, but the 60th answer takes a second
    ask ADDR PORT TIMES TIMEOUT FILE    asks TIMES times, reconnecting; makes FILE after 50 answers; status 1 on a time-out
    connect ADDR PORT                   once; status 1 when it fails
    crash FILE                          reads address 0 when FILE is there
    workers                             a parent and three workers; the second ends with status 3 after 60 jobs
    eat FILE                            a server's memory grows without end when FILE is there
"""
import ctypes
import os
import socket
import sys
import threading
import time


def answer(sock):
    while True:
        data = sock.recv(100)
        if not data:
            return
        sock.sendall(data)


def server(addr, port):
    listener = socket.create_server((addr, int(port)))
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=answer, args=(sock,), daemon=True).start()


def slow(addr, port):
    sock, _ = socket.create_server((addr, int(port))).accept()
    for count in range(1, 10**6):
        data = sock.recv(100)
        if not data:
            return
        if count == 60:
            time.sleep(1)
        sock.sendall(data)


def wait_for_file(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def connected(addr, port, timeout, tries=1000):
    for _ in range(tries):
        try:
            return socket.create_connection((addr, int(port)), timeout)
        except ConnectionRefusedError:
            time.sleep(0.01)
    sys.exit(1)


def ask(addr, port, times, timeout, path):
    sock = connected(addr, port, float(timeout))
    for i in range(int(times)):
        try:
            sock.sendall(b"question\n")
            if not sock.recv(100):
                raise ConnectionResetError
        except TimeoutError:
            sys.exit(1)
        except OSError:
            sock.close()
            sock = connected(addr, port, float(timeout), 100)
        if i == 50:
            with open(path, "w", encoding="utf-8"):
                pass
        time.sleep(0.01)


def connect(addr, port):
    try:
        socket.create_connection((addr, int(port)), 2)
    except OSError:
        sys.exit(1)


def crash(path):
    wait_for_file(path)
    ctypes.string_at(0)


def work(sock, jobs, status):
    for _ in range(jobs):
        sock.sendall(sock.recv(100))
    os._exit(status)


def workers():
    socks = []
    for number in range(3):
        mine, other = socket.socketpair()
        if os.fork() == 0:
            mine.close()
            for sock in socks:
                sock.close()
            work(other, 60 if number == 1 else 120, 3 if number == 1 else 0)
        other.close()
        socks.append(mine)
    for _ in range(120):
        for sock in list(socks):
            try:
                sock.sendall(b"job")
                if not sock.recv(100):
                    raise BrokenPipeError
            except OSError:
                socks.remove(sock)
        time.sleep(0.01)
    for _ in range(3):
        os.wait()


def eat(path):
    wait_for_file(path)
    kept = []
    while True:
        kept.append(bytearray(os.urandom(4096)) * 256)


globals()[sys.argv[1]](*sys.argv[2:])
