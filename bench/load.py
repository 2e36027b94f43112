# SPDX-License-Identifier: Apache-2.0
"""Servers, the load on them, and those who watch: what bench/load_bench.py is made of.

All is on loopback, in a temporary folder, and gone at the end; only processes that were started here are ended.
"""
import contextlib
import csv
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

SAKER = os.environ.get("SAKER") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build/src/saker")
CLIENTS = 50
DEADLINE_S = 30
TICK = os.sysconf("SC_CLK_TCK")

# Server and load each on a CPU of its own: else it is chance who shares one, and throughput has two levels.
SERVER_CPU, LOAD_CPU = (["taskset", "-c", cpu] if os.cpu_count() > 1 else [] for cpu in "01")


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen in {DEADLINE_S} s")
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def end(process, sig=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(sig)
    try:
        process.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_ns(pids):
    """CPU time of all threads that these processes have now."""
    total = 0
    for pid in pids:
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
                total += int(f.read().split()[0])
    return total


@contextlib.contextmanager
def load_cpu():
    """The calling thread runs where load does, and its sleeps end when they are to."""
    PR_SET_TIMERSLACK = 29
    before = os.sched_getaffinity(0)
    if LOAD_CPU:
        os.sched_setaffinity(0, {int(LOAD_CPU[-1])})
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        yield
    finally:
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0)
        os.sched_setaffinity(0, before)


class Paced:
    """One request at a time at a fixed rate, over CLIENTS connections by turns: the server waits before each."""

    def __init__(self, server, rate):
        self.rate, self.request = rate, server.request()
        self.socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(CLIENTS)]
        for s in self.socks:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socks[0].sendall(self.request)
        time.sleep(0.1)  # all of an answer is there
        self.answer = len(self.socks[0].recv(65536))

    def ask(self, s):
        s.sendall(self.request)
        left = self.answer
        while left > 0:
            left -= len(s.recv(left)) or left

    def run(self, seconds):
        """(requests, seconds that they took): who falls behind catches up"""
        total = int(self.rate * seconds)
        with load_cpu():
            begin = time.perf_counter()
            for n in range(total):
                rest = begin + n / self.rate - time.perf_counter()
                if rest > 0:
                    time.sleep(rest)
                self.ask(self.socks[n % CLIENTS])
                if time.perf_counter() - begin > 2 * seconds:
                    break
            return n + 1, time.perf_counter() - begin

    def close(self):
        for s in self.socks:
            s.close()


class Work:
    """A temporary folder."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="saker-bench-")
        os.chmod(self.dir, 0o755)
        self.made = 0
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        self.made += 1
        return os.path.join(self.dir, f"{name}-{self.made}")


class Server:
    def __init__(self, work):
        self.work, self.port = work, free_port()

    def __enter__(self):
        self.process = subprocess.Popen(SERVER_CPU + self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        wait_for(f"{self.name} on port {self.port}", lambda: answers(self.port))
        return self

    def __exit__(self, *_):
        end(self.process)

    def cpu_ns(self):
        return cpu_ns(self.pids())

    def measure(self, seconds):
        """(requests a second, p99 in ms, CPU time of the server in us a request) of about that many seconds."""
        amount = self.amount(seconds)
        before = self.cpu_ns()
        rate, p99_ms, requests = self.load(amount)
        return rate, p99_ms, (self.cpu_ns() - before) / 1e3 / requests

    def pids(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            return [self.pid] + [int(pid) for pid in f.read().split()]


class Redis(Server):
    name = "redis"
    probe = 5000  # requests: how many go in a second?

    def command(self):
        return ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1",
                "--dir", self.work.dir]

    @staticmethod
    def request():
        return b"*3\r\n$3\r\nSET\r\n$16\r\nkey:__rand_int__\r\n$3\r\nxxx\r\n"

    def load(self, requests):
        out = subprocess.run(LOAD_CPU + ["redis-benchmark", "-p", str(self.port), "-c", str(CLIENTS), "-t", "set", "--csv",
                              "-n", str(requests)], capture_output=True, text=True, check=True)
        line = list(csv.DictReader(out.stdout.splitlines()))[0]
        return float(line["rps"]), float(line["p99_latency_ms"]), requests

    def amount(self, seconds):
        return max(2000, int(seconds * self.load(self.probe)[0]))

    @contextlib.contextmanager
    def ticking(self):
        """A request each 10 ms meanwhile."""
        over = threading.Event()

        def ask():
            with socket.create_connection(("127.0.0.1", self.port)) as s:
                while not over.wait(0.01):
                    s.sendall(b"PING\r\n")
                    s.recv(64)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Nginx(Server):
    name = "nginx"

    def command(self):
        root = self.work.path("nginx")
        os.makedirs(root)
        with open(f"{root}/page", "w") as f:
            f.write("x" * 1000)
        with open(f"{root}/conf", "w") as f:
            f.write(f"daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error; user root;\n"
                    "events { worker_connections 256; }\n"
                    f"http {{ access_log off; keepalive_requests 1000000; server {{ listen 127.0.0.1:{self.port}; "
                    f"root {root}; }} }}\n")
        return ["nginx", "-p", root, "-c", f"{root}/conf", "-e", f"{root}/error"]

    @staticmethod
    def request():
        return b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def load(self, seconds):
        out = subprocess.run(LOAD_CPU + ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--latency",
                              f"http://127.0.0.1:{self.port}/page"], capture_output=True, text=True, check=True).stdout
        rate = float(re.search(r"Requests/sec: *([\d.]+)", out).group(1))
        value, unit = re.search(r"99% *([\d.]+)(us|ms|s)", out).groups()
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        return rate, float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit], requests

    def amount(self, seconds):
        return max(1, round(seconds))


class unrecorded:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def words(self):
        return ""

    def pids(self):
        """The processes whose CPU time is the observer's own."""
        return []


