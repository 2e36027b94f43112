#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page in headless Chromium: time to the first picture, frames while panning, memory of the server.

usage: bench/page_bench.py [--rounds N] [EVENTS...]     (5 rounds; 1000000 and 10000000 events)
smoke: --rounds 1 20000

The recordings are made by tests/lib/scene.c. The server has read the recording before the page is opened; the browser
is a new one each time. Prints rows of a Markdown table. Needs node, chromium and, once, the npm registry; status 77 without.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("SAKER_BUILD", ROOT / "build"))
SAKER = os.environ.get("SAKER", str(BUILD / "src/saker"))
GOAL_FIRST_MS, GOAL_FPS, GOAL_MB = 2000, 30, 200
GOAL_EVENTS = 1_000_000  # the goals are for that many
CANNOT = 77


class Server:
    """`saker serve` with all read."""

    def __init__(self, recording):
        begin = time.monotonic()
        self.process = subprocess.Popen([SAKER, "serve", "--listen", "127.0.0.1:0", recording], stdout=subprocess.PIPE, text=True)
        self.url = re.search(r"http:\S+", self.process.stdout.readline())[0]
        with urllib.request.urlopen(self.url.replace("/?", "/api/info?")) as answer:
            answer.read()
        self.load_s = time.monotonic() - begin

    def megabytes(self, key):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def prepare():
    """Builds the generator; gets the driver of the browser."""
    subprocess.run(["ninja", "-C", BUILD, "tests/scene", "src/saker"], check=True, stdout=sys.stderr)
    for tool in ("node", "curl", os.environ.get("CHROMIUM", "/usr/bin/chromium")):
        if not shutil.which(tool):
            print(f"no {tool}", file=sys.stderr)
            sys.exit(CANNOT)
    got = subprocess.run(["node", ROOT / "tests/ui/fetch.mjs", BUILD / "ui"], check=False, stdout=sys.stderr)
    if got.returncode:
        sys.exit(got.returncode)


def measure(url):
    env = dict(os.environ, SAKER=SAKER, SAKER_BUILD=str(BUILD))
    out = subprocess.run(["node", ROOT / "tests/ui/measure.mjs", url], check=True, stdout=subprocess.PIPE, text=True, env=env)
    return json.loads(out.stdout)


def row(what, figure, goal, how):
    print(f"| {what} | {figure} | {goal} | {how} |", flush=True)


def report(events, server, runs):
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    first = [run["first_ms"] for run in runs]
    goal = (lambda words: words) if events <= GOAL_EVENTS else lambda words: ""
    row(f"page, {events:,} events: first picture", f"{median['first_ms']:.0f} ms", goal(f"<= {GOAL_FIRST_MS} ms") or "it opens",
        f"from navigation, {len(runs)} rounds, {min(first):.0f} to {max(first):.0f}; the server had read the recording in "
        f"{server.load_s:.1f} s")
    row(f"page, {events:,} events: panning", f"{1000 / median['frame_ms']:.0f} frames/s", goal(f">= {GOAL_FPS} frames/s"),
        f"median time between frames {median['frame_ms']:.1f} ms, 95th percentile {median['late_ms']:.1f} ms; drawing a frame "
        f"takes {median['draw_ms']:.1f} ms")
    row(f"page, {events:,} events: memory of the server", f"{server.megabytes('VmRSS'):.0f} MB", goal(f"<= {GOAL_MB} MB"),
        f"resident after the browser's questions; {server.megabytes('VmHWM'):.0f} MB at most, while it read")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("events", nargs="*", type=int, default=[1_000_000, 10_000_000])
    args = parser.parse_args()
    prepare()
    for events in args.events:
        with tempfile.TemporaryDirectory() as work:
            subprocess.run([BUILD / "tests/scene", f"{work}/rec", str(events)], check=True, stdout=subprocess.DEVNULL)
            with Server(f"{work}/rec") as server:
                report(events, server, [measure(server.url) for _ in range(args.rounds)])


if __name__ == "__main__":
    main()
