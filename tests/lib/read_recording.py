#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of recordings, written from the words at the head of src/store/ctf/chunk.c alone.

usage: read_recording.py RECORDING
Checks every sum and number, and prints a line for each event: id, own time, type's number, sequence, process, thread.
"""
import pathlib
import re
import struct
import sys

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)
LATE = 7


def rotate(x, n):
    return ((x << n) | (x >> (64 - n))) & MASK


def xxh64(data):
    """XXH64 with seed 0, as github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md has it."""
    def round_(acc, lane):
        return rotate((acc + lane * P2) & MASK, 31) * P1 & MASK

    size, at = len(data), 0
    if size >= 32:
        accs = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= size:
            accs = [round_(a, lane) for a, lane in zip(accs, struct.unpack_from("<4Q", data, at))]
            at += 32
        acc = sum(rotate(a, n) for a, n in zip(accs, (1, 7, 12, 18))) & MASK
        for a in accs:
            acc = ((acc ^ round_(0, a)) * P1 + P4) & MASK
    else:
        acc = P5
    acc = (acc + size) & MASK
    while at + 8 <= size:
        acc = (rotate(acc ^ round_(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= size:
        acc = (rotate(acc ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        acc = rotate(acc ^ byte * P5 & MASK, 11) * P1 & MASK
    acc = (acc ^ acc >> 33) * P2 & MASK
    acc = (acc ^ acc >> 29) * P3 & MASK
    return acc ^ acc >> 32


def events(block, ident):
    """(id, own time, type, seq, tgid, tid) of each event of a block; markers are folded into what follows."""
    at, own = 288, None
    while at < len(block):
        time, kind, length, _, _, _, seq, _, tgid, tid = struct.unpack_from("<QHHHBBQQII", block, at)
        assert length >= 40 and length % 8 == 0 and at + length <= len(block), "length of an event"
        if kind == LATE:
            own, = struct.unpack_from("<Q", block, at + 40)
        else:
            yield ident, own or time, kind, seq, tgid, tid
            ident, own = ident + 1, None
        at += length


def check_block(block, uuid, number):
    (magic, has_uuid, stream, instance, header_sum, content_sum, seq, first, earliest, count, late, _,
     ntgids) = struct.unpack_from("<I16sIQQQQQQIIII", block)
    begin, end, content_bits, packet_bits = struct.unpack_from("<QQQQ", block, 256)
    assert magic == 0xC1FC1FC1 and has_uuid == uuid and stream == instance == 0
    assert xxh64(block[:32] + bytes(8) + block[40:288]) == header_sum, "header_sum"
    assert xxh64(block[288:]) == content_sum, "content_sum"
    assert seq == number and packet_bits == 8 * len(block) and packet_bits - 64 < content_bits <= packet_bits
    found = list(events(block, first))
    tgids = sorted({e[4] for e in found})
    assert len(found) == count and min(e[1] for e in found) == earliest and begin <= end
    assert late <= count and (ntgids == 0xFFFFFFFF and len(tgids) > 42 or
                              list(struct.unpack_from(f"<{ntgids}I", block, 88)) == tgids), "processes"
    return found


def main(path):
    folder = pathlib.Path(path)
    uuid = bytes.fromhex(re.search(r"^uuid ([0-9a-f]{32})$", (folder / "metadata").read_text("utf-8"), re.M)[1])
    number = last = 0
    for chunk in sorted(folder.glob("stream-*.ctf")):
        data = chunk.read_bytes()
        index = (folder / f".{chunk.stem}.index").read_bytes()
        at = row = 0
        while at < len(data):
            size = struct.unpack_from("<Q", data, at + 280)[0] // 8
            number = number if number or last else struct.unpack_from("<Q", data, at + 48)[0]
            assert index[row:row + 296] == struct.pack("<Q", at) + data[at:at + 288], "index"
            for event in check_block(data[at:at + size], uuid, number):
                assert event[0] > last
                last = event[0]
                print(*event)
            at, row, number = at + size, row + 296, number + 1


if __name__ == "__main__":
    main(sys.argv[1])
