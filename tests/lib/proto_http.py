# SPDX-License-Identifier: Apache-2.0
"""proto_http.py DIR: nginx talks to http.client, to curl, to a client that pipelines and to wrk.

Writes DIR/NAME.log (proto_tap.py) and DIR/NAME.truth: what the client knows of each exchange, as lines of JSON.
"""
import http.client
import json
import os
import random
import re
import subprocess
import sys

from proto_tap import Counted, Tap, free_port, wait_port

CONF = """
daemon off; pid nginx.pid; error_log error.log; worker_processes 1; {user}
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path tmp; client_max_body_size 10m; keepalive_requests 100000;
  proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  gzip on; gzip_min_length 100; gzip_types *; gzip_proxied any;
  server {{
    listen 127.0.0.1:{port}; root {root};
    location /items {{ default_type text/plain; }}
    location /up {{ dav_methods PUT DELETE; create_full_put_path on; }}
    location /none {{ return 204; }}
    location /fail {{ return 503; }}
    location /moved {{ return 302 /items/1; }}
    location /long {{ add_header X-Long "{long}"; return 200 "short"; }}
  }}
}}
"""


def start_nginx(work):
    port, root = free_port(), f"{work}/root"
    os.makedirs(f"{root}/items")
    os.makedirs(f"{root}/up")
    os.makedirs(f"{work}/tmp")
    for d in root, f"{root}/up", f"{work}/tmp":
        os.chmod(d, 0o777)
    for n in range(40):
        with open(f"{root}/items/{n}", "w", encoding="ascii") as f:
            f.write("".join(random.choice("abcdefgh") for _ in range([0, 5, 100, 1000, 70000, 300000][n % 6] + n)))
    with open(f"{work}/nginx.conf", "w", encoding="ascii") as f:
        f.write(CONF.format(port=port, root=root, long="x" * 700, user="user root;" if os.geteuid() == 0 else ""))
    server = subprocess.Popen(["/usr/sbin/nginx", "-p", work, "-c", f"{work}/nginx.conf", "-e", f"{work}/error.log"])
    wait_port(port)
    return server, port


class Truth:
    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii")

    def note(self, **what):
        self.file.write(json.dumps(what) + "\n")

    def close(self):
        self.file.close()


def traceparent():
    return f"{random.getrandbits(128):032x}", f"{random.getrandbits(64):016x}"


def some_headers():
    """Headers, and what they say."""
    trace, parent = traceparent()
    rid = f"req-{random.getrandbits(40):x}"
    return random.choice([
        ({}, {}),
        ({"Traceparent": f"00-{trace}-{parent}-01"}, {"trace": trace, "parent": parent}),
        ({"b3": f"{trace}-{parent}-1"}, {"trace": trace, "parent": parent}),
        ({"X-B3-TraceId": trace, "X-B3-SpanId": parent}, {"trace": trace, "parent": parent}),
        ({"X-Request-ID": rid}, {"request_id": rid}),
    ])


def one_request(conn, sock):
    """Asks something; returns what is true of it."""
    n = random.randrange(40)
    headers, ids = some_headers()
    body = None
    what = random.choice(["get", "get", "get", "gzip", "head", "none", "fail", "moved", "missing", "long", "put", "chunks",
                          "cookie", "since"])
    method, path, resource = "GET", f"/items/{n}?q={n}", "/items/{n}"
    if what == "gzip":
        headers["Accept-Encoding"] = "gzip"
    elif what == "head":
        method = "HEAD"
    elif what in ("none", "fail", "moved", "long"):
        path = resource = "/" + what
    elif what == "missing":
        path, resource = f"/absent/{random.getrandbits(128):032x}/x", "/absent/{id}/x"
    elif what == "put":
        method, path, resource, body = "PUT", f"/up/file-{n + 100}", "/up/file-{n}", b"b" * random.choice([1, 500, 90000])
    elif what == "chunks":
        method, path, resource = "PUT", f"/up/{n}.txt", "/up/{n}.txt"
        body = iter([b"c" * random.choice([1, 300, 20000]) for _ in range(random.randrange(1, 8))])
    elif what == "cookie":
        headers["Cookie"] = "c" * 600
    elif what == "since":
        headers["If-Modified-Since"] = "Fri, 01 Jan 2038 00:00:00 GMT"
    at = sock.sent, sock.received
    conn.request(method, path, body=body, headers=headers, encode_chunked=what == "chunks")
    answer = conn.getresponse()
    answer.read()
    return dict(conn=sock.number, protocol="http", operation=method, resource=resource, status=answer.status,
                failed=answer.status >= 500, request=[at[0], sock.sent], response=[at[1], sock.received], **ids)


