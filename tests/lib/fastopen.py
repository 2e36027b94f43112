#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Four TCP connections over loopback that send their first bytes with the SYN (RFC 7413), as soon as they have a cookie.

usage: fastopen.py        in a network namespace of its own; prints how many bytes were sent, and how many SYNs had data
"""
import socket
import threading

FIRST, SECOND = (10, 100, 5000, 100000), 50


def serve(listener):
    for _ in FIRST:
        c, _ = listener.accept()
        while c.recv(777):
            pass
        c.close()


def counter(name):
    with open("/proc/net/netstat", encoding="ascii") as f:
        names, values = [line.split() for line in f if line.startswith("TcpExt:")]
    return int(values[names.index(name)])


def main():
    with open("/proc/sys/net/ipv4/tcp_fastopen", "w", encoding="ascii") as f:
        f.write("3")
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    server = threading.Thread(target=serve, args=(listener,))
    server.start()
    for n in FIRST:
        s = socket.socket()
        s.sendto(bytes(n), socket.MSG_FASTOPEN, listener.getsockname())
        s.send(bytes(SECOND))
        s.close()
    server.join()
    print(sum(FIRST) + SECOND * len(FIRST), counter("TCPFastOpenActive"))


main()
