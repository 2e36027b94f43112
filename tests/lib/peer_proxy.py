#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Between two agents: keeps what the one who connects says, and says it again.

peer_proxy.py forward PORT ADDRESS:PORT FILE	passes on one connection after the other; what the last one said is in FILE
peer_proxy.py again ADDRESS:PORT FILE		says it; 0 if the other side answers once and then closes, without having been told to
"""
import select
import socket
import sys


def place(text):
    address, port = text.rsplit(":", 1)
    return address, int(port)


def forward_one(client, to, path):
    server = socket.create_connection(to)
    ends = {client: server, server: client}
    with open(path, "wb", buffering=0) as kept:
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    client.close()
                    server.close()
                    return
                if end is client:
                    kept.write(data)
                ends[end].sendall(data)


def forward(port, to, path):
    listening = socket.create_server(("127.0.0.1", int(port)))
    print("ready", flush=True)
    while True:
        client, _ = listening.accept()
        try:
            forward_one(client, place(to), path)
        except OSError:
            client.close()


def again(to, path):
    with open(path, "rb") as kept:
        said = kept.read()
    s = socket.create_connection(place(to))
    s.settimeout(30)
    answer = b""
    try:
        # the hello first, as it was: whoever had sent all at once would be refused for that
        s.sendall(said[:88])
        while len(answer) < 88:
            answer += s.recv(65536)
        s.sendall(said[88:])
        while True:
            data = s.recv(65536)
            if not data:
                break
            answer += data
    except ConnectionResetError:
        pass
    print(f"said {len(said)} bytes again, heard {len(answer)}")
    return 0 if len(said) > 400 and len(answer) == 88 else 1


if sys.argv[1] == "forward":
    forward(*sys.argv[2:])
else:
    sys.exit(again(*sys.argv[2:]))
