#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an input of fuzz_ctf from a recording of at most two chunks.

usage: pack_ctf.py RECORDING [seal] > tests/fuzz/corpus/ctf/NAME
"""
import pathlib
import sys

NAMES = ["metadata", ".metadata", "stream-000001.ctf", "stream-000002.ctf", ".stream-000001.index",
         ".stream-000002.index"]
PIECE = 4096


def pack(folder, seal):
    for what, name in enumerate(NAMES):
        path = folder / name
        data = path.read_bytes() if path.exists() else b""
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            head = what | (0x80 if seal and name.startswith(("m", ".m", "s")) else 0)
            yield bytes([head]) + len(piece).to_bytes(2, "little") + piece


if __name__ == "__main__":
    sys.stdout.buffer.write(b"".join(pack(pathlib.Path(sys.argv[1]), sys.argv[2:] == ["seal"])))
