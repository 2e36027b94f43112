# SPDX-License-Identifier: Apache-2.0
"""proto_redis.py DIR: redis-server talks to a client of our own (both versions of the protocol), redis-cli and redis-benchmark.

Writes DIR/NAME.log and DIR/NAME.truth as proto_http.py does.
"""
import os
import random
import re
import subprocess
import sys

from proto_http import Truth
from proto_tap import Counted, Tap, free_port, wait_port


class Client:
    def __init__(self, port):
        self.sock = Counted.connect_to(port)
        self.file = self.sock.makefile("rb")
        self.received = 0

    def line(self):
        line = self.file.readline()
        self.received += len(line)
        return line

    def value(self):
        """One value: its first line."""
        line = self.line()
        kind = line[:1]
        if kind in b"$=!" and not line.startswith(b"$-1"):
            n = int(line[1:]) + 2
            self.file.read(n)
            self.received += n
        elif kind in b"*~>%":
            for _ in range(max(int(line[1:]), 0) * (2 if kind == b"%" else 1)):
                self.value()
        return line

    def close(self):
        self.file.close()
        self.sock.close()


def wire(*args):
    out = b"*%d\r\n" % len(args)
    for a in args:
        a = a if isinstance(a, bytes) else str(a).encode()
        out += b"$%d\r\n%s\r\n" % (len(a), a)
    return out


def some_command():
    """Its arguments, operation and resource."""
    n = random.randrange(1000, 5000)
    value = b"v" * random.choice([1, 10, 50, 200, 5000, 100000])
    return random.choice([
        (("SET", f"user:{n}", value), "SET", "user:{n}"),
        (("set", f"user:{n}:name", value[:100]), "SET", "user:{n}:name"),
        (("GET", f"user:{n}"), "GET", "user:{n}"),
        (("GET", "session:550e8400-e29b-41d4-a716-446655440000"), "GET", "session:{id}"),
        (("INCR", "counter"), "INCR", "counter"),
        (("LPUSH", "words", *(f"word{i}" for i in range(n % 20 + 1))), "LPUSH", "words"),
        (("LRANGE", "words", 0, n % 100), "LRANGE", "words"),
        (("HSET", f"h:{n}", "f", "1", "g", "\r\n*1\r\n$4\r\nPING\r\n"), "HSET", "h:{n}"),
        (("HGETALL", f"h:{n}"), "HGETALL", "h:{n}"),
        (("INCR", "words"), "INCR", "words"),
        (("NOSUCH", "a"), "NOSUCH", "a"),
        (("CONFIG", "GET", "maxmemory"), "CONFIG GET", ""),
        (("OBJECT", "ENCODING", "words"), "OBJECT ENCODING", "words"),
        (("EVAL", "return redis.call('GET', KEYS[1])", 1, f"user:{n}"), "EVAL", "user:{n}"),
        (("PING",), "PING", ""),
        (("MULTI",), "MULTI", ""),
        (("EXEC",), "EXEC", ""),
        (("BLPOP", "words", 1), "BLPOP", "words"),
    ])


def ask(client, truth, batch, inline=False):
    out, asked, sent = b"", [], client.sock.sent
    for _ in range(batch):
        args, operation, resource = some_command()
        data = wire(*args)
        if inline:
            args, operation, resource = random.choice([(b"PING\r\n", "PING", ""), (b"exists user:77\r\n", "EXISTS", "user:{n}")])
            data = args
        asked.append((operation, resource, sent + len(out), len(data)))
        out += data
    client.sock.sendall(out)
    for operation, resource, begin, length in asked:
        where = client.received
        line = client.value()
        truth.note(conn=client.sock.number, protocol="redis", operation=operation, resource=resource,
                   failed=line.startswith(b"-"), request=[begin, begin + length], response=[where, client.received])


