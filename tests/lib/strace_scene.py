#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Processes, threads, signals and connections of many kinds of calls, to be recorded and traced at once.

Usage: strace_scene.py [ROUNDS]
"""
import os
import random
import signal
import socket
import sys
import tempfile
import threading

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 40


def pair(family):
    """A connection over loopback: its two ends."""
    with socket.socket(family) as listener:
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname()[:2])
        return client, listener.accept()[0]


def receive(sock, total):
    """In pieces, by calls of every kind; peeked bytes stay where they are."""
    while total > 0:
        how = random.randrange(4)
        size = random.randint(1, 3000)
        if how == 0:
            sock.recv(size, socket.MSG_PEEK)
            continue
        if how == 1:
            got = len(sock.recv(size))
        elif how == 2:
            got = sock.recvmsg_into([bytearray(size // 2 + 1), bytearray(size)])[0]
        else:
            got = len(os.read(sock.fileno(), size))
        assert got, "the other end closed"
        total -= got


def send(sock, data):
    how = random.randrange(4)
    if how == 0:
        sock.sendall(data)
    elif how == 1:
        half = len(data) // 2
        assert sock.sendmsg([data[:half], data[half:]]) == len(data)
    elif how == 2:
        assert os.write(sock.fileno(), data) == len(data)
    else:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            assert os.sendfile(sock.fileno(), file.fileno(), 0, len(data)) == len(data)


def streams(family):
    """Requests and answers between two threads."""
    client, server = pair(family)
    sizes = [random.randint(1, 9000) for _ in range(ROUNDS)]

    def serve():
        for size in sizes:
            receive(server, size)
            send(server, b"answer\n")
    thread = threading.Thread(target=serve)
    thread.start()
    for size in sizes:
        send(client, b"q" * size)
        receive(client, 7)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    thread.join()
    client.close()
    server.close()


def crowd():
    """Two threads write into one connection at the same time: nobody can say whose bytes came first."""
    client, server = pair(socket.AF_INET)
    threads = [threading.Thread(target=lambda: [client.sendall(b"x" * 100) for _ in range(ROUNDS)]) for _ in range(2)]
    for t in threads:
        t.start()
    receive(server, 2 * 100 * ROUNDS)
    for t in threads:
        t.join()


def datagrams():
    a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    a.bind(("127.0.0.1", 0))
    b.bind(("127.0.0.1", 0))
    b.connect(a.getsockname())
    a.connect(b.getsockname())
    for i in range(ROUNDS):
        b.send(b"number %d" % i)
        a.recv(100)


def pipes():
    """A child writes lines, in pieces; who reads them knows only how many bytes they have."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(out)
        for i in range(ROUNDS):
            os.write(into, b"line %d\n" % i)
        os._exit(0)
    os.close(into)
    while os.read(out, random.randint(1, 40)):
        pass
    os.waitpid(pid, 0)


def children():
    """One that is signalled, one that is killed, one that inherits a connection."""
    client, server = pair(socket.AF_INET)
    ready, go = os.pipe()
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(3))
        os.write(go, b"1")
        while True:
            signal.pause()
    os.read(ready, 1)
    os.kill(pid, signal.SIGUSR1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    pid = os.fork()
    if not pid:
        client.sendall(b"from the child")
        while True:
            signal.pause()
    receive(server, 14)
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert os.spawnlp(os.P_WAIT, "true", "true") == 0
    try:
        socket.create_connection(("127.0.0.1", 1))
    except ConnectionRefusedError:
        pass


streams(socket.AF_INET)
streams(socket.AF_INET6)
crowd()
datagrams()
pipes()
children()
