# SPDX-License-Identifier: Apache-2.0
"""proto_memcached.py DIR: memcached talks to clients of our own, in text and in binary.

Writes DIR/NAME.log and DIR/NAME.truth as proto_http.py does.
"""
import getpass
import os
import random
import struct
import subprocess
import sys

from proto_http import Truth
from proto_tap import Counted, Tap, free_port, wait_port


def text_command():
    """Bytes, operation, resource, how many lines answer (None: until END)."""
    n = random.randrange(100, 130)
    value = b"v" * random.choice([1, 20, 100, 3000, 60000])
    key = f"item:{n}".encode()
    return random.choice([
        (b"set %s 7 0 %d\r\n%s\r\n" % (key, len(value), value), "SET", "item:{n}", 1),
        (b"set %s 0 0 5 noreply\r\nEND\r\n\r\n" % key, "SET", "item:{n}", 0),
        (b"add %s 0 0 2\r\n15\r\n" % key, "ADD", "item:{n}", 1),
        (b"append %s 0 0 2\r\n15\r\n" % key, "APPEND", "item:{n}", 1),
        (b"replace other 0 0 2\r\n15\r\n", "REPLACE", "other", 1),
        (b"get %s\r\n" % key, "GET", "item:{n}", None),
        (b"get item:101 item:102 item:103 nothing\r\n", "GET", "item:{n}", None),
        (b"gets %s\r\n" % key, "GETS", "item:{n}", None),
        (b"cas %s 0 0 3 7\r\nabc\r\n" % key, "CAS", "item:{n}", 1),
        (b"delete %s\r\n" % key, "DELETE", "item:{n}", 1),
        (b"delete %s noreply\r\n" % key, "DELETE", "item:{n}", 0),
        (b"incr counter 5\r\n", "INCR", "counter", 1),
        (b"set counter 0 0 2\r\n10\r\n", "SET", "counter", 1),
        (b"touch %s 100\r\n" % key, "TOUCH", "item:{n}", 1),
        (b"gat 100 %s\r\n" % key, "GAT", "item:{n}", None),
        (b"incr %s x\r\n" % key, "INCR", "item:{n}", 1),
        (b"version\r\n", "VERSION", "", 1),
        (b"stats\r\n", "STATS", "", None),
        (b"mg %s t v\r\n" % key, "MG", "item:{n}", 1),
        (b"ms %s 3 T100\r\nabc\r\n" % key, "MS", "item:{n}", 1),
        (b"md %s\r\n" % key, "MD", "item:{n}", 1),
        (b"mn\r\n", "MN", "", 1),
    ])


