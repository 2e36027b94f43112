#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares recorded calls on files with what strace saw of the same run.

usage: files_check.py EVENTS STRACE FOLDER     EVENTS: lines of `saker show --json`; STRACE: of `strace -f -y -xx`

Of every thread, the calls on files below FOLDER in their order: type, path, second path, bytes, error, descriptor, and
the offset where strace shows it (an argument, or what an lseek said just before).  Prints TAP.
"""
import collections
import errno
import json
import os
import re
import sys

OPENS = ("openat", "open", "creat")
SYNCS = {"fsync": "fsync", "fdatasync": "fdatasync", "ftruncate": "ftruncate", "fallocate": "fallocate"}
NAMES = {"rename": "rename", "renameat": "rename", "renameat2": "rename", "link": "link", "linkat": "link", "symlink": "symlink",
         "symlinkat": "symlink", "unlink": "unlink", "unlinkat": "unlink", "rmdir": "rmdir", "mkdir": "mkdir", "mkdirat": "mkdir",
         "truncate": "truncate"}
READS = ("read", "readv", "pread64", "preadv", "preadv2")
WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2")
CUT_AT = 1700


def unescape(text):
    """strace's strings: \\xNN with -xx, or the usual escapes."""
    return re.sub(r"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)", one_escape, text)


def one_escape(m):
    e = m[1]
    if e[0] == "x" and len(e) == 3:
        return chr(int(e[1:], 16))
    if e[0] in "01234567":
        return chr(int(e, 8))
    return {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "e": "\x1b"}.get(e, e)


def text_of(raw):
    return raw.encode("latin-1").decode("utf-8", "replace")


def arguments(text):
    """Splits at commas outside of quotes, brackets and angle brackets."""
    out, depth, quoted, at, i = [], 0, False, 0, 0
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 1
        elif c == '"':
            quoted = not quoted
        elif not quoted and c in "[{<":
            depth += 1
        elif not quoted and c in "]}>":
            depth -= 1
        elif not quoted and not depth and text.startswith(", ", i):
            out.append(text[at:i])
            at = i + 2
        i += 1
    return out + [text[at:]]


class Descriptor:
    def __init__(self, text):
        m = re.match(r"(-?\w+)(?:<(.*)>)?(\(deleted\))?$", text, re.S)
        self.fd = m[1]
        self.path = text_of(unescape(m[2] or ""))


def quoted(text):
    m = re.match(r'"(.*)"(\.\.\.)?$', text, re.S)
    return text_of(unescape(m[1])) if m else None


def joined(where, name):
    return name if not name or name.startswith("/") else where.path.rstrip("/") + "/" + name


