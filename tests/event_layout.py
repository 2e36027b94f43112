#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the layout of every event as clang for BPF, the compiler of user space and events.def say it.

usage: event_layout.py BPF-OBJECT HOST-OBJECT EVENTS.DEF

Both objects come from eventgen.py's `layout`: section `layout` holds, as 32-bit numbers, for each type its id, its
size, then offset and size of each fixed field and padding.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tools"))
import eventgen  # noqa: E402


def section(path):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["llvm-objcopy", "-O", "binary", "--only-section=layout", path, out.name], check=True)
        data = pathlib.Path(out.name).read_bytes()
    return [n for (n,) in struct.iter_unpack("<I", data)]


def declared(event):
    numbers = [event.number, event.size]
    for kind, _, size, _, offset in event.fields:
        if kind != "str":
            numbers += [offset, size if kind == "pad" else eventgen.SIZES[kind]]
    return numbers


def main(bpf_path, host_path, def_path):
    bpf, host = section(bpf_path), section(host_path)
    events, _ = eventgen.parse(def_path)
    at, failed = 0, 0
    for count, event in enumerate(events, 1):
        want = declared(event)
        seen = [table[at:at + len(want)] for table in (bpf, host)]
        at += len(want)
        right = seen == [want, want]
        failed += not right
        if not right:
            print(f"# bpf {seen[0]}\n# host {seen[1]}\n# declared {want}")
        print(f"{'ok' if right else 'not ok'} {count} - {event.name}: one layout in BPF and user space")
    whole = at == len(bpf) == len(host)
    print(f"{'ok' if whole else 'not ok'} {len(events) + 1} - nothing else in the tables")
    print(f"1..{len(events) + 1}")
    return failed != 0 or not whole


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