class Strace(unrecorded):
    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        args = [word for pid in self.pids for word in ("-p", str(pid))]
        self.process = subprocess.Popen(["strace", "-f", "-o", "/dev/null"] + args, stderr=subprocess.DEVNULL)
        wait_for("strace's attach", lambda: all(self.traced(pid) for pid in self.pids))
        return self

    @staticmethod
    def traced(pid):
        with open(f"/proc/{pid}/status") as f:
            return "TracerPid:\t0\n" not in f.read()

    def __exit__(self, *_):
        end(self.process)


class Spent:
    """CPU time that a recorder and its programs have used until now."""

    def __init__(self, pid, programs):
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        self.at = time.monotonic()
        self.seconds = (int(fields[11]) + int(fields[12])) / TICK + sum(programs.values()) / 1e9

    def percent_until(self, later):
        return 100 * (later.seconds - self.seconds) / (later.at - self.at)


class Recorder(unrecorded):
    def __init__(self, work, args):
        self.dir = work.path("rec")
        self.args = args

    def __enter__(self):
        self.process = subprocess.Popen([SAKER, "record", "-o", self.dir, "--json"] + self.args,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for("the first block on disk", self.writes)
        self.programs = self.own_programs()
        return self

    def writes(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"saker record: {self.process.stderr.read()}")
        return any(os.path.getsize(f"{self.dir}/{name}") for name in
                   (os.listdir(self.dir) if os.path.isdir(self.dir) else []) if name.startswith("stream"))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        if not out:
            raise RuntimeError(f"saker record: {err}")
        self.result = json.loads(out)

    def pids(self):
        return [self.process.pid]

    def event_rate(self):
        return self.result["events"] / (self.result["span_ns"] / 1e9)

    def words(self):
        r = self.result
        return (f"({r['events']} events, {r['lost']} lost, user {100 * r['user_ns'] / r['span_ns']:.1f} %, "
                f"kernel {100 * r['kernel_ns'] / r['span_ns']:.1f} %)")

    def own_programs(self):
        """Numbers of the programs behind the recorder's file descriptors."""
        found = set()
        for fd in os.listdir(f"/proc/{self.process.pid}/fdinfo"):
            with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/fdinfo/{fd}") as f:
                found.update(re.findall(r"^prog_id:\s+(\d+)", f.read(), re.M))
        return found

    def spent(self):
        shown = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True,
                                          check=True).stdout)
        return Spent(self.process.pid, {p["id"]: p.get("run_time_ns", 0) for p in shown
                                        if str(p["id"]) in self.programs})

    def memory(self):
        """(resident bytes besides rings, bytes of the rings): a ring's memory is mapped twice."""
        rest = 0
        with open(f"/proc/{self.process.pid}/smaps") as f:
            for line in f:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    is_ring = "bpf-map" in line or "bpf_map" in line
                elif line.startswith("Rss:") and not is_ring:
                    rest += 1024 * int(line.split()[1])
        return rest, self.ring_bytes()

    def ring_bytes(self):
        total = 0
        for fd in os.listdir(f"/proc/{self.process.pid}/fdinfo"):
            with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/fdinfo/{fd}") as f:
                text = f.read()
            if re.search(r"^map_type:\s+27$", text, re.M):  # BPF_MAP_TYPE_RINGBUF
                total += int(re.search(r"^max_entries:\s+(\d+)", text, re.M).group(1))
        return total

    def count(self, name):
        """Events of that type, as another reader of CTF sees them."""
        out = subprocess.run(["babeltrace2", "--clock-gmt", self.dir], capture_output=True, text=True, check=True).stdout
        return len(re.findall(rf" {name}: ", out))
