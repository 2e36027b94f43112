#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Waits that timers end, one after the other; prints the kind of each as a `timer` event names it."""
import ctypes
import os
import select
import time

libc = ctypes.CDLL(None, use_errno=True)
CLOCK_MONOTONIC, NS = 1, 50_000_000


def timerfd():
    fd = libc.timerfd_create(CLOCK_MONOTONIC, 0)
    times = (ctypes.c_long * 4)(0, 0, 0, NS)
    if fd < 0 or libc.timerfd_settime(fd, 0, times, None) < 0:
        raise OSError(ctypes.get_errno(), "timerfd")
    return fd


def read():
    os.read(timerfd(), 8)


def poll():
    poller = select.poll()
    poller.register(timerfd(), select.POLLIN)
    assert poller.poll(5000)


def choose():
    assert select.select([timerfd()], [], [], 5)[0]


def epoll():
    poller = select.epoll()
    poller.register(timerfd(), select.EPOLLIN)
    assert poller.poll(5)


def futex():
    """FUTEX_WAIT on a word that nobody wakes"""
    word = ctypes.c_int(0)
    limit = (ctypes.c_long * 2)(0, NS)
    libc.syscall(202, ctypes.byref(word), 0, 0, limit, None, 0)


WAITS = (
    ("timerfd", read), ("timerfd", poll), ("timerfd", choose), ("timerfd", epoll),
    ("wait_timeout", lambda: time.sleep(0.05)), ("wait_timeout", lambda: select.epoll().poll(0.05)),
    ("wait_timeout", lambda: select.poll().poll(50)), ("wait_timeout", lambda: select.select([], [], [], 0.05)),
    ("wait_timeout", futex),
)
for kind, wait in WAITS:
    wait()
    print(kind, flush=True)
