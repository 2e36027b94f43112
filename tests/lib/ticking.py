#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: ticking.py SECONDS: starts programs one after the other while a timer sends it a signal every 300 us; less often
where a program takes so long that fork, which begins anew after each signal, would never come to its end.

The signals are sent in interrupts, in the middle of what Saker does about the forks, execs and exits. Prints how many
programs it started and how many signals it got."""
import signal
import subprocess
import sys
import time

got = 0


def count(_signal, _frame):
    global got
    got += 1


def took():
    begin = time.monotonic()
    subprocess.run(["/bin/true"], check=True)
    return time.monotonic() - begin


took()
interval = max(0.0003, took() / 10)
signal.signal(signal.SIGALRM, count)
signal.setitimer(signal.ITIMER_REAL, interval, interval)
end, started = time.monotonic() + float(sys.argv[1]), 2
while time.monotonic() < end:
    subprocess.run(["/bin/true"], check=True)
    started += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(started, got)
