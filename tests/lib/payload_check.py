#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The `payload` events of a recording, from its raw bytes, against what payload_peer.py says that its calls moved.

usage: payload_check.py RECORDING CALLS KEPT LEVEL      KEPT: the value of --payload
LEVEL: all      every call has its payload, and there is no other
       later    the same from some call on in each direction: the recording began in the middle, or what it is was not clear
       none     there is no payload of these sockets

Prints TAP.
"""
import collections
import json
import pathlib
import struct
import sys

PAYLOAD, SEND, RECV, DGRAM_SEND, DGRAM_RECV, LATE = 47, 37, 38, 39, 40, 7
HEAD, BLOCK_HEAD = 40, 288
SENT, RECEIVED, DATAGRAM, CUT = 1, 2, 8, 16

failed = count = 0


def case(what, bad):
    global failed, count
    count += 1
    for line in bad[:10]:
        print("#", line)
    failed |= bool(bad)
    print("not ok" if bad else "ok", count, "-", what)


def unescape(text):
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] == 0x5c:
            assert text[at + 1:at + 2] in (b"0", b"\\"), "an escape"
            out.append(0 if text[at + 1] == 0x30 else 0x5c)
            at += 2
        else:
            out.append(text[at])
            at += 1
    return bytes(out)


def events(folder):
    """(type, bytes of the event) of a recording, in the order in which they stand"""
    for chunk in sorted(pathlib.Path(folder).glob("stream-*.ctf")):
        data, at = chunk.read_bytes(), 0
        while at < len(data):
            end = at + struct.unpack_from("<Q", data, at + 280)[0] // 8
            at += BLOCK_HEAD
            while at < end:
                kind, length = struct.unpack_from("<HH", data, at + 8)
                yield kind, data[at:at + length]
                at += length


def payloads(folder):
    for kind, event in events(folder):
        if kind == PAYLOAD:
            sock, offset, size, kept, flags = struct.unpack_from("<QQIIH", event, HEAD)
            yield sock, offset, size, kept, flags, unescape(event[HEAD + 32:].split(b"\0", 1)[0])


def same(got, want):
    """The first word behind bytes that were not kept may be masked."""
    return len(got) == len(want) and all(a == b or a == 0x2a for a, b in zip(got, want))


def compare(calls, found, keep, level):
    wrong, missing, exact = [], [], 0
    seen = collections.Counter()
    for call in calls:
        data = bytes.fromhex(call["data"])
        key = call["sock"], call["sent"], call["offset"]
        rows = found.get(key, [])
        row = rows.pop(0) if rows else None
        who = f"{call['call']} {key}"
        if call["silent"] or not row:
            if row:
                wrong.append(f"{who}: there is one, though {call['silent']}")
            elif not call["silent"] and (level == "all" or seen[key[:2]]):
                missing.append(who)
            continue
        seen[key[:2]] += 1
        size, kept, flags, text = row
        want = data[:keep]
        exact += text == want
        if size != len(data) or kept != len(want) or not same(text, want):
            wrong.append(f"{who}: {size} {kept} {text!r} instead of {want!r}")
        if bool(flags & CUT) != (kept < size):
            wrong.append(f"{who}: flags {flags}")
    return wrong, missing, exact, seen


def main(folder, calls, keep, level):
    with open(calls, encoding="ascii") as lines:
        calls = [c for c in map(json.loads, lines) if "sock" in c]
    socks = {c["sock"] for c in calls}
    found = collections.defaultdict(list)
    for sock, offset, size, kept, flags, text in payloads(folder):
        assert bool(flags & SENT) != bool(flags & RECEIVED), "a direction"
        if sock in socks:
            found[sock, bool(flags & SENT), offset].append((size, kept, flags, text))
    if level == "none":
        case(f"no payload of {len(calls)} calls", [str(k) for k in found])
        print(f"1..{count}")
        return
    wrong, missing, exact, seen = compare(calls, found, keep, level)
    case("each payload is what its call moved", wrong)
    case("each call has its payload", missing)
    case("there is no other", [str(k) for k, rows in found.items() if rows])
    case("most are masked nowhere", [] if exact >= 0.75 * sum(seen.values()) > 0 else [f"{exact} of {sum(seen.values())}"])
    if level == "later":
        case("both directions of both ends are known", [] if len(seen) == 4 else [str(dict(seen))])
    print(f"1..{count}")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
sys.exit(failed)
