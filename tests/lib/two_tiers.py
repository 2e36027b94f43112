#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client asks a front, that asks a back, all on loopback; prints what was done as JSON.

usage: two_tiers.py REQUESTS SLOW_MS

Each tenth answer of the back takes SLOW_MS more, of which it writes a line; those are asked for as /late. Each twentieth
request fails there, and the front passes that on.
"""
import http.client
import http.server
import json
import os
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Back(Handler):
    slow = 0.0

    def do_GET(self):
        number = int(self.path.rsplit("/", 1)[1])
        if number % 10 == 0:
            time.sleep(self.slow)
            print(f"number {number} takes its time", flush=True)
        self.answer(500 if number % 20 == 7 else 200, b"x" * 100)


class Front(Handler):
    back = 0
    connection = None

    def do_GET(self):
        if not Front.connection:
            Front.connection = http.client.HTTPConnection("127.0.0.1", Front.back)
        Front.connection.request("GET", self.path.replace("/order/", "/stock/"))
        answer = Front.connection.getresponse()
        body = answer.read()
        self.answer(answer.status, body)


def serve(handler):
    """A process that serves; its port, its id."""
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    pid = os.fork()
    if pid == 0:
        server.serve_forever()
    server.socket.close()
    return server.server_port, pid


def main(requests, slow_ms):
    Back.slow = int(slow_ms) / 1000
    Front.back, back_pid = serve(Back)
    port, front_pid = serve(Front)
    client = http.client.HTTPConnection("127.0.0.1", port)
    failed = 0
    for number in range(int(requests)):
        client.request("GET", f"/{'order' if number % 10 else 'late'}/{number}")
        answer = client.getresponse()
        answer.read()
        failed += answer.status != 200
    print(json.dumps({"front": port, "back": Front.back, "failed": failed}), file=sys.stderr)
    for pid in (front_pid, back_pid):
        os.kill(pid, 15)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
