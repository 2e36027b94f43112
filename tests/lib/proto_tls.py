# SPDX-License-Identifier: Apache-2.0
"""proto_tls.py DIR: a TLS server of Python's talks to Python, curl and openssl, who name the server and what they speak.

Writes DIR/tls.log (proto_tap.py), and DIR/tls.truth (proto_wire_check.py): what the clients were told to offer.
"""
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

from proto_tap import Tap


def serve(listener, context):
    while True:
        raw = listener.accept()[0]
        try:
            with context.wrap_socket(raw, server_side=True) as s:
                s.recv(4096)
                s.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            pass


def python(port, name, alpn, most):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = most
    context.set_alpn_protocols(alpn)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=name) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while s.recv(4096):
            pass


def hello(resource, peer):
    return [{"protocol": "tls", "operation": "HELLO", "resource": resource, "peer": peer, "flag": "encrypted"}]


def main():
    os.chdir(sys.argv[1])
    subprocess.run(["openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-out", "tls.crt", "-keyout",
                    "tls.key"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("tls.crt", "tls.key")
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, context), daemon=True).start()
    tap = Tap(listener.getsockname(), "tls.log")
    python(tap.port, "shop.example", ["h2", "http/1.1"], ssl.TLSVersion.TLSv1_3)
    python(tap.port, "old.example", [], ssl.TLSVersion.TLSv1_2)
    subprocess.run(["curl", "-sk", "--http1.1", "--connect-to", f"::127.0.0.1:{tap.port}", "https://www.shop.example/"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{tap.port}", "-noservername", "-alpn", "mine", "-quiet"], input=b"x\n",
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    tap.close()
    with open("tls.truth", "w", encoding="ascii") as f:
        json.dump({"protocol": "tls", "counts": {}, "contains": [], "conns": [
            hello("TLS 1.3 h2,http/1.1", "shop.example"), hello("TLS 1.2", "old.example"), hello("TLS 1.3 http/1.1", "www.shop.example"),
            hello("TLS 1.3 mine", "")]}, f)


if __name__ == "__main__":
    main()
