#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tests/e2e/show.sh records: two processes in two network namespaces speak over TCP, UDP and AF_UNIX, one connects to
nobody, some are stopped, killed, fail; threads pass bytes to each other.

usage: show_scene.py NETNS_A NETNS_B ADDRESS_OF_B
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading

PORT = 7301


def enter(name):
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) < 0:  # CLONE_NEWNET; os.setns() came with 3.12
        raise OSError(ctypes.get_errno(), f"cannot enter {name}")


def serve(ready):
    listener = socket.create_server(("0.0.0.0", PORT))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", PORT))
    os.write(ready, b"r")
    conn, _ = listener.accept()
    for _ in range(20):
        conn.recv(4096)
        conn.sendall(b"pong" * 5)
    data, peer = udp.recvfrom(100)
    udp.sendto(data, peer)
    while conn.recv(65536):
        pass
    os._exit(0)


def refused():
    try:
        socket.create_connection(("127.0.0.1", 1))
    except ConnectionRefusedError:
        pass


def talk(address):
    conn = socket.create_connection((address, PORT))
    for i in range(20):
        conn.sendall(b"ping" * (i + 1))
        conn.recv(4096)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.sendto(b"datagram", (address, PORT))
    udp.recv(100)
    conn.sendall(bytes(200000))
    conn.close()
    refused()


def threads():
    """Two threads play ball over an AF_UNIX stream."""
    a, b = socket.socketpair()

    def other():
        for _ in range(10):
            b.sendall(b.recv(10))

    t = threading.Thread(target=other)
    t.start()
    for _ in range(10):
        a.sendall(b"ball")
        a.recv(10)
    t.join()


def stopped_and_killed():
    for sig in (signal.SIGKILL, signal.SIGTERM):
        child = subprocess.Popen(["/usr/bin/sleep", "60"])
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        os.kill(child.pid, signal.SIGCONT)
        os.kill(child.pid, sig)
        child.wait()


def main(a, b, address):
    ready, told = os.pipe()
    server = os.fork()
    if not server:
        enter(b)
        serve(told)
    os.close(told)
    os.read(ready, 1)
    client = os.fork()
    if not client:
        enter(a)
        talk(address)
        os._exit(0)
    threads()
    stopped_and_killed()
    subprocess.run(["/bin/sh", "-c", "exit 3"], check=False)
    subprocess.run(["/bin/sh", "-c", "/usr/bin/env true 'an argument' \"*star*\" 10%"], check=False)
    os.waitpid(client, 0)
    os.waitpid(server, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
