#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reads src/event/events.def; writes the C structs, the tables, or docs/events.md.

usage: eventgen.py header|tables|layout|docs events.def > file
"""
import re
import sys

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s32": 4, "s64": 8, "addr": 16, "str": 0}
FORMATS = "dec hex ns boot wall bytes port ip errno signal type sock char".split()
HEADER_SIZE = 40
SPDX = "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n/* made by tools/eventgen.py from events.def */\n"


class Event:
    def __init__(self, number, name, about):
        self.number, self.name, self.about = number, name, about
        self.fields = []  # (type, name, format, about, offset); name None: padding of `offset` bytes
        self.size = HEADER_SIZE
        self.pads = 0

    def add(self, kind, name, fmt, about):
        size = SIZES[kind]
        align = min(size, 8) or 1
        if kind != "str" and self.size % align:
            sys.exit(f"{self.name}.{name}: a hole at byte {self.size}: pad it")
        if kind != "str" and self.fields and self.fields[-1][0] == "str":
            sys.exit(f"{self.name}.{name}: a fixed field after a string")
        self.fields.append((kind, name, fmt, about, self.size))
        self.size += size

    def pad(self, size):
        self.fields.append(("pad", f"pad{self.pads}", size, "", self.size))
        self.pads += 1
        self.size += size

    def real(self):
        return [f for f in self.fields if f[0] != "pad"]


def parse(path):
    events, tables, table, event = [], [], None, None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.split("#")[0].rstrip() if '"' not in line else line.rstrip()
        words = line.split(None, 3)
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("enum", "flags"):
            table, event = (words[0], words[1], []), None
            tables.append(table)
        elif words[0] == "event":
            m = re.fullmatch(r'event (\d+) (\w+) "(.*)"', line)
            if not m:
                sys.exit(f"{path}:{number}: event ID NAME \"about\"")
            event, table = Event(int(m[1]), m[2], m[3]), None
            if any(e.number == event.number or e.name == event.name for e in events):
                sys.exit(f"{path}:{number}: {event.name} is declared twice")
            events.append(event)
        elif table:
            table[2].append((int(words[0]), words[1]))
        elif words[0] == "like":
            other = next(e for e in events if e.name == words[1])
            event.fields, event.size, event.pads = list(other.fields), other.size, other.pads
        elif words[0] == "pad":
            event.pad(int(words[1]))
        else:
            if words[0] not in SIZES or words[2] not in FORMATS + [t[1] for t in tables]:
                sys.exit(f"{path}:{number}: unknown type or format")
            event.add(words[0], words[1], words[2], words[3].strip('"'))
    for event in events:
        if event.size % 8:
            sys.exit(f"{event.name}: {event.size} bytes, not a multiple of 8: pad it")
    return events, tables


def c_field(field):
    kind, name, size = field[0], field[1], field[2]
    if kind == "pad":
        return f"\t__u8 {name}[{size}];\n"
    if kind == "addr":
        return f"\t__u8 {name}[16];\n"
    return f"\t__{kind} {name};\n"


def header(events, tables):
    out = [SPDX, "#ifndef SAKER_EVENTS_GEN_H\n#define SAKER_EVENTS_GEN_H\n#include <linux/types.h>\n"]
    out.append('#include "event/header.h"\n\nenum event_id {\n')
    out += [f"\tEVENT_{e.name.upper()} = {e.number},\n" for e in events]
    out.append(f"\tEVENT_STATIC_END = {max(e.number for e in events) + 1},\n}};\n")
    for kind, name, rows in tables:
        out.append(f"\nenum {name} {{\n")
        out += [f"\t{name.upper()}_{label.upper()} = {value},\n" for value, label in rows]
        out.append("};\n")
    for e in events:
        fixed = [f for f in e.fields if f[0] != "str"]
        out.append(f"\n/* {e.about} */\nstruct event_{e.name} {{\n\tstruct event_header h;\n")
        out += [c_field(f) for f in fixed]
        if any(f[0] == "str" for f in e.fields):
            strings = ", ".join(f[1] for f in e.fields if f[0] == "str")
            out.append(f"\tchar tail[];\t/* {strings}: each ends with a NUL */\n")
        out.append("};\n")
        out.append(f"_Static_assert(sizeof(struct event_{e.name}) == {e.size}, \"{e.name}\");\n")
        for f in fixed:
            out.append(f"_Static_assert(__builtin_offsetof(struct event_{e.name}, {f[1]}) == {f[4]}, \"{e.name}.{f[1]}\");\n")
    out.append("\n#endif\n")
    return "".join(out)


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_format(fmt, tables):
    for kind, name, _ in tables:
        if name == fmt:
            return f"EVENT_FMT_{kind.upper()}, &event_labels_{name}"
    return f"EVENT_FMT_{fmt.upper()}, NULL"


def c_tables(events, tables):
    out = [SPDX, '#include <stddef.h>\n#include "event/events.gen.h"\n#include "event/type.h"\n']
    for _, name, rows in tables:
        out.append(f"\nstatic const struct event_labels event_labels_{name} = {{\n\t{quote(name)}, {len(rows)}, {{\n")
        out += [f"\t\t{{ {value}, {quote(label)} }},\n" for value, label in rows]
        out.append("\t},\n};\n")
    for e in events:
        out.append(f"\nstatic const struct event_field event_fields_{e.name}[] = {{\n")
        for kind, name, fmt, about, offset in e.real():
            size = SIZES[kind]
            out.append(f"\t{{ {quote(name)}, EVENT_{kind.upper()}, {c_format(fmt, tables)}, {offset}, {size}, {quote(about)} }},\n")
        out.append("};\n")
    out.append("\nconst struct event_type event_static_types[] = {\n")
    for e in events:
        out.append(f"\t{{ {e.number}, {e.size}, {len(e.real())}, {quote(e.name)}, {quote(e.about)}, event_fields_{e.name} }},\n")
    out.append("};\nconst size_t event_static_count = sizeof(event_static_types) / sizeof(event_static_types[0]);\n")
    return "".join(out)


def layout(events, _tables):
    """A table of numbers as the compiler sees them, to compare clang-BPF with gcc."""
    out = [SPDX, '#include "event/events.gen.h"\n\n__attribute__((section("layout"), used)) const __u32 event_layout[] = {\n']
    for e in events:
        out.append(f"\t{e.number}, sizeof(struct event_{e.name}),")
        for f in e.fields:
            if f[0] != "str":
                out.append(f" __builtin_offsetof(struct event_{e.name}, {f[1]}), sizeof(((struct event_{e.name} *)0)->{f[1]}),")
        out.append("\n")
    out.append("};\n")
    return "".join(out)


def docs(events, tables):
    out = ["# Event types\n\nMade by `tools/eventgen.py` from `src/event/events.def`; do not edit.\n\n"]
    out.append("Every event begins with the header: `boot_ns` (CLOCK_BOOTTIME), `type`, `length`, `cpu`, `context`\n"
               "(task, softirq, hardirq, nmi, recorder), `flags`, `seq` (per CPU, counts every event produced, recorded or lost),\n"
               "`start_ns` (start time of the thread), `tgid`, `tid`. A thread is (host, tid, start_ns).\n"
               "JSON names are stable. Types that a recording declares itself have ids from 1024 on.\n")
    for e in events:
        out.append(f"\n## {e.name} ({e.number})\n\n{e.about}.\n\n| field | type | unit or labels | meaning |\n| --- | --- | --- | --- |\n")
        out += [f"| {n} | {k} | {f} | {a} |\n" for k, n, f, a, _ in e.real()]
    out.append("\n# Labels\n")
    for kind, name, rows in tables:
        out.append(f"\n`{name}` ({kind}): " + ", ".join(f"{v} {label}" for v, label in rows) + "\n")
    return "".join(out)


MAKERS = {"header": header, "tables": c_tables, "layout": layout, "docs": docs}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in MAKERS:
        sys.exit(__doc__)
    sys.stdout.write(MAKERS[sys.argv[1]](*parse(sys.argv[2])))
