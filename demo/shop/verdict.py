#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether what `saker path --overall` says makes the slow requests of the shop slow is what was planted.

usage: verdict.py SAKER RECORDING TRUTH		TRUTH: the file truth.jsonl of demo/shop.sh

Prints what Saker says, and compares its first cause with the truth; waiting for a CPU that others than the planted hog had is what
else the machine does, and passed over. Ends with 1 when it is not what was planted.
"""
import json
import subprocess
import sys

PLANTED = {  # fault: kinds of time that name it, whose doing, in words
    "lock": ({"lock"}, "APP", "a lock held too long"),
    "flush": ({"disk"}, "APP", "a slow flush to disk"),
    "hog": ({"cpu_wait"}, "shop-hog", "a CPU hog"),
    "loss": ({"retransmit"}, "redis", "a lossy link"),
    "query": ({"sleep", "other", "unknown"}, "postgres", "a slow query"),
    # the queries that sleep with the table are requests, too
    "table": ({"lock", "other", "unknown", "sleep"}, "postgres", "a locked table"),
}
PROCESS = {"threads": "shop-threads", "pool": "shop-pool", "loop": "loop.py", "go": "shop-go"}


def overall(saker, recording, *options):
    return subprocess.run([saker, "path", recording, "--overall", *options], stdout=subprocess.PIPE, text=True, check=True).stdout


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[3], encoding="utf-8") as f:
        truth = json.loads(f.readlines()[-1])
    print(overall(*sys.argv[1:3]))
    if truth["fault"] == "none":
        print("nothing was planted")
        return 0
    kinds, whose, words = PLANTED[truth["fault"]]
    if whose == "APP":
        whose = PROCESS[truth["app"]]
    causes = [c for c in json.loads(overall(*sys.argv[1:3], "--json"))["causes"]
              if c["time"] != "cpu_wait" or c["who"].startswith("shop-hog")]
    right = bool(causes) and causes[0]["time"] in kinds and causes[0]["who"].startswith(whose)
    print(f"planted was {words} by {whose}, {truth['ms']} ms each time: "
          f"{'that is the first cause' if right else 'the first cause is something else'}")
    return not right


if __name__ == "__main__":
    sys.exit(main())