def own_client(tap, truth, batches, version):
    for batch in batches:
        client = Client(tap.port)
        if version == 3:
            data = wire("HELLO", "3")
            client.sock.sendall(data)
            client.value()
            truth.note(conn=client.sock.number, protocol="redis", operation="HELLO", resource="", failed=False,
                       request=[0, len(data)], response=[0, client.received])
        for n in range(600 // batch):
            ask(client, truth, batch, inline=n % 9 == 8)
        client.close()


def publishing(tap, truth):
    """What is published answers nothing."""
    subscriber, publisher = Client(tap.port), Client(tap.port)

    def one(client, operation, resource, *args, values=1):
        begin, where = client.sock.sent, client.received
        client.sock.sendall(wire(*args))
        client.value()
        truth.note(conn=client.sock.number, protocol="redis", operation=operation, resource=resource, failed=False,
                   request=[begin, client.sock.sent], response=[where, client.received])
        for _ in range(values - 1):
            client.value()

    one(subscriber, "SUBSCRIBE", "news", "SUBSCRIBE", "news", "more", "most", values=3)
    for n in range(50):
        one(publisher, "PUBLISH", "news", "PUBLISH", "news", "x" * n * 20)
        subscriber.value()
        if n % 10 == 9:
            one(subscriber, "PING", "", "PING")
    one(subscriber, "UNSUBSCRIBE", "more", "UNSUBSCRIBE", "more")
    subscriber.close()
    publisher.close()


def with_cli(tap, truth):
    """redis-cli: a connection for each run, and what it printed."""
    begun = len(tap.numbers)
    runs = [(("SET", "k:1", "v"), b"OK\n", "SET", "k:{n}"), (("GET", "k:1"), b"v\n", "GET", "k:{n}"),
            (("LPUSH", "k:1", "v"), b"WRONGTYPE", "LPUSH", "k:{n}"), (("-3", "HGETALL", "nothing"), b"\n", "HGETALL", "nothing")]
    for args, wanted, operation, resource in runs:
        out = subprocess.run(["redis-cli", "-p", str(tap.port), *args], stdout=subprocess.PIPE, check=False).stdout
        if not out.startswith(wanted):
            sys.exit(f"redis-cli {args}: {out}")
        number = tap.numbers[-1]
        hello = len(wire("HELLO", "3")) if "-3" in args else 0
        if hello:
            truth.note(conn=number, protocol="redis", operation="HELLO", resource="", failed=False, request=[0, hello],
                       response_begin=0)
        truth.note(conn=number, protocol="redis", operation=operation, resource=resource, failed=b"WRONG" in out,
                   request=[hello, hello + len(wire(*(a for a in args if a != "-3")))],
                   **({} if hello else {"response_begin": 0}))
    if len(tap.numbers) - begun != len(runs):
        sys.exit("redis-cli connected more than once")


def main():
    os.chdir(sys.argv[1])
    random.seed(11)
    port = free_port()
    server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1",
                               "--dir", "."], stdout=subprocess.DEVNULL)
    try:
        wait_port(port)
        for name, talk in (("resp", lambda *a: own_client(*a, [1], 2)), ("resp3", lambda *a: own_client(*a, [1], 3)),
                           ("pipeline", lambda *a: own_client(*a, [2, 5, 16], 2)), ("publish", publishing), ("cli", with_cli)):
            tap, truth = Tap(("127.0.0.1", port), f"redis-{name}.log"), Truth(f"redis-{name}.truth")
            talk(tap, truth)
            tap.close()
            truth.close()
        tap = Tap(("127.0.0.1", port), "redis-benchmark.log")
        out = subprocess.run(["redis-benchmark", "-p", str(tap.port), "-P", "16", "-c", "4", "-n", "3200", "-r", "1000", "-t",
                              "set,get,lpush,mset"], stdout=subprocess.PIPE, check=True, text=True).stdout
        tap.close()
        if len(re.findall(r"3200 requests completed", out)) != 4:
            sys.exit(f"redis-benchmark said: {out}")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
