#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls on files of every kind, with names that are hard to write down.  usage: files.py FOLDER

Before each read or write at a file's own place it asks for that place with lseek, so that who traces it knows the offset.
"""
import os
import sys
import threading


def here(fd):
    os.lseek(fd, 0, os.SEEK_CUR)
    return fd


def basics():
    fd = os.open("plain", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(here(fd), b"hello world\n")
    os.writev(here(fd), [b"two ", b"parts\n"])
    os.pwrite(fd, b"H", 0)
    os.pwritev(fd, [b"e", b"l"], 1)
    os.lseek(fd, 3, os.SEEK_SET)
    os.read(here(fd), 4)
    os.readv(here(fd), [bytearray(2), bytearray(3)])
    os.pread(fd, 5, 6)
    os.preadv(fd, [bytearray(1), bytearray(100)], 2)
    os.fsync(fd)
    os.fdatasync(fd)
    os.ftruncate(fd, 7)
    os.posix_fallocate(fd, 100, 50)
    other = os.dup(fd)
    os.write(here(other), b"by a copy")
    os.dup2(other, 333)
    os.read(here(333), 10)
    for one in (fd, other, 333):
        os.close(one)


def appending():
    first, second = (os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for _ in range(2))
    os.write(first, b"a" * 10)
    os.write(second, b"b" * 20)
    os.write(first, b"c" * 5)
    os.close(first)
    os.close(second)


def copying():
    with open("source", "wb") as f:
        f.write(b"x" * 5000)
    a, b = os.open("source", os.O_RDONLY), os.open("target", os.O_WRONLY | os.O_CREAT, 0o600)
    os.sendfile(b, a, 100, 700)
    os.sendfile(b, a, None, 300)
    os.copy_file_range(a, b, 200, offset_src=1000, offset_dst=4000)
    os.close(a)
    os.close(b)


def failing():
    for name in ("nothing", "plain/below", "x" * 300, "missing/dir/file", ""):
        try:
            os.open(name, os.O_RDONLY)
        except OSError:
            pass
    fd = os.open("plain", os.O_RDONLY)
    for call in (lambda: os.write(fd, b"no"), lambda: os.pread(fd, 1, -5), lambda: os.read(777, 1)):
        try:
            call()
        except OSError:
            pass
    os.close(fd)


def naming():
    os.mkdir("dir")
    os.rename("target", "dir/target 2")
    os.link("plain", "dir/hard")
    os.symlink("../plain", "dir/soft")
    where = os.open("dir", os.O_RDONLY | os.O_DIRECTORY)
    os.rename("hard", "harder", src_dir_fd=where, dst_dir_fd=where)
    os.mkdir("below", dir_fd=where)
    os.rmdir("below", dir_fd=where)
    fd = os.open("soft", os.O_RDONLY, dir_fd=where)
    os.read(here(fd), 3)
    os.close(fd)
    os.truncate("dir/harder", 3)
    os.unlink("soft", dir_fd=where)
    os.unlink("dir/harder")
    os.close(where)


def hard_names():
    for name in ("a\nb", "tab\tquote\"back\\slash", "größe 漢字", "\x01\x1b[31m", "n" * 255, " ", "$(reboot)", "a;b|c"):
        fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(here(fd), name.encode())
        os.close(fd)
        os.rename(name, name[:100] + ".old")
        os.unlink(name[:100] + ".old")


def deep():
    """Deeper than any path may be long."""
    top = os.getcwd()
    for _ in range(60):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    fd = os.open("bottom", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(here(fd), b"deep")
    os.close(fd)
    os.unlink("bottom")
    os.chdir(top)


def threads():
    """Each its own file, while others close and open theirs."""
    def one(n):
        for i in range(30):
            fd = os.open(f"thread{n}", os.O_RDWR | os.O_CREAT, 0o600)
            os.pwrite(fd, b"%d" % i, i)
            os.pread(fd, 2, i)
            os.close(fd)

    all_of_them = [threading.Thread(target=one, args=(n,)) for n in range(4)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join()


def children():
    fd = os.open("shared", os.O_RDWR | os.O_CREAT, 0o600)
    for n in range(5):
        pid = os.fork()
        if not pid:
            os.pwrite(fd, b"child %d" % n, 10 * n)
            os._exit(0)
        os.waitpid(pid, 0)
    os.unlink("shared")
    os.pwrite(fd, b"gone", 0)
    os.close(fd)


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    os.chdir(sys.argv[1])
    for part in (basics, appending, copying, failing, naming, hard_names, deep, threads, children):
        part()


main()