def with_http_client(tap, truth):
    for _ in range(4):
        sock = Counted.connect_to(tap.port)
        conn = http.client.HTTPConnection("127.0.0.1", tap.port)
        conn.sock = sock
        for _ in range(100):
            truth.note(**one_request(conn, sock), peer=f"127.0.0.1:{tap.port}")
        conn.close()
    for _ in range(10):  # HTTP/1.0: the body lasts until the end
        sock = Counted.connect_to(tap.port)
        sock.sendall(b"GET /items/15 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
        data = bytearray(65536)
        while sock.recv_into(data):
            pass
        truth.note(conn=sock.number, protocol="http", operation="GET", resource="/items/{n}", status=200, failed=False,
                   request=[0, sock.sent], response=[0, sock.received])
        sock.close()


def with_curl(tap, truth):
    """curl's own account: what -w '%{json}' says."""
    for n in range(8):
        urls = [f"http://127.0.0.1:{tap.port}/{p}" for p in ("items/3", "items/5", "none", "absent", f"items/{n + 20}", "long")]
        args = ["--compressed"] if n % 2 else []
        if n == 3:
            args = ["-I"]
        if n == 4:
            with open("upload", "wb") as f:
                f.write(b"u" * 2000000)
            args = ["-T", "upload", "-H", "Expect: 100-continue"]
            urls = [f"http://127.0.0.1:{tap.port}/up/u{n + 77}"]
        if n == 5:
            args = ["-T", "-", "-H", "Transfer-Encoding: chunked"]
            urls = urls[:1]
        out = subprocess.run(["curl", "-sS", *args, "-w", "\\n@@%{json}\\n", *(u for u in urls)],
                             input=b"p" * 30000, stdout=subprocess.PIPE, check=True).stdout
        at = {}
        for line in re.findall(rb"@@(\{.*?\})\n", out, re.S):
            j = json.loads(line)
            sent, received = at.get(j["local_port"], (0, 0))
            end = received + j["size_header"] + j["size_download"]
            path = re.sub(r"^http://[^/]*", "", j["url"])
            what = dict(conn=j["local_port"], protocol="http", operation=j["method"], status=j["http_code"],
                        failed=j["http_code"] >= 500, resource=re.sub(r"\d+$", "{n}", path))
            if n in (4, 5):  # chunks and 100 Continue: curl does not say how many bytes those are
                truth.note(**what, request_begin=sent)
                continue
            # nor what framing a compressed body had
            where = {} if "--compressed" in args else {"response": [received, end]}
            truth.note(**what, request=[sent, sent + j["size_request"]], **where)
            at[j["local_port"]] = (sent + j["size_request"], end)


def pipelining(tap, truth):
    for batch in (2, 8, 40):
        sock = Counted.connect_to(tap.port)
        received = sock.makefile("rb")
        where = 0
        for _ in range(20):
            asked, out, sent = [], b"", sock.sent
            for _ in range(batch):
                n = random.choice([0, 1, 2, 6, 7, 8, 3, 12, 13, 18, 9] + [4] * (batch < 10))
                path = random.choice([f"/items/{n}"] * 6 + ["/none", "/fail"])
                rid = f"{random.getrandbits(64):x}"
                data = f"GET {path} HTTP/1.1\r\nHost: pipe\r\nX-Request-Id: {rid}\r\n\r\n".encode()
                asked.append((path, rid, sent + len(out), len(data)))
                out += data
            sock.sendall(out)
            for path, rid, begin, length in asked:
                size, status, body = 0, None, 0
                while True:
                    line = received.readline()
                    size += len(line)
                    status = status or int(line.split()[1])
                    if line.lower().startswith(b"content-length:"):
                        body = int(line.split()[1])
                    if line == b"\r\n":
                        break
                received.read(body)
                truth.note(conn=sock.number, protocol="http", operation="GET", resource=re.sub(r"\d+", "{n}", path),
                           status=status, failed=status >= 500, request=[begin, begin + length],
                           response=[where, where + size + body], request_id=rid, peer="pipe")
                where += size + body
        received.close()
        sock.close()


def with_wrk(tap, work):
    with open(f"{work}/pipe.lua", "w", encoding="ascii") as f:
        f.write('init = function(args) local r = {} for i, n in ipairs({1, 2, 7, 8}) do '
                'r[i] = wrk.format("GET", "/items/" .. n) end '
                'req = table.concat(r) end request = function() return req end')
    out = subprocess.run(["wrk", "-t1", "-c4", "-d1", "-s", f"{work}/pipe.lua", f"http://127.0.0.1:{tap.port}/"],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    count = int(re.search(r"(\d+) requests in", out).group(1))
    with open("wrk.count", "w", encoding="ascii") as f:
        f.write(str(count))


def main():
    os.chdir(sys.argv[1])
    random.seed(7)
    server, port = start_nginx(os.getcwd())
    try:
        for name, talk in ("http", with_http_client), ("curl", with_curl), ("pipelined", pipelining):
            tap, truth = Tap(("127.0.0.1", port), name + ".log"), Truth(name + ".truth")
            talk(tap, truth)
            tap.close()
            truth.close()
        tap = Tap(("127.0.0.1", port), "wrk.log")
        with_wrk(tap, os.getcwd())
        tap.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