def answer(file, lines):
    """Its size, and whether it says that it failed."""
    size, failed = 0, False
    while lines is None or lines > 0:
        line = file.readline()
        size += len(line)
        words = line.split()
        if words[0] in (b"VALUE", b"VA"):
            n = int(words[3 if words[0] == b"VALUE" else 1]) + 2
            file.read(n)
            size += n
        failed = words[0] in (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")
        if failed or words[0] == b"END":
            break
        if lines is not None:
            lines -= 1
    return size, failed


def text(tap, truth, batch):
    sock = Counted.connect_to(tap.port)
    file = sock.makefile("rb")
    received = 0
    for _ in range(1500 // batch):
        out, asked, sent = b"", [], sock.sent
        for _ in range(batch):
            data, *what = text_command()
            asked.append((sent + len(out), len(data), *what))
            out += data
        sock.sendall(out)
        for begin, length, operation, resource, lines in asked:
            what = dict(conn=sock.number, protocol="memcached", operation=operation, resource=resource,
                        request=[begin, begin + length])
            if lines == 0:
                truth.note(**what, failed=False)
                continue
            size, failed = answer(file, lines)
            truth.note(**what, failed=failed, response=[received, received + size])
            received += size
    file.close()
    sock.close()


def quiet_meta(tap, truth):
    """Quiet commands, closed by mn: a miss says nothing."""
    sock = Counted.connect_to(tap.port)
    file = sock.makefile("rb")
    received = 0
    for n in range(100):
        begin, line = sock.sent, None
        quiet = [b"mg item:%d t v q k\r\n" % (100 + random.randrange(60)) for _ in range(n % 6)]
        sock.sendall(b"".join(quiet) + b"mn\r\n")
        for q in quiet:
            truth.note(conn=sock.number, protocol="memcached", operation="MG", resource="item:{n}", failed=False,
                       request=[begin, begin + len(q)])
            begin += len(q)
        while line != b"MN\r\n":
            where = received
            line = file.readline()
            received += len(line)
            if line.startswith(b"VA"):
                size = int(line.split()[1]) + 2
                file.read(size)
                received += size
        truth.note(conn=sock.number, protocol="memcached", operation="MN", resource="", failed=False,
                   request=[begin, begin + 4], response=[where, received])
    file.close()
    sock.close()


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(key) + len(extras) + len(value), opaque,
                       0) + extras + key + value


def binary_command(opaque):
    n = random.randrange(100, 130)
    key, value = f"item:{n}".encode(), b"v" * random.choice([1, 20, 100, 3000, 60000])
    return random.choice([
        (packet(0, key, opaque=opaque), "GET", "item:{n}", False),
        (packet(9, key, opaque=opaque), "GETQ", "item:{n}", True),
        (packet(0xd, key, opaque=opaque), "GETKQ", "item:{n}", True),
        (packet(1, key, struct.pack(">II", 0, 0), value, opaque), "SET", "item:{n}", False),
        (packet(0x11, key, struct.pack(">II", 0, 0), value, opaque), "SETQ", "item:{n}", True),
        (packet(4, key, opaque=opaque), "DELETE", "item:{n}", False),
        (packet(5, b"counter", struct.pack(">QQI", 1, 5, 0), opaque=opaque), "INCREMENT", "counter", False),
        (packet(5, key, struct.pack(">QQI", 1, 5, 0), opaque=opaque), "INCREMENT", "item:{n}", False),
        (packet(0xb, opaque=opaque), "VERSION", "", False),
        (packet(0x10, opaque=opaque), "STAT", "", False),
        (packet(0xa, opaque=opaque), "NOOP", "", False),
    ])


def binary(tap, truth, batch):
    sock = Counted.connect_to(tap.port)
    file = sock.makefile("rb")
    received = opaque = 0
    for _ in range(1500 // batch):
        out, asked, sent = b"", [], sock.sent
        for i in range(batch + 1):
            opaque += 1
            what = binary_command(opaque) if i < batch else (packet(0xa, opaque=opaque), "NOOP", "", False)
            asked.append((opaque, sent + len(out), len(what[0]), *what[1:]))
            out += what[0]
        sock.sendall(out)
        answers = {}
        while asked[-1][0] not in answers:
            head = file.read(24)
            _, opcode, keys, _, _, status, body, which, _ = struct.unpack(">BBHBBHIIQ", head)
            file.read(body)
            begin = answers[which][0] if which in answers else received
            received += 24 + body
            answers[which] = (begin, received, status)
        for which, begin, length, operation, resource, silent in asked:
            what = dict(conn=sock.number, protocol="memcached", operation=operation, resource=resource,
                        request=[begin, begin + length])
            if which not in answers and silent:
                truth.note(**what, failed=False)
            else:
                where, end, status = answers[which]
                truth.note(**what, failed=status not in (0, 1, 2, 5), status=status, response=[where, end])
    file.close()
    sock.close()


def main():
    os.chdir(sys.argv[1])
    random.seed(13)
    port = free_port()
    server = subprocess.Popen(["memcached", "-p", str(port), "-U", "0", "-l", "127.0.0.1", "-u", getpass.getuser()])
    try:
        wait_port(port)
        for name, talk in (("text", lambda *a: text(*a, 1)), ("text-pipeline", lambda *a: text(*a, 10)), ("meta", quiet_meta),
                           ("binary", lambda *a: binary(*a, 1)), ("binary-pipeline", lambda *a: binary(*a, 10))):
            tap, truth = Tap(("127.0.0.1", port), f"memcached-{name}.log"), Truth(f"memcached-{name}.truth")
            talk(tap, truth)
            tap.close()
            truth.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
