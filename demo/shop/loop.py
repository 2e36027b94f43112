#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The application of the shop that is an event loop: one thread, many requests at a time.

It answers as item.c does (see there and ../README.md): the application's lock, Redis, PostgreSQL, every third item the next
application, a little work, a line logged. The lock is one of threads: who must wait for it stops the whole loop.
"""
import asyncio
import json
import os
import socket
import struct
import sys
import threading
import time

DEEP, CONNECTIONS, FLUSH_BYTES = 3, 32, 262144
RESENT_AT = 100  # tcpi_total_retrans in struct tcp_info, linux/tcp.h


def setting(name, otherwise=None):
    value = os.environ.get(name, otherwise)
    if value is None:
        sys.exit(f"loop.py: {name} is not set")
    return value


NAME = setting("SHOP_NAME")
DISK = setting("SHOP_DISK", ".")


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Pool:
    """Connections to one place: taken for one exchange, then given back."""

    def __init__(self, place, hello=None):
        address, _, port = place.rpartition(":")
        self.place, self.hello = (address, int(port or 0)), hello
        self.idle, self.room = [], asyncio.Semaphore(CONNECTIONS)

    async def ask(self, exchange):
        async with self.room:
            wire = self.idle.pop() if self.idle else await self.open()
            try:
                answer = await exchange(*wire)
            except BaseException:
                wire[1].close()
                raise
            self.idle.append(wire)
            return answer

    async def open(self):
        wire = await asyncio.open_connection(*self.place)
        wire[1].get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.hello:
            await self.hello(*wire)
        return wire


def resent(writer):
    info = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RESENT_AT + 4)
    return struct.unpack_from("I", info, RESENT_AT)[0]


async def redis_string(reader):
    size = int((await reader.readline())[1:])
    return "" if size < 0 else (await reader.readexactly(size + 2))[:-2].decode()


def redis_get(key, request_id, took):
    """As stores_redis(): an id goes along as a second key."""
    words = ["MGET", key, "id:" + request_id] if request_id else ["GET", key]

    async def exchange(reader, writer):
        before = resent(writer)
        writer.write((f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)).encode())
        if request_id:
            await reader.readline()
        value = await redis_string(reader)
        if request_id:
            await redis_string(reader)
        took["redis_resent"] = resent(writer) - before
        return value

    return exchange


async def query_answer(reader):
    """The first column of the first row, when all of the answer is there."""
    value, failed = "", False
    while True:
        kind, size = struct.unpack("!cI", await reader.readexactly(5))
        body = await reader.readexactly(size - 4)
        if kind == b"D" and not value:
            value = body[6:6 + struct.unpack_from("!I", body, 2)[0]].decode()
        failed |= kind == b"E"
        if kind == b"Z":
            if failed:
                raise OSError("PostgreSQL answers with an error")
            return value


async def query_hello(reader, writer):
    words = b"\0\3\0\0user\0postgres\0database\0shop\0\0"
    writer.write(struct.pack("!I", len(words) + 4) + words)
    await query_answer(reader)


def query(sql):
    async def exchange(reader, writer):
        writer.write(struct.pack("!cI", b"Q", len(sql) + 5) + sql.encode() + b"\0")
        return await query_answer(reader)

    return exchange


def http_get(path, request_id):
    async def exchange(reader, writer):
        more = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\n{more}\r\n".encode())
        status, headers = int((await reader.readline()).split()[1]), await http_headers(reader)
        return status, (await reader.readexactly(int(headers.get("content-length", 0)))).decode()

    return exchange


async def http_headers(reader):
    headers = {}
    while (line := (await reader.readline()).decode().rstrip("\r\n")):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers


def compute(text):
    total = 2166136261
    for _ in range(20):
        for byte in text.encode():
            total = (total ^ byte) * 16777619 & 0xffffffff
    return total


class App:
    def __init__(self):
        self.redis, self.db = Pool(setting("SHOP_REDIS")), Pool(setting("SHOP_DB"), query_hello)
        self.next = Pool(setting("SHOP_NEXT")) if setting("SHOP_NEXT", "") else None
        self.lock, self.served = threading.Lock(), 0
        path = setting("SHOP_TRUTH", "")
        self.truth = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if path else -1
        self.stat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def cpu_wait_ns(self):
        return int(os.pread(self.stat, 96, 0).split()[1]) if self.truth >= 0 else 0

    def hold_lock(self, ms):
        with self.lock:
            begin = now_ns()
            time.sleep(ms / 1000)
            return now_ns() - begin

    async def step_lock(self, ms, took):
        """In this loop nobody may hold the lock for long; a second thread does."""
        if ms:
            took["held_ns"] = await asyncio.get_running_loop().run_in_executor(None, self.hold_lock, ms)
        begin = now_ns()
        with self.lock:
            took["lock_ns"] = now_ns() - begin
            self.served += 1

    def step_flush(self, ms, took):
        """Writes and waits until it is on the disk, again and again until that time is over; the loop waits, too."""
        begin = now_ns()
        with open(f"{DISK}/{NAME}.{os.getpid()}", "wb", buffering=0) as f:
            while now_ns() < begin + ms * 1000000:
                f.write(bytes(FLUSH_BYTES))
                os.fsync(f.fileno())
        took["flush_ns"] = now_ns() - begin

    async def make(self, item, request_id, fault, took):
        await self.step_lock(fault.get("lock", 0), took)
        begin = now_ns()
        price = await self.redis.ask(redis_get(f"item:{item}", request_id, took))
        took["redis_ns"] = now_ns() - begin
        slow = f", pg_sleep({fault['query'] / 1000})" if "query" in fault else ""
        mark = f" /* {request_id} */" if request_id else ""
        begin = now_ns()
        name = await self.db.ask(query(f"select name, stock{slow} from item where id = {item}{mark}"))
        took["query_ns"] = now_ns() - begin
        other = None
        if self.next and item % DEEP == 0:
            begin = now_ns()
            status, other = await self.next.ask(http_get(f"/item/{item}", request_id))
            took["next_ns"] = now_ns() - begin
            if status != 200:
                raise OSError(f"the next application answers {status}")
            other = json.loads(other)
        if "flush" in fault:
            self.step_flush(fault["flush"], took)
        return {"app": NAME, "item": item, "name": name, "price": price, "sum": compute(name), "next": other}

    async def answer(self, path, headers, writer):
        begin, wait = now_ns(), self.cpu_wait_ns()
        request_id, fault = headers.get("x-request-id", ""), headers.get("x-shop-fault", "")
        kind, _, ms = fault.partition("=")
        number = path.rpartition("/item/")[2]
        item = int(number) if number.isdigit() else 0
        took = dict.fromkeys(("lock_ns", "redis_ns", "redis_resent", "query_ns", "next_ns", "flush_ns", "held_ns"), 0)
        status, body = 404, {}
        if item > 0:
            try:
                status, body = 200, await self.make(item, request_id, {kind: int(ms)} if ms else {}, took)
            except (OSError, ValueError, EOFError) as e:
                status = 500
                print("loop.py:", e, file=sys.stderr)
        text = json.dumps(body)
        os.write(1, f"{NAME}: item {item}: {status} in {(now_ns() - begin) / 1e6:.3f} ms"
                    f"{' id=' if request_id else ''}{request_id}\n".encode())
        words = {200: "OK", 404: "Not Found", 500: "Internal Server Error"}[status]
        writer.write(f"HTTP/1.1 {status} {words}\r\nContent-Type: application/json\r\n"
                     f"Content-Length: {len(text)}\r\n\r\n{text}".encode())
        if self.truth >= 0:
            os.write(self.truth, (json.dumps({
                "app": NAME, "id": request_id, "item": item, "status": status, "pid": os.getpid(), "tid": os.getpid(),
                "begin_boot_ns": begin, "end_boot_ns": now_ns(), **took, "cpu_wait_ns": self.cpu_wait_ns() - wait,
                "fault": fault}) + "\n").encode())

    async def serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while (line := await reader.readline()):
                headers = await http_headers(reader)
                await self.answer(line.split()[1].decode(), headers, writer)
                if headers.get("connection", "").lower() == "close":
                    break
        except (OSError, EOFError, IndexError):
            pass
        writer.close()


async def main():
    address, _, port = setting("SHOP_LISTEN").rpartition(":")
    server = await asyncio.start_server(App().serve, address, int(port), backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
