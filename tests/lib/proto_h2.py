# SPDX-License-Identifier: Apache-2.0
"""proto_h2.py DIR: nginx and nghttpx talk HTTP/2 in the clear to curl and h2load, grpcio to itself.

Writes DIR/NAME.log (proto_tap.py), and DIR/NAME.truth (proto_wire_check.py): what the clients say.
"""
import collections
import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
import threading

import grpc

from proto_tap import Tap, free_port, wait_port

CONF = """
daemon off; pid nginx.pid; error_log error.log; worker_processes 1; {user}
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path tmp; client_max_body_size 10m; keepalive_requests 100000;
  proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  server {{
    listen 127.0.0.1:{port} http2; listen 127.0.0.1:{plain}; root {root};
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
    port, plain, root = free_port(), free_port(), f"{work}/root"
    for d in f"{root}/items", f"{root}/up", f"{work}/tmp":
        os.makedirs(d)
        os.chmod(d, 0o777)
    os.chmod(root, 0o777)
    for n in range(12):
        with open(f"{root}/items/{n}", "w", encoding="ascii") as f:
            f.write("x" * [0, 5, 100, 1000, 70000, 300000][n % 6])
    with open("nginx.conf", "w", encoding="ascii") as f:
        f.write(CONF.format(port=port, plain=plain, root=root, long="x" * 700, user="user root;" if os.geteuid() == 0 else ""))
    server = subprocess.Popen(["/usr/sbin/nginx", "-p", work, "-c", f"{work}/nginx.conf", "-e", f"{work}/error.log"])
    wait_port(port)
    return server, port, plain


def write(name, protocol, conns=None, counts=None, by=None):
    conns = conns or {}
    with open(name + ".truth", "w", encoding="utf-8") as f:
        json.dump({"protocol": protocol, "conns": list(conns.values()), "numbers": list(conns), "counts": counts or {}, "contains": [],
                   **({"by": by} if by else {})}, f)


def ask_curl(tap, path, *args):
    """What curl says of a request. (Debian's 7.88.1 cannot ask twice on a connection that begins with HTTP/2.)"""
    out = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{json}", *args, f"http://127.0.0.1:{tap.port}/{path}"],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(out)


def with_curl(port):
    tap = Tap(("127.0.0.1", port), "curl2.log")
    random.seed(5)
    for size in 10, 50000:
        with open(f"data{size}", "wb") as f:
            f.write(b"d" * size)
    conns = {}
    for _ in range(40):
        n, rid, eight = random.randrange(12), f"r-{random.getrandbits(64):x}", f"{random.getrandbits(32):08x}"
        path, *args = random.choice([[f"items/{n}?q={n}"]] * 6 + [["none"], ["fail"], ["moved"], ["long"], ["items/4", "-I"], ["absent/17"],
                                    [f"up/{n}.txt", "-T", "data10"], [f"up/{n}.txt", "-T", "data50000"]])
        header, trace = random.choice([("x: y", "0" * 32), (f"traceparent: 00-{eight * 4}-{eight * 2}-01", eight * 4),
                                       ("cookie: " + "c" * 500, "0" * 32)])
        said = ask_curl(tap, path, "--http2-prior-knowledge", "-H", f"x-request-id: {rid}", "-H", header, *args)
        conns[said["local_port"]] = [{
            "operation": said["method"], "resource": "/" + re.sub(r"\b\d+\b", "{n}", path.partition("?")[0]), "request_id": rid, "trace": trace,
            "peer": f"127.0.0.1:{tap.port}", "status": said["http_code"], "failed": said["http_code"] >= 500}]
    tap.close()
    write("curl2", "http2", conns)


def with_nghttp(port, root):
    """Many requests at once on one connection, with priorities: its table says of each path how it ended."""
    tap = Tap(("127.0.0.1", port), "nghttp.log")
    conns = collections.defaultdict(list)
    for size in 0, 10, 3000, 120000:
        names = [f"items/{'abcd'[size % 7 % 4]}-" + "".join(random.choices("abcdefgh", k=6)) for _ in range(30)]
        for name in names:
            with open(f"{root}/{name}", "w", encoding="ascii") as f:
                f.write("y" * size)
        paths = names + ["none", "fail", "absent", "long"]
        out = subprocess.run(["nghttp", "-ns", *(f"http://127.0.0.1:{tap.port}/{p}" for p in paths)], stdout=subprocess.PIPE, check=True,
                             text=True).stdout
        said = re.findall(r"(\d{3}) +[\d.]+[KM]? /(\S+)$", out, re.M)
        assert len(said) == len(paths), out
        for code, path in said:
            conns[tap.numbers[-1]].append({"operation": "GET", "resource": "/" + path, "status": int(code),
                                           "failed": int(code) >= 500})
    tap.close()
    write("nghttp", "http2", conns, by="resource")


def with_h2load(port):
    tap = Tap(("127.0.0.1", port), "h2load.log")
    out = subprocess.run(["h2load", "-n2000", "-c4", "-m20", f"http://127.0.0.1:{tap.port}/items/3",
                          f"http://127.0.0.1:{tap.port}/items/2", f"http://127.0.0.1:{tap.port}/none"], stdout=subprocess.PIPE, check=True,
                         text=True).stdout
    tap.close()
    assert "2000 succeeded" in out and "2000 2xx" in out, out
    each = collections.Counter()
    for client in range(4):  # each goes round the three
        for n in range(500):
            each["GET /none" if n % 3 == 2 else "GET /items/{n}"] += 1
    write("h2load", "http2", counts=each)


def with_upgrade(plain):
    """HTTP/1.1 becomes HTTP/2: the request is answered there, with the number 1."""
    port = free_port()
    proxy = subprocess.Popen(["nghttpx", f"-f127.0.0.1,{port};no-tls", f"-b127.0.0.1,{plain}", "--workers=1", "--accesslog-file=/dev/null",
                              "--errorlog-file=nghttpx.log", "--conf=/dev/null"], stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        tap = Tap(("127.0.0.1", port), "upgrade.log")
        out = subprocess.run(["curl", "-sS", "--http2", *(x for p in ("items/3", "none", "fail") for x in (
            f"http://127.0.0.1:{tap.port}/{p}", "-o", "/dev/null")), "-w", "%{http_code} %{http_version} %{local_port}\\n"],
                             stdout=subprocess.PIPE, check=True, text=True).stdout
        tap.close()
    finally:
        proxy.terminate()
        proxy.wait()
    assert re.sub(r"\d+\n", "", out) == "200 2 204 2 503 2 ", out
    write("upgrade", "http2", {int(out.split()[2]): [
        {"protocol": "http", "operation": "GET", "resource": "/items/{n}", "status": 101},
        {"operation": "GET", "resource": "/none", "status": 204, "failed": False},
        {"operation": "GET", "resource": "/fail", "status": 503, "failed": True},
        {"operation": "", "status": 200, "flag": "unasked"}]})


class Items(grpc.GenericRpcHandler):
    """Bytes in, bytes out: nothing needs to be compiled."""

    slow = threading.Event()
    gone = threading.Event()  # who called Slow does not wait for it any more, and the server knows

    def service(self, call):
        method = {
            "/shop.Items/Get": grpc.unary_unary_rpc_method_handler(lambda r, c: r * 3),
            "/shop.Items/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/shop.Items/Break": grpc.unary_unary_rpc_method_handler(lambda r, c: r / 0),
            "/shop.Items/List": grpc.unary_stream_rpc_method_handler(lambda r, c: (r * n for n in range(1, 9))),
            "/shop.Items/Put": grpc.stream_unary_rpc_method_handler(lambda rs, c: b"".join(r[:5] for r in rs)),
            "/shop.Items/Chat": grpc.stream_stream_rpc_method_handler(lambda rs, c: (r * 2 for r in rs)),
            "/shop.Items/Stop": grpc.unary_stream_rpc_method_handler(self.stop),
            "/shop.Items/Slow": grpc.unary_unary_rpc_method_handler(self.wait),
        }
        return method.get(call.method)

    def fail(self, request, context):
        code, _, text = request.decode().partition(" ")
        context.abort(getattr(grpc.StatusCode, code), text)

    def wait(self, request, context):
        if not context.add_callback(self.gone.set):
            self.gone.set()
        self.slow.wait(30)
        return request

    def stop(self, request, context):
        yield request
        yield request
        context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")


def said_of(call, method, rid):
    status, details = call.code().value[0], call.details()
    what = {"operation": "POST", "resource": method, "request_id": rid, "status": status, "failed": status not in (0, 1)}
    if status > 1:
        what["error"] = f"{call.code().name}: {details}"[:60] if details else call.code().name
    return what


def calls(channel, random_):
    """Starts one of each; returns what will be known of them."""
    started = []

    def start(kind, method, request, *args):
        rid = f"g-{random_.getrandbits(64):x}"
        method = "/shop.Items/" + method
        started.append((getattr(channel, kind)(method), method, rid, request, args))

    for size in 0, 10, 20000:
        start("unary_unary", "Get", b"x" * size)
        start("unary_stream", "List", b"l" * size)
        start("stream_unary", "Put", [b"p" * size] * 20)
        start("stream_stream", "Chat", [b"c" * size] * 20)
    for code in "NOT_FOUND", "INVALID_ARGUMENT", "UNAVAILABLE", "PERMISSION_DENIED", "INTERNAL":
        start("unary_unary", "Fail", f"{code} 100 % of the ch\u00e4irs".encode())
    start("unary_unary", "Break", b"0")
    start("unary_unary", "Absent", b"0")
    start("unary_stream", "Stop", b"0")
    return started


def call_one(one):
    stub, method, rid, request, _ = one
    metadata = (("x-request-id", rid),)
    if isinstance(request, list):
        request = iter(request)
    try:
        if hasattr(stub, "with_call"):
            _, call = stub.with_call(request, metadata=metadata)
        else:
            call = stub(request, metadata=metadata)
            collections.deque(call, 0)
    except grpc.RpcError as e:
        call = e
    return said_of(call, method, rid)


def cancelled(channel):
    """Who asks does not want to know any more: that is no failure."""
    rid = "g-cancelled"
    call = channel.unary_unary("/shop.Items/Slow").future(b"x", metadata=(("x-request-id", rid),))
    other = channel.unary_unary("/shop.Items/Get").future(b"x", metadata=(("x-request-id", "g-other"),))
    other.result()
    call.cancel()
    return [{"operation": "POST", "resource": "/shop.Items/Slow", "request_id": rid, "failed": False, "status": 1},
            {"operation": "POST", "resource": "/shop.Items/Get", "request_id": "g-other", "failed": False, "status": 0}]


def with_grpc():
    items = Items()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), handlers=(items,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for name, workers in ("grpc", 1), ("grpc-many", 24):
        tap = Tap(("127.0.0.1", port), name + ".log")
        with grpc.insecure_channel(f"127.0.0.1:{tap.port}") as channel:
            todo = calls(channel, random.Random(3)) * 1
            if workers > 1:
                todo += [c for seed in range(4, 9) for c in calls(channel, random.Random(seed))]
            with concurrent.futures.ThreadPoolExecutor(workers) as pool:
                said = list(pool.map(call_one, todo))
            said += cancelled(channel)
            items.gone.wait(30)
        items.slow.set()
        tap.close()
        write(name, "grpc", {tap.numbers[0]: said}, by="request_id")
        assert len(tap.numbers) == 1
        items.slow.clear()
        items.gone.clear()
    server.stop(None).wait()


def main():
    os.chdir(sys.argv[1])
    server, port, plain = start_nginx(os.getcwd())
    try:
        with_curl(port)
        with_nghttp(port, f"{os.getcwd()}/root")
        with_h2load(port)
        with_upgrade(plain)
    finally:
        server.terminate()
        server.wait()
    with_grpc()


if __name__ == "__main__":
    main()
