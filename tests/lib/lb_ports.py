# SPDX-License-Identifier: Apache-2.0
"""
lb_ports - connections of one client's port by two ports of a VIP to one server: the server tells what it takes for the client's end.

  lb_ports.py serve PORT                    answers each line, a number, with the other end's port and so many bytes more
  lb_ports.py both ADDRESS PORT PORT BYTES  two connections at once from one port, ten lines each, in turn; the last asks for BYTES.
                                            Prints {"own": port, "there": [ports], "same": each answer of a connection was alike}
  lb_ports.py refused ADDRESS PORT PORT     the same with UDP, where nobody listens: which of them were told so, and the own port
"""
import json
import socket
import sys
import threading

WAIT_S = 30


def serve_one(conn, port):
    with conn, conn.makefile("rb") as lines:
        for line in lines:
            conn.sendall(b"%d\n" % port + bytes(int(line)))


def serve(port):
    listening = socket.create_server(("", port), backlog=16)
    print("listening", flush=True)
    while True:
        conn, end = listening.accept()
        threading.Thread(target=serve_one, args=(conn, end[1]), daemon=True).start()


def connected(kind, address, port, own):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(WAIT_S)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", own))
    s.connect((address, port))
    return s


def pair(kind, address, ports):
    first = connected(kind, address, ports[0], 0)
    return first, connected(kind, address, ports[1], first.getsockname()[1])


def ask(lines, s, count):
    s.sendall(b"%d\n" % count)
    port = int(lines.readline())
    return port if len(lines.read(count)) == count else None


def both(address, ports, count):
    conns = pair(socket.SOCK_STREAM, address, ports)
    files = [s.makefile("rb") for s in conns]
    said = [[], []]
    for turn in range(10):
        for i, s in enumerate(conns):
            said[i].append(ask(files[i], s, count if turn == 9 else 0))
    same = all(len(set(ports)) == 1 for ports in said)
    print(json.dumps({"own": conns[0].getsockname()[1], "there": [ports[0] for ports in said], "same": same}))


def refused(address, ports):
    told = []
    conns = pair(socket.SOCK_DGRAM, address, ports)
    for s in conns:
        s.send(b"anybody?")
    for s in conns:
        try:
            s.recv(100)
            told.append(False)
        except ConnectionRefusedError:
            told.append(True)
    print(json.dumps({"own": conns[0].getsockname()[1], "told": told}))


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "serve":
        serve(int(rest[0]))
    elif what == "both":
        both(rest[0], [int(p) for p in rest[1:3]], int(rest[3]))
    else:
        refused(rest[0], [int(p) for p in rest[1:3]])