class Tracer:
    """Calls in strace's words -> rows as they are to be recorded."""

    def __init__(self, folder):
        self.folder, self.rows, self.started = folder, collections.defaultdict(list), {}
        self.place = {}
        self.deep = {}  # files whose path is too long for strace (readlink(2) on /proc/PID/fd)

    def line(self, line):
        m = re.match(r"(\d+) +(.*)", line, re.S)
        pid, rest = int(m[1]), m[2].rstrip("\n")
        if rest.endswith("<unfinished ...>"):
            self.started[pid] = rest.removesuffix("<unfinished ...>")
            return
        m = re.match(r"<\.\.\. \w+ resumed>(.*)", rest, re.S)
        if m:
            rest = self.started.pop(pid) + m[1]
        m = re.match(r"(\w+)\((.*)\) += (.*)$", rest, re.S)
        if m:
            self.call(pid, m[1], arguments(m[2]), m[3])

    def call(self, pid, name, args, result):
        m = re.match(r"-1 (E\w+)", result)
        error = m[1] if m else 0
        value = None if error else int(re.match(r"-?\d+", result)[0]) if result[0].isdigit() else 0
        if name == "lseek":
            self.place[pid, args[0].split("<")[0]] = value
        elif name in OPENS:
            self.open(pid, name, args, result, error)
        elif name in READS + WRITES:
            self.move(pid, name, args, value, error)
        elif name in SYNCS:
            self.add(pid, "file_sync", Descriptor(args[0]).path, error=error, how=SYNCS[name])
        elif name in NAMES:
            self.names(pid, name, args, error)
        elif name == "sendfile":
            self.pair(pid, args[1], args[0], args[2], "NULL", value, error)
        elif name == "copy_file_range":
            self.pair(pid, args[0], args[2], args[1], args[3], value, error)

    def add(self, pid, kind, path, **more):
        if path.startswith(self.folder):
            self.rows[pid].append({"type": kind, "path": path, **more})

    def open(self, pid, name, args, result, error):
        where, what = (Descriptor(args[0]), args[1]) if name == "openat" else (self.cwd, args[0])
        if not error:
            d = Descriptor(result)
            if not d.path:
                d.path = self.deep[pid, d.fd] = joined(self.cwd, quoted(what))
            self.add(pid, "file_open", d.path, error=0, fd=int(d.fd))
        else:
            self.add(pid, "file_open", joined(where, quoted(what)), error=error, fd=-1)

    def move(self, pid, name, args, value, error):
        d = Descriptor(args[0])
        d.path = d.path or self.deep.get((pid, d.fd), "")
        row = {"error": error, "bytes": value or 0, "fd": int(d.fd)}
        own = self.place.pop((pid, d.fd), None)
        if name[0] == "p":
            row["offset"] = int(args[3]) % 2**64
        elif own is not None and not error:
            row["offset"] = own
        self.add(pid, "file_read" if name in READS else "file_write", d.path, **row)

    def pair(self, pid, source, target, source_at, target_at, value, error):
        for kind, fd, at in (("file_read", source, source_at), ("file_write", target, target_at)):
            row = {"error": error, "bytes": value or 0}
            m = re.match(r"\[(\d+)", at)
            if m and not error:
                row["offset"] = int(m[1])
            self.add(pid, kind, Descriptor(fd).path, **row)

    def names(self, pid, name, args, error):
        how, cwd = NAMES[name], self.cwd
        if how == "unlink" and "AT_REMOVEDIR" in args[-1]:
            how = "rmdir"
        if name in ("rename", "link"):
            path, to = joined(cwd, quoted(args[0])), joined(cwd, quoted(args[1]))
        elif name == "symlink":
            path, to = joined(cwd, quoted(args[1])), quoted(args[0])
        elif name == "symlinkat":
            path, to = joined(Descriptor(args[1]), quoted(args[2])), quoted(args[0])
        elif name in ("renameat", "renameat2", "linkat"):
            path, to = (joined(Descriptor(args[i]), quoted(args[i + 1])) for i in (0, 2))
        elif name.endswith("at"):
            path, to = joined(Descriptor(args[0]), quoted(args[1])), ""
        else:
            path, to = joined(cwd, quoted(args[0])), ""
        self.add(pid, "file_name", path, to=to, error=error, how=how)

    def known(self, cwd):
        self.cwd = cwd
        return self


class Folder:
    def __init__(self, path):
        self.path = path


def differs(event, row):
    """What is recorded otherwise than strace saw it."""
    flags = event.get("flags") or []
    for key, want in row.items():
        have = event.get(key)
        if key in ("path", "to") and "cut" in flags and have != want:
            if not want.endswith(have.lstrip("/")) or len(want) <= CUT_AT:
                return f"{key} {have!r} is not the end of {want!r}"
        elif key == "offset" and "offset_unknown" in flags:
            return "the offset is not known"
        elif key == "error":
            code = have if isinstance(have, int) else getattr(errno, have, have)
            if code != (getattr(errno, want) if want else 0):
                return f"error {have} instead of {want}"
        elif have != want:
            return f"{key} {have!r} instead of {want!r}"
    return None


def lines(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return [json.loads(line) for line in f if line.strip()]


def main():
    events, trace, folder = sys.argv[1:4]
    tracer = Tracer(folder).known(Folder(folder))
    with open(trace, encoding="latin-1") as f:
        for line in f:
            chdir = re.search(r'chdir\("(.*)"\) += 0', line)
            if chdir:
                tracer.cwd = Folder(os.path.join(tracer.cwd.path, text_of(unescape(chdir[1]))))
            else:
                tracer.line(line)
    have = collections.defaultdict(list)
    for e in lines(events):
        if e["type"].startswith("file_") and (e["path"].startswith(folder) or "cut" in (e.get("flags") or [])):
            have[e["tid"]].append(e)
    bad = n = 0
    kinds = collections.Counter()
    for pid, rows in tracer.rows.items():
        if len(rows) != len(have[pid]):
            bad += 1
            print(f"# thread {pid}: {len(rows)} calls, {len(have[pid])} recorded")
        for row, event in zip(rows, have[pid]):
            n += 1
            kinds[row["type"]] += 1
            why = differs(event, row)
            if why:
                bad += 1
                print(f"# {why}: strace {row}, recorded {event}"[:600])
            if bad > 10:
                break
    print(f"# {dict(kinds)}")
    print(f"{'ok' if n and not bad else 'not ok'} - {n} calls on files are as strace saw them")
    timed = [e for rows in have.values() for e in rows]
    print(f"{'ok' if timed and all(e['duration_ns'] and e['begin_ns'] + e['duration_ns'] <= e['boot_ns'] for e in timed) else 'not ok'} "
          "- each has its duration")


main()
