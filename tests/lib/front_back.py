# SPDX-License-Identifier: Apache-2.0
"""
front_back.py [LOG [N]]: an HTTP server and its client in one program: requests to /front make it ask itself for /back; one fails; N
more. LOG gets a line a request: its path, the port of the server and the port that asked.
"""
import http.server
import sys
import threading
import urllib.error
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if LOG:
            LOG.write(f"{self.path} {PORT} {self.client_address[1]}\n")
        body = b"hello"
        if self.path.startswith("/front"):
            body = urllib.request.urlopen(f"http://127.0.0.1:{PORT}/back/7").read()
        self.send_response(500 if "bad" in self.path else 404 if "none" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


LOG = open(sys.argv[1], "w", buffering=1, encoding="utf-8") if len(sys.argv) > 1 else None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
PORT = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
for path in ("/front/1", "/bad/2", "/none/4", "/front/3", *("/front/5",) * int((sys.argv[2:] or "0")[0])):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}").read()
    except urllib.error.HTTPError:
        pass
server.shutdown()
