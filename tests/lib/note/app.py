# SPDX-License-Identifier: Apache-2.0
"""app.py LIBRARY LABEL N - as app.c, through the shared library."""
import ctypes
import sys
import time

note = ctypes.CDLL(sys.argv[1])
note.note_begin.restype = ctypes.c_uint64
note.note_end.argtypes = [ctypes.c_uint64]
note.note_number.argtypes = [ctypes.c_char_p, ctypes.c_int64]

deadline = time.monotonic() + 30
while not (span := note.note_begin(b"waiting")) and time.monotonic() < deadline:
    time.sleep(0.01)
note.note_end(span)
for i in range(int(sys.argv[3])):
    outer = note.note_begin(sys.argv[2].encode())
    inner = note.note_begin(f"inner {i}".encode())
    note.note_number(b"i", -i)
    note.note_text(b"password", b"hunter2hunter2")
    note.note_end(inner)
    note.note_text(b"colour", b"blue" if i & 1 else b"red")
    note.note_end(outer)
