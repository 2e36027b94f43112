#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real recording of so many spans: how long its requests take to be derived, and one of them to be told.

usage: bench/scale_bench.py [--spans N] [--keep DIR] [RECORDING]	(1000000, a new recording that is removed afterwards)
smoke: --spans 2000 --rounds 2

wrk asks the applications of demo/shop.sh through nginx, without a pause; they ask each other, Redis and PostgreSQL. One short
recording tells how many spans a second there are, the next is as long as it must be. --keep leaves it in DIR, where it can be
named the next time.

Each figure is that of a whole process. A message is an event of type send, recv, dgram_send or dgram_recv. Cold: no page of the
recording, of its stored spans and of the program is in memory (posix_fadvise). Prints rows of a Markdown table.
"""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

import shop

WRK = shop.ROOT / "demo" / "shop" / "wrk.lua"
STORED = ".requests.sqlite"
TRY_SECONDS = 4


def run(*words, out=subprocess.DEVNULL):
    """(seconds, seconds of CPU, most memory in bytes, what it said) of one saker."""
    begin = time.monotonic()
    with subprocess.Popen([shop.SAKER, *map(str, words)], stdout=out, stderr=subprocess.PIPE, text=True) as process:
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"saker {' '.join(map(str, words))}: {said}")
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, said


def record(place, seconds, connections=16):
    """wrk belongs to what is recorded, as everything else."""
    command = ["nsenter", f"--net=/run/netns/{place.prefix}client", "wrk", "-t", "1", "-c", connections, "-d", f"{seconds}s",
               "-s", WRK, f"http://{shop.WEB}", "--", ",".join(shop.APPS), "0"]
    rec, talk = place.record(command, "--with", "sched")
    lost = re.search(r", (\d+) lost", talk)
    return rec, int(lost[1]) if lost else 0


def forget(rec):
    (rec / STORED).unlink(missing_ok=True)


def spans_of(said):
    found = re.search(r"in (\d+) traces of (\d+) spans", said)
    return int(found[1]), int(found[2])


def new_recording(wanted, keep):
    with shop.Shop() as place:
        rec, _ = record(place, TRY_SECONDS)
        _, spans = spans_of(run("requests", rec, "-n", 1)[3])
        rec, lost = record(place, int(TRY_SECONDS * 1.1 * wanted / max(spans, 1)) + 1)
        into = pathlib.Path(keep or f"{place.dir}.rec")
        shutil.move(rec, into)
    return into, lost


def chill(rec):
    """Nothing of it is in memory any more; what was written is on the disk."""
    os.sync()
    for path in (*rec.rglob("*"), pathlib.Path(shop.SAKER)):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def count(rec, query):
    """Events, counted as they are printed: no list of millions."""
    with subprocess.Popen([shop.SAKER, "show", rec, query], stdout=subprocess.PIPE) as process:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: process.stdout.read(1 << 20), b""))


def derive(rec, lost):
    messages = count(rec, "type=send or type=recv or type=dgram_send or type=dgram_recv")
    forget(rec)
    wall, cpu, memory, said = run("requests", rec, "-n", 1)
    traces, spans = spans_of(said)
    disk = sum(path.stat().st_size for path in rec.rglob("*") if path.is_file() and path.name != STORED)
    what = f"{spans} spans of {traces} requests, recorded"
    shop.row(f"{what}: derived, a message", f"{wall / messages * 1e6:.2f} us", "<= 5 us",
             f"whole process, {wall:.1f} s, {cpu:.1f} s of CPU, {messages} messages: {messages / wall / 1e3:.0f} k messages/s; "
             f"recording {disk >> 20} MB, {lost} events lost")
    shop.row(f"{what}: memory, a message", f"{memory / messages:.0f} bytes", "< 1024 bytes", f"{memory >> 20} MB at most")
    shop.row(f"{what}: stored", f"{(rec / STORED).stat().st_size / spans:.1f} bytes a span", "<= 80 bytes", STORED)
    return what


def tell(rec, what, rounds):
    rows = shop.lines(shop.saker("requests", rec, "--json", "-n", 20000))
    traces = [rows[len(rows) * i // rounds]["trace"] for i in range(rounds)]
    warm, cold = [], []
    for trace in traces:
        chill(rec)
        cold.append(run("path", rec, trace)[0] * 1e3)
        warm.append(run("path", rec, trace)[0] * 1e3)
    for name, ms in (("cold", cold), ("warm", warm)):
        shop.row(f"{what}: `saker path rec TRACE`, {name}", f"{statistics.median(ms):.1f} ms", "<= 50 ms",
                 f"whole process, median of {rounds} traces, {min(ms):.1f} to {max(ms):.1f}")
    slowest = statistics.median(run("path", rec)[0] * 1e3 for _ in range(rounds))
    shop.row(f"{what}: `saker path rec`, the slowest, warm", f"{slowest:.1f} ms", "", f"whole process, median of {rounds}")


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--spans", type=int, default=1000000)
    args.add_argument("--rounds", type=int, default=11)
    args.add_argument("--keep")
    args.add_argument("recording", nargs="?", type=pathlib.Path)
    args = args.parse_args()
    rec, lost = args.recording, 0
    if not rec:
        shop.need()
        rec, lost = new_recording(args.spans, args.keep)
    try:
        tell(rec, derive(rec, lost), args.rounds)
    finally:
        if not args.recording and not args.keep:
            shutil.rmtree(rec, ignore_errors=True)


if __name__ == "__main__":
    main()
