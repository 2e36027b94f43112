#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares recorded disk requests with where the file system says that the file lies, as TAP.

usage: block_check.py read|write FILE BYTES EVENTS EDGES      FILE has just been written or read with O_DIRECT

EVENTS are the lines of `saker show REC --json`, EDGES those of `saker show REC --edges --json`.
"""
import collections
import json
import re
import subprocess
import sys


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def extents(path):
    """[(first sector, sectors)] on the file system's device, as filefrag(8) lists them in blocks of 512 bytes."""
    out = subprocess.run(["filefrag", "-b512", "-v", path], capture_output=True, text=True, check=True).stdout
    return [(int(m[1]), int(m[2])) for m in re.finditer(r"^ *\d+: +\d+\.\. *\d+: +(\d+)\.\. *\d+: +(\d+):", out, re.M)]


def main(op, path, size, events, edges):
    size, events, edges = int(size), lines(events), lines(edges)
    count, failed = 0, False

    def case(right, what, why=""):
        nonlocal count, failed
        count, failed = count + 1, failed or not right
        print(*([f"# {why}"] if not right and why else []), f"{'ok' if right else 'not ok'} {count} - {op}: {what}", sep="\n")

    own = {e["tid"] for e in events if e["type"] == "exec" and e["comm"] == "dd"}
    at = extents(path)
    ours = [e for e in events if e["type"] == "block_done" and e["op"] == op and e["owner_tid"] in own and
            any(first <= e["sector"] < first + n for first, n in at)]
    started = {(e["tid"], e["boot_ns"]): e for e in events if e["type"] == "block_start"}
    case(sum(e["bytes"] for e in ours) == size, f"{size} bytes in {len(ours)} requests, on the file's own sectors", f"{ours} {at}")
    case(all(e["error"] == 0 for e in ours), "none failed")
    case(all((e["owner_tid"], e["started_ns"]) in started for e in ours), "each has its beginning in the thread that asked")
    wrong = [e for e in ours if e["queue_ns"] + e["device_ns"] != e["boot_ns"] - e["started_ns"] or not e["device_ns"]]
    case(not wrong, "queue and device make up the time from beginning to end", wrong)
    kinds = collections.Counter(e["from"]["type"] + ">" + e["to"]["type"].split("_")[0] for e in edges if e["kind"] == "disk")
    case(kinds["block_start>block"] >= 2 * len(ours), "edges from each beginning to its end and to the wake", kinds)
    woken = [e for e in events if e["type"] == "block_wake" and e["target_tid"] in own and e["owner_tid"] in own]
    case({e["started_ns"] for e in ours} <= {e["started_ns"] for e in woken}, "each ended dd's own wait")
    case(all(e["tid"] in own for e in events if e["type"] == "block_start"), "nobody else's")
    print(f"1..{count}")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
