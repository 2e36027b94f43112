# SPDX-License-Identifier: Apache-2.0
"""pack_proto.py LOG OUT [PIECES [PREFIX]]: the first pieces of the first connection of a log (tests/lib/proto_tap.py) as an input
of fuzz_proto, seen from the client."""
import struct
import sys


def main():
    log, out, pieces, prefix = [*sys.argv[1:], "12", "300"][:4] if len(sys.argv) < 5 else sys.argv[1:5]
    if len(sys.argv) == 4:
        pieces, prefix = sys.argv[3], "300"
    with open(log, "rb") as f:
        data = f.read()
    at, number, packed, datagram = 0, None, b"", 0
    left = int(pieces)
    while at < len(data) and left:
        conn, kind, _, size = struct.unpack_from("<IcQI", data, at)
        piece = data[at + 17:at + 17 + size]
        at += 17 + size
        number = conn if number is None else number
        if conn != number or kind == b"e":
            continue
        datagram = int(kind in b"dr")
        kept = piece[:int(prefix)]
        more = min((size - len(kept) + 15) // 16, 255)
        packed += struct.pack("<HBB", len(kept), more, int(kind in b"cd")) + kept
        left -= 1
    with open(out, "wb") as f:
        f.write(bytes([4 | datagram]) + packed)


if __name__ == "__main__":
    main()
