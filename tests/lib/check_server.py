#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_server.py DIR ADDRESS... - servers good and bad, for checks; DIR/served gets a line PORT SOURCE for each connection or datagram.

80 HTTP 200 `well`, 81 HTTP 503, 82 accepts and says nothing, 83 closes, 84 no HTTP, 85 half a head, 86 an endless head,
87 the text `well` after the head, in a piece of its own; 443 TLS with DIR/good.pem, 444 with DIR/expired.pem, 445 accepts and says nothing, 446 a banner of SSH at once;
UDP 53 echo, 54 says nothing, at the addresses. DIR/ready is made when all listen."""
import asyncio
import os
import ssl
import sys

place = sys.argv[1]
served = open(os.path.join(place, "served"), "a", buffering=1)


def head(status, length):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, length)


async def answer(port, reader, writer):
    served.write("%d %s\n" % (port, writer.get_extra_info("peername")[0]))
    if port in (82, 445):
        await reader.read()
    elif port == 446:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        await reader.read()
    else:
        await reader.readuntil(b"\r\n\r\n")
    if port in (80, 443, 444):
        writer.write(head(b"200 OK", 5) + b"well\n")
    elif port == 81:
        writer.write(head(b"503 Not now", 0))
    elif port == 84:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    elif port == 85:
        writer.write(b"HTTP/1.1 200 OK\r\nServer: h")
        await writer.drain()
        await reader.read()
    elif port == 86:
        for _ in range(4096):
            writer.write(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" if _ else b"HTTP/1.1 200 OK\r\n")
            await writer.drain()
    elif port == 87:
        writer.write(head(b"200 OK", 9))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"all well\n")
    await writer.drain()
    writer.close()


class Datagram(asyncio.DatagramProtocol):
    def __init__(self, port):
        self.port = port

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        served.write("%d %s\n" % (self.port, addr[0]))
        if self.port == 53:
            self.transport.sendto(data + b" back", addr)


def quiet(port):
    async def one(reader, writer):
        try:
            await answer(port, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass

    return one


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    servers = []
    for port in (80, 81, 82, 83, 84, 85, 86, 87, 443, 444, 445, 446):
        tls = None
        if port in (443, 444):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(os.path.join(place, "good.pem" if port == 443 else "expired.pem"))
        servers.append(await asyncio.start_server(quiet(port), None, port, ssl=tls))
    for port in (53, 54):
        for address in sys.argv[2:]:
            # its answers come from the address that was asked: the VIP
            await loop.create_datagram_endpoint(lambda port=port: Datagram(port), local_addr=(address, port))
    open(os.path.join(place, "ready"), "w").close()
    await asyncio.gather(*(s.serve_forever() for s in servers))


asyncio.run(main())
