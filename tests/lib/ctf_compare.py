#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a recording twice, by babeltrace2's library and by `saker show --json`, and compares every field of every event.

usage: ctf_compare.py SAKER RECORDING
Prints the number of events that are equal in both. A `late` marker belongs to the event after it, whose own time it holds.
"""
import errno
import ipaddress
import json
import signal
import subprocess
import sys

import bt2

HEADER = ("cpu", "context", "flags", "seq", "start_ns", "tgid", "tid")
TAKEN = {"id", "host", "type", "boot_ns"} | (set(HEADER) - {"flags"})


def number_names(value, classes):
    """What a plain number may be called: a signal, an error, an event type."""
    names = {errno.errorcode.get(abs(value)), classes.get(value)}
    if value in signal.Signals.__members__.values():
        names.add(signal.Signals(value).name)
    return names


def enum_value(field, text):
    """The number behind names joined by |, by the declaration in the metadata."""
    value = 0
    for name in text.split("|") if text else ():
        if name in field.cls:
            value |= next(iter(field.cls[name].ranges)).lower
        else:
            value |= int(name, 0)
    return value


def address(field):
    ip = ipaddress.IPv6Address(bytes(int(b) for b in field))
    return str(ip.ipv4_mapped or ip)


def equal(field, value, classes):
    if isinstance(field, bt2._EnumerationFieldConst):
        if isinstance(value, str):
            return enum_value(field, "" if value == "none" else value) == int(field) or value in field.labels
        return int(field) == value
    if isinstance(field, bt2._IntegerFieldConst):
        return int(field) == value or value in number_names(int(field), classes)
    if isinstance(field, bt2._StringFieldConst):
        # babeltrace2 2.0.4 leaves the bytes of an earlier event in a string that is empty now; its length is right
        return (str(field) if len(field) else "") == value
    if all(isinstance(b, bt2._IntegerFieldConst) for b in field):
        raw = bytes(int(b) for b in field)
        if isinstance(value, str) and len(raw) == 16 and value == address(field):
            return True
        return raw.split(b"\0")[0].decode("utf-8", "replace") == value
    return False


def differences(message, own_ns, want, classes):
    """Names of what is not the same in both."""
    event = message.event
    if event.name != want["type"]:
        yield f"type {event.name}"
    if (own_ns or message.default_clock_snapshot.value) != want["boot_ns"]:
        yield "boot_ns"
    context = event.common_context_field
    for name in HEADER:
        if name != "flags" and not equal(context[name], want[name], classes):
            yield name
    seen = 0
    for name, field in event.payload_field.items():
        if name.startswith("_pad"):
            continue
        seen += 1
        key = name + "_" if name in TAKEN else name
        if key not in want or not equal(field, want[key], classes):
            yield name
    if len(want) != len(HEADER) - 1 + 3 + ("host" in want) + seen:
        yield f"number of fields ({sorted(want)})"


def messages(path):
    """Events with the time of a late marker before them."""
    own_ns = None
    for message in bt2.TraceCollectionMessageIterator(path):
        if not isinstance(message, bt2._EventMessageConst):
            continue
        if message.event.name == "late":
            own_ns = int(message.event.payload_field["own_ns"])
            continue
        yield message, own_ns
        own_ns = None


def main(saker, path):
    count = wrong = 0
    with subprocess.Popen([saker, "show", "--json", path], stdout=subprocess.PIPE, text=True) as show:
        classes = None
        for message, own_ns in messages(path):
            if classes is None:
                stream_class = message.event.cls.stream_class
                classes = {c: stream_class[c].name for c in stream_class}
            line = show.stdout.readline()
            want = json.loads(line) if line else {"type": "nothing more", "boot_ns": 0}
            bad = list(differences(message, own_ns, want, classes)) if line else ["an event that saker does not show"]
            count += 1
            if bad:
                wrong += 1
                if wrong <= 5:
                    print(f"event {count}: {', '.join(bad)}: {message.event.name} {message.event.payload_field} "
                          f"is not {line.strip()}", file=sys.stderr)
        for line in show.stdout:
            wrong += 1
            print(f"babeltrace2 has no {line.strip()}", file=sys.stderr)
    print(count)
    return 1 if wrong or show.returncode else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
