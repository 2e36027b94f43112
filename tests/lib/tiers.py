#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
tiers - servers of HTTP/1.1 that ask one another, of the kinds that requests are followed through, and their client.

	tiers.py serve KIND PORT [NEXT_PORT [WORK_US]]
	tiers.py load PORT CONNECTIONS REQUESTS

KIND: threads (a thread a connection), pool (one reads, workers of a queue answer), poolio (likewise, but the one that read
answers), loop (asyncio, a pool of few connections upstream), executor (asyncio, the upstream call in a thread).
Each request carries a random X-Request-ID, which every server passes on: the truth.  /N asks the next server N % 3 times.
"""

import asyncio
import concurrent.futures
import os
import queue
import random
import selectors
import socket
import sys
import threading
import time
import uuid

UPSTREAM = 8
WORKERS = 8


def work(us):
    """Some of the CPU, sometimes a sleep, so that requests overtake one another."""
    until = time.perf_counter() + random.random() * us / 1e6
    while time.perf_counter() < until:
        pass
    if random.random() < 0.1:
        time.sleep(random.random() * us / 1e6)


def parse(head):
    lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return lines[0].split(" ")[1], fields.get("X-Request-ID", "")


def request_of(path, rid):
    return f"GET {path} HTTP/1.1\r\nHost: tier\r\nX-Request-ID: {rid}\r\n\r\n".encode()


def response_of(text):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def calls_of(path):
    return int(path.strip("/") or 0) % 3


# --- blocking ---------------------------------------------------------------------------------------------------


def read_message(sock):
    """One message, or b'' at the end.  All of ours have a head that one read takes."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        if not more:
            return b""
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    for line in head.split(b"\r\n"):
        if line.startswith(b"Content-Length: "):
            while len(rest) < int(line[16:]):
                rest += sock.recv(4096)
    return data


class Upstream(threading.local):
    sock = None

    def ask(self, port, path, rid):
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(request_of(path, rid))
        return read_message(self.sock)


UP = Upstream()


def handle(data, next_port, us):
    path, rid = parse(data)
    work(us)
    if next_port:
        for _ in range(calls_of(path)):
            UP.ask(next_port, path, rid)
            work(us / 2)
    return response_of("x" * 20)


def listen(port):
    server = socket.create_server(("127.0.0.1", port), backlog=256)
    print("ready", flush=True)
    return server


def serve_threads(port, next_port, us):
    def one(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := read_message(sock):
            sock.sendall(handle(data, next_port, us))
        sock.close()

    server = listen(port)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=one, args=(sock,), daemon=True).start()


def serve_pool(port, next_port, us, own_answer=True):
    jobs, answers = queue.SimpleQueue(), queue.SimpleQueue()
    wake_r, wake_w = os.pipe()
    os.set_blocking(wake_r, False)

    def worker():
        while True:
            sock, data = jobs.get()
            answer = handle(data, next_port, us)
            if own_answer:
                sock.sendall(answer)
            else:
                answers.put((sock, answer))
                os.write(wake_w, b"x")

    for _ in range(WORKERS):
        threading.Thread(target=worker, daemon=True).start()
    server = listen(port)
    poll = selectors.DefaultSelector()
    poll.register(server, selectors.EVENT_READ)
    poll.register(wake_r, selectors.EVENT_READ)
    while True:
        for key, _ in poll.select():
            if key.fileobj is server:
                sock, _ = server.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                poll.register(sock, selectors.EVENT_READ)
            elif key.fileobj == wake_r:
                for _ in os.read(wake_r, 4096):
                    sock, answer = answers.get()
                    sock.sendall(answer)
            elif data := key.fileobj.recv(4096):
                jobs.put((key.fileobj, data))
            else:
                poll.unregister(key.fileobj)
                key.fileobj.close()


# --- asyncio ----------------------------------------------------------------------------------------------------


async def read_async(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.startswith(b"Content-Length: "):
            head += await reader.readexactly(int(line[16:]))
    return head


async def serve_loop(port, next_port, us, executor=None):
    idle = asyncio.Queue()
    for _ in range(UPSTREAM if next_port and not executor else 0):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", next_port))

    async def ask(path, rid):
        reader, writer = await idle.get()
        writer.write(request_of(path, rid))
        await read_async(reader)
        idle.put_nowait((reader, writer))

    async def answer(data):
        if executor:
            return await asyncio.get_running_loop().run_in_executor(executor, handle, data, next_port, us)
        path, rid = parse(data)
        if random.random() < 0.2:
            await asyncio.sleep(random.random() * us / 1e6)
        if next_port:
            for _ in range(calls_of(path)):
                await ask(path, rid)
        return response_of("x" * 20)

    async def one(reader, writer):
        try:
            while True:
                writer.write(await answer(await read_async(reader)))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", port, backlog=256)
    print("ready", flush=True)
    await server.serve_forever()


# --- client -----------------------------------------------------------------------------------------------------


async def load(port, connections, requests):
    async def one(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(requests):
            writer.write(request_of(f"/{n * 7 + i}", uuid.uuid4().hex))
            await read_async(reader)
        writer.close()

    await asyncio.gather(*(one(n) for n in range(connections)))


def main():
    if sys.argv[1] == "load":
        asyncio.run(load(*map(int, sys.argv[2:5])))
        return
    kind, port = sys.argv[2], int(sys.argv[3])
    next_port = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    us = float(sys.argv[5]) if len(sys.argv) > 5 else 300
    if kind == "threads":
        serve_threads(port, next_port, us)
    elif kind in ("pool", "poolio"):
        serve_pool(port, next_port, us, kind == "pool")
    else:
        pool = concurrent.futures.ThreadPoolExecutor(WORKERS) if kind == "executor" else None
        asyncio.run(serve_loop(port, next_port, us, pool))


main()
