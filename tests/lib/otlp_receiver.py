# SPDX-License-Identifier: Apache-2.0
"""
otlp_receiver.py DIR [ANSWER...]: an HTTP server that keeps what is sent to it and answers as it was told.

Its address is in DIR/url once it listens. Each request is DIR/N.json (path, headers) and DIR/N.body, N from 1 on. The first
requests get the ANSWERs in turn, all others 200: STATUS, STATUS:SECONDS (with Retry-After), STATUS=TEXT (a google.rpc.Status),
partial:N=TEXT (200, N spans rejected), hang (no answer until the client goes). With CERT and KEY in the environment it speaks TLS.
"""
import http.server
import json
import os
import ssl
import sys


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen += 1
        n = self.server.seen
        with open(f"{self.server.dir}/{n}.body", "wb") as f:
            f.write(body)
        with open(f"{self.server.dir}/{n}.json", "w") as f:
            json.dump({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}, f)
        self.give(self.server.answers.pop(0) if self.server.answers else "200")

    def give(self, answer):
        answer, _, text = answer.partition("=")
        status, _, more = answer.partition(":")
        body, after = b"", None
        if status == "hang":
            self.connection.settimeout(60)
            self.rfile.read(1)  # until it goes
            self.close_connection = True
            return
        if status == "partial":
            inner = bytes([8, int(more)]) + field(2, text.encode())
            status, body = "200", field(1, inner)
        elif text:
            body = bytes([8, 3]) + field(2, text.encode())
        elif more:
            after = more
        self.send_response(int(status))
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        if after:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.dir, server.answers, server.seen = sys.argv[1], sys.argv[2:], 0
    scheme = "http"
    if "CERT" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    with open(f"{server.dir}/url.new", "w") as f:
        f.write(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    os.rename(f"{server.dir}/url.new", f"{server.dir}/url")
    server.serve_forever()


main()
