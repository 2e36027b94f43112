#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends and receives in many ways, and prints what each call moved, for payload_check.py.

usage: payload_peer.py tcp | unix | midway | strange | dgram | strange_dgram | zero

A line for each call: {"sock": cookie, "sent": true, "offset": N, "data": hex, "call": name, "silent": why or null}.
midway waits for a line on standard input when half of its messages are through.
"""
import ctypes
import json
import os
import random
import socket
import struct
import sys
import tempfile

SO_COOKIE = 57
PIECE = 700
rng = random.Random(7)
libc = ctypes.CDLL(None, use_errno=True)


def cookie(sock):
    return struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]


class End:
    """One end of a stream: counts its bytes, and tells each call."""

    def __init__(self, sock):
        self.sock, self.cookie, self.offset = sock, cookie(sock), {True: 0, False: 0}

    def told(self, call, sent, data, silent=None):
        print(json.dumps({"sock": self.cookie, "sent": sent, "offset": self.offset[sent], "data": data.hex(),
                          "call": call, "silent": silent}), flush=True)
        self.offset[sent] += len(data)

    def send(self, call, data):
        SENDERS[call](self.sock, data)
        self.told(call, True, data, "no bytes in the call" if call == "sendfile" else None)

    def receive(self, call, size):
        left = size
        while left:
            data = RECEIVERS[call](self.sock, left)
            assert data, "the end"
            self.told(call, False, data)
            left -= len(data)


def parts(data):
    """Cut as headers and bodies are: something short, nothing at all, the rest in two."""
    return [data[:7], b"", data[7:40], data[40:]]


def send_file(sock, data):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        assert os.sendfile(sock.fileno(), file.fileno(), 0, len(data)) == len(data)


def whole(sent, data):
    assert sent == len(data), "a part was sent"


SENDERS = {
    "write": lambda s, d: whole(os.write(s.fileno(), d), d),
    "send": lambda s, d: whole(s.send(d), d),
    "writev": lambda s, d: whole(os.writev(s.fileno(), parts(d)), d),
    "sendmsg": lambda s, d: whole(s.sendmsg(parts(d)), d),
    "sendmsg_one": lambda s, d: whole(s.sendmsg([d]), d),
    "sendfile": send_file,
}


def readv(sock, size):
    rooms = [bytearray(3), bytearray(20), bytearray(PIECE)]
    got = os.readv(sock.fileno(), rooms)
    return b"".join(rooms)[:got]


def recvmsg_into(sock, _):
    rooms = [bytearray(100), bytearray(0), bytearray(PIECE)]
    got = sock.recvmsg_into(rooms)[0]
    return b"".join(rooms)[:got]


def peek(sock, size):
    sock.recv(10, socket.MSG_PEEK)
    return sock.recv(size)


RECEIVERS = {
    "read": lambda s, n: os.read(s.fileno(), n),
    "recv": lambda s, n: s.recv(n),
    "short": lambda s, n: s.recv(31),
    "all": lambda s, n: s.recv(n, socket.MSG_WAITALL),
    "readv": readv,
    "recvmsg": recvmsg_into,
    "peek": peek,
}


def body(size):
    """Bytes that no rule takes for a secret's name or for what belongs to one."""
    return bytes(rng.choice(b"abcdefgh \0\\\x01\x80\xff") for _ in range(size))


def message(number, size):
    head = b"POST /%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (number, size)
    return head + body(size)


def pair_tcp():
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server = listener.accept()[0]
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return End(client), End(server)


def pair_unix():
    return tuple(map(End, socket.socketpair()))


def converse(client, server, first=0, calls=None):
    number = first
    for size in (5, 60, 150, 400, 650):
        for call in calls or SENDERS:
            for how in RECEIVERS:
                data = message(number, size)
                client.send(call, data)
                server.receive(how, len(data))
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                server.send("send", answer)
                client.receive("recv", len(answer))
                number += 1


def midway():
    client, server = pair_tcp()
    print(json.dumps({"half": True}), flush=True)
    converse(client, server, 0, ["send"])
    print(json.dumps({"half": True}), flush=True)
    sys.stdin.readline()
    for _ in range(5):  # what begins in the middle of a message is nothing that is known
        client.send("send", b"\x01\x02\x03" + body(50))
        server.receive("recv", 53)
    converse(client, server, 1000, ["send"])


def strange():
    client, server = pair_tcp()
    for _ in range(300):
        data = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300)))
        client.send("send", data)
        server.receive("recv", len(data))


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Iovec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("hdr", Msghdr), ("len", ctypes.c_uint)]


def vector(buffers):
    rows = (Mmsghdr * len(buffers))()
    for row, data in zip(rows, buffers):
        row.hdr.iov = ctypes.pointer(Iovec(ctypes.cast(data, ctypes.c_char_p), len(data)))
        row.hdr.iovlen = 1
    return rows


def question(number):
    name = b"".join(bytes([len(p)]) + p for p in (b"host%d" % number, b"example", b"org")) + b"\0"
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


def tell(sock, call, sent, data):
    print(json.dumps({"sock": cookie(sock), "sent": sent, "offset": 0, "data": data.hex(), "call": call,
                      "silent": None}), flush=True)


def dgram():
    a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
    b.bind(("127.0.0.1", 0))
    a.connect(b.getsockname())
    for number in range(5):
        data = question(number)
        a.send(data)
        tell(a, "send", True, data)
        tell(b, "recvfrom", False, b.recvfrom(512)[0])
        a.sendmsg([data[:12], data[12:]])
        tell(a, "sendmsg", True, data)
        tell(b, "recvmsg", False, b.recvmsg(512)[0])
        many = [question(100 + 10 * number + i) for i in range(3)]
        buffers = [ctypes.create_string_buffer(m, len(m)) for m in many]
        assert libc.sendmmsg(a.fileno(), vector(buffers), 3, 0) == 3
        for data in many:
            tell(a, "sendmmsg", True, data)
        rooms = [ctypes.create_string_buffer(512) for _ in range(5)]
        rows = vector(rooms)
        assert libc.recvmmsg(b.fileno(), rows, 5, socket.MSG_DONTWAIT, None) == 3
        for row, room in zip(rows[:3], rooms):
            tell(b, "recvmmsg", False, room.raw[:row.len])


def strange_dgram():
    a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
    b.bind(("127.0.0.1", 0))
    a.connect(b.getsockname())
    for _ in range(100):
        data = b"\xff" * 5 + bytes(rng.randrange(256) for _ in range(50))
        a.send(data)
        tell(a, "send", True, data)
        tell(b, "recv", False, b.recv(512))


SCENES = {
    "tcp": lambda: converse(*pair_tcp()),
    "unix": lambda: converse(*pair_unix(), 0, [c for c in SENDERS if c != "sendfile"]),
    "midway": midway, "strange": strange, "dgram": dgram, "strange_dgram": strange_dgram,
}

SCENES[sys.argv[1]]()
