# SPDX-License-Identifier: Apache-2.0
"""writer.py FILE|- THREADS LINES: as writer.c, in Python."""
import os
import socket
import sys
import threading

path, threads, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def run():
    # each thread has a file of its own: what several put into one, any of them may write
    out = sys.stdout if path == "-" else open(path, "a", buffering=1)

    def put(text):
        os.write(out.fileno(), text.encode())

    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(sink.getsockname())
    tid = threading.get_native_id()
    for n in range(count):
        s.send(bytes(n + 1))
        if n % 10 == 7:
            put(f"2026-11-25 00:00:00,000 ERROR python tid={tid} n={n} text\n")
            put("Traceback (most recent call last):\n")
            put('  File "x.py", line 1, in f\n')
            put("ValueError: no number\n")
            continue
        text = "%0*d" % (3000 if n // 25 % 2 == 0 else 9000, n) if n % 25 == 24 else "text"
        line = f"python tid={tid} n={n} {text}\n"
        if n % 10 == 3:
            third = len(line) // 3
            for part in (line[:third], line[third:2 * third], line[2 * third:]):
                put(part)
        elif path == "-":
            put(line)
        else:
            out.write(line)


all_threads = [threading.Thread(target=run) for _ in range(threads)]
for t in all_threads:
    t.start()
for t in all_threads:
    t.join()
