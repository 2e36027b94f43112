#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long `saker serve` needs for a first picture and for each further one, and how much memory, at N events.

usage: bench/serve_bench.py [--events N[,N...]] [--rounds N]	(1000000,10000000 and 3)
smoke: --events 50000 --rounds 1

The recording is made by tests/lib/scene.c: 4 hosts of 4 processes of 4 threads that talk over TCP. First picture: from the
start of the process until info, lanes, story and the window of all have been read by one client, one after the other, the
pages of the recording in the system's cache. Windows: of each of several widths, at random places, for the rows folded to hosts and with all
threads; one client, wall time with the transfer, in turn with nothing between. Memory: VmRSS and VmHWM afterwards.
Prints rows of a Markdown table.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("SAKER_BUILD", ROOT / "build"))
TOKEN = "token-of-the-bench"
WIDTHS = (1, 0.3, 0.1, 0.03, 0.01, 0.001)
EACH = 10


class Served:
    def __init__(self, recording):
        self.begin = time.monotonic()
        self.process = subprocess.Popen([BUILD / "src" / "saker", "serve", recording, "--listen", "0", "--token", TOKEN],
                                        stdout=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().strip().partition("/?")[0]

    def get(self, path):
        request = urllib.request.Request(f"{self.base}/api/{path}", headers={"Authorization": "Bearer " + TOKEN})
        begin = time.monotonic()
        with urllib.request.urlopen(request) as answer:
            data = answer.read()
        return time.monotonic() - begin, data

    def memory(self, name):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
        return 0

    def end(self):
        self.process.terminate()
        self.process.wait()


def first_picture(recording):
    """Seconds until all that it needs was read, and the server."""
    server = Served(recording)
    info, lanes = (json.loads(server.get(path)[1]) for path in ("info", "lanes"))
    server.get("story")
    server.get("window?px=1500")
    return time.monotonic() - server.begin, server, info, lanes


def windows(server, info, rows, axis):
    """Milliseconds of each window, and the most bytes of an answer."""
    dice, took, most = random.Random(5), [], 0
    whole = info["span_ns"] if axis == "wall" else info["max_clock"]
    ids = ",".join(str(row) for row in rows)
    for width in WIDTHS:
        for _ in range(EACH):
            begin = dice.random() * (1 - width) * whole
            path = f"window?px=1500&axis={axis}&from={int(begin)}&to={int(begin + width * whole) + 1}&lanes={ids}"
            seconds, data = server.get(path)
            took.append(1000 * seconds)
            most = max(most, len(data))
    return took, most


def row(what, measured, goal, how):
    print(f"| {what} | {measured} | {goal} | {how} |", flush=True)


def measure(events, rounds, work):
    recording = os.path.join(work, str(events))
    subprocess.run([BUILD / "tests" / "scene", recording, str(events)], check=True, stdout=subprocess.DEVNULL)
    size = sum(f.stat().st_size for f in pathlib.Path(recording).iterdir()) / 1e6
    seconds = []
    for i in range(rounds):
        took, server, info, lanes = first_picture(recording)
        seconds.append(took)
        if i + 1 < rounds:
            server.end()
    large = events > 1000000
    row(f"page, {events} events: first picture's data", f"{statistics.median(seconds):.2f} s", "" if large else "<= 1 s",
        f"median of {rounds}, {min(seconds):.2f} to {max(seconds):.2f}; {size:.0f} MB on disk, {info['arrows']} arrows")
    hosts = [lane["id"] for lane in lanes if lane["kind"] == "host"]
    threads = [lane["id"] for lane in lanes if lane["pid"] < 2000][:200]
    for name, rows in (("folded to hosts", hosts), (f"{len(threads)} rows", threads)):
        for axis in ("wall", "logical"):
            took, most = windows(server, info, rows, axis)
            row(f"page, {events} events: a window, {name}, {axis} time", f"{statistics.median(took):.1f} ms",
                "" if large else "<= 20 ms", f"p90 {statistics.quantiles(took, n=10)[8]:.1f}, longest {max(took):.1f} of {len(took)}; "
                f"at most {most / 1e6:.1f} MB")
    took, _ = server.get("search?q=type%3Dlog%20and%20level%3Derror")
    again, _ = server.get("search?q=type%3Dlog%20and%20level%3Derror")
    row(f"page, {events} events: a search", f"{1000 * took:.0f} ms", "", f"again {1000 * again:.1f} ms")
    row(f"page, {events} events: the server's memory", f"{server.memory('VmRSS'):.0f} MB", "" if large else "<= 200 MB",
        f"at most {server.memory('VmHWM'):.0f} MB, while it loaded")
    server.end()


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--events", default="1000000,10000000")
    args.add_argument("--rounds", type=int, default=3)
    args = args.parse_args()
    if not (BUILD / "tests" / "scene").exists():
        sys.exit(f"serve_bench: {BUILD}/tests/scene is not built")
    with tempfile.TemporaryDirectory(prefix="saker-bench-") as work:
        for events in args.events.split(","):
            measure(int(events), args.rounds, work)


if __name__ == "__main__":
    main()
