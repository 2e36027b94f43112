# SPDX-License-Identifier: Apache-2.0
"""A proxy that records what clients and servers say to each other, for proto_feed.

Tap(server address, log file) listens on .port; each piece is one that it received in one call, written before it is passed on.
A connection's number is the client's port, that of a datagram and its answer counts up.
"""
import selectors
import socket
import struct
import threading
import time


class Tap:
    def __init__(self, server, path, datagram=False, piece=65536):
        self.server = server
        self.log = open(path, "wb")
        self.piece = piece
        self.numbers = []
        self.datagram = datagram
        kind = socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
        self.listener = socket.socket(socket.AF_INET, kind)
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.poll = selectors.DefaultSelector()
        self.flows = {}
        if not datagram:
            self.listener.listen(128)
        self.poll.register(self.listener, selectors.EVENT_READ, self.datagrams if datagram else self.accept)
        self.wake, wake = socket.socketpair()
        self.poll.register(wake, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            for key, _ in self.poll.select():
                if key.data is None:
                    return
                key.data()

    def note(self, number, kind, data=b""):
        self.log.write(struct.pack("<IcQI", number, kind, time.monotonic_ns(), len(data)) + data)

    def accept(self):
        client, (_, number) = self.listener.accept()
        server = socket.create_connection(self.server)
        for s in client, server:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.numbers.append(number)
        open_ = {client, server}
        self.poll.register(client, selectors.EVENT_READ, lambda: self.pass_on(number, b"c", client, server, open_))
        self.poll.register(server, selectors.EVENT_READ, lambda: self.pass_on(number, b"s", server, client, open_))

    def pass_on(self, number, kind, source, sink, open_):
        try:
            data = source.recv(self.piece)
        except OSError:
            data = b""
        if data:
            self.note(number, kind, data)
            try:
                sink.sendall(data)
            except OSError:
                pass
            return
        self.poll.unregister(source)
        open_.discard(source)
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if not open_:
            source.close()
            sink.close()
            self.note(number, b"e")

    def datagrams(self):
        data, client = self.listener.recvfrom(65536)
        if client not in self.flows:
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.connect(self.server)
            number = len(self.numbers) + 1
            self.flows[client] = server, number
            self.numbers.append(number)
            self.poll.register(server, selectors.EVENT_READ, lambda: self.answer(number, server, client))
        server, number = self.flows[client]
        self.note(number, b"d", data)
        server.send(data)

    def answer(self, number, server, client):
        """One answer is all that a socket gets: whoever has its port later is another."""
        data = server.recv(65536)
        self.note(number, b"r", data)
        del self.flows[client]
        self.poll.unregister(server)
        server.close()
        self.listener.sendto(data, client)

    def close(self):
        """When every client has gone: what was said last is in the log, too."""
        end = time.monotonic() + 10
        while not self.datagram and len(self.poll.get_map()) > 2 and time.monotonic() < end:
            time.sleep(0.01)
        self.wake.send(b"x")
        self.thread.join()
        self.log.close()
        self.listener.close()


class Counted(socket.socket):
    """A client's own account of its bytes."""

    sent = received = 0

    @classmethod
    def connect_to(cls, port):
        s = cls(socket.AF_INET, socket.SOCK_STREAM)
        s.connect(("127.0.0.1", port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.number = s.getsockname()[1]
        return s

    def sendall(self, data, *flags):
        self.sent += len(data)
        return super().sendall(data, *flags)

    def recv_into(self, *args):
        n = super().recv_into(*args)
        self.received += n
        return n


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")
