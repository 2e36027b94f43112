#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does what processes do, and writes down what it did: the truth that a recording is compared with.

usage: actor.py TRUTH CASE...

TRUTH gets a line of JSON for each fact. What wait(2), getsockopt(2) and stat(2) say is taken from them.
Cases that need cgroups take their paths from the environment: ACTOR_OOM (a memory limit is set), ACTOR_CGROUP.
"""
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SO_NETNS_COOKIE = 71
CLONE_NEWNET = 0x40000000
SYS_EXIT, SYS_TGKILL = 60, 234
NOBODY = 65534
truth = None


def fact(what, **values):
    os.write(truth, (json.dumps({"fact": what, "pid": os.getpid(), **values}) + "\n").encode())


def netns_cookie():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)


def fork(function, *args):
    pid = os.fork()
    if pid:
        fact("fork", child=pid)
        return pid
    try:
        function(*args)
    finally:
        os._exit(99)


def reap(pid):
    _, status = os.waitpid(pid, 0)
    fact("exit", child=pid, code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
         sig=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, core=os.WCOREDUMP(status))


def run(path, *args):
    os.execv(path, list(args))


def die_of(sig):
    if sig != signal.SIGKILL:
        signal.signal(sig, signal.SIG_DFL)
    os.kill(os.getpid(), sig)
    signal.pause()


def sleeper():
    """A child that waits for signals; returns once it does."""
    r, w = os.pipe()

    def wait():
        os.close(r)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.write(w, b"x")
        os.close(w)
        while True:
            signal.pause()

    pid = fork(wait)
    os.close(w)
    os.read(r, 1)
    os.close(r)
    return pid


def sent(sig, target, **more):
    fact("signal", sig=int(sig), target=target, **more)


def case_exec():
    pid = fork(run, "/bin/echo", "echo", "two words", "three")
    reap(pid)
    fact("exec", child=pid, exe="/bin/echo", comm="echo", args="echo two words three", uid=os.getuid(),
         gid=os.getgid(), netns=netns_cookie())


def case_user():
    def other():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        run("/bin/true", "true")

    pid = fork(other)
    reap(pid)
    fact("exec", child=pid, exe="/bin/true", comm="true", args="true", uid=NOBODY, gid=NOBODY)


def case_exit():
    for code in (0, 3, 255):
        reap(fork(os._exit, code))
    for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP):
        reap(fork(die_of, sig))


def case_core():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    reap(fork(die_of, signal.SIGQUIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))
    reap(fork(die_of, signal.SIGQUIT))


def case_thread():
    """A thread begins and ends; the process ends by a thread that is not its first."""
    def main():
        t = threading.Thread(target=lambda: fact("thread", tid=threading.get_native_id()))
        t.start()
        t.join()

        def last():
            fact("thread", tid=threading.get_native_id())
            os._exit(7)

        threading.Thread(target=last).start()
        LIBC.syscall(SYS_EXIT, 0)

    reap(fork(main))


def case_crowd():
    """Threads of a process end on several CPUs at once."""
    def main():
        for _ in range(6):
            threading.Thread(target=threading.Event().wait).start()
        os._exit(5)

    for _ in range(40):
        reap(fork(main))


def case_thread_exec():
    """A thread that is not the first runs a program, and gets the id of the process."""
    def main():
        threading.Thread(target=run, args=("/bin/true", "true", "by-thread")).start()
        signal.pause()

    pid = fork(main)
    reap(pid)
    fact("exec", child=pid, exe="/bin/true", comm="true", args="true by-thread", uid=os.getuid(), gid=os.getgid())


def case_stop():
    pid = sleeper()
    for sig in (signal.SIGSTOP, signal.SIGTSTP):
        os.kill(pid, sig)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        sent(sig, pid)
        fact("stop", child=pid, sig=int(sig))
        os.kill(pid, signal.SIGCONT)
        os.waitid(os.P_PID, pid, os.WCONTINUED)
        sent(signal.SIGCONT, pid)
        fact("cont", child=pid)
    os.kill(pid, signal.SIGKILL)
    sent(signal.SIGKILL, pid)
    reap(pid)


def none_pending(pid):
    """Returns when the process has taken all signals that were sent to it: a fatal one would come before them."""
    while True:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            masks = [line.split()[1] for line in f if line.startswith(("SigPnd", "ShdPnd"))]
        if not any(int(mask, 16) for mask in masks):
            return
        time.sleep(0.001)


def case_signal():
    pid = sleeper()
    os.kill(pid, signal.SIGUSR1)
    sent(signal.SIGUSR1, pid, code=0, group=True, result="delivered", handler=True)
    none_pending(pid)
    LIBC.syscall(SYS_TGKILL, pid, pid, int(signal.SIGUSR1))
    sent(signal.SIGUSR1, pid, code=-6, group=False)
    LIBC.sigqueue(pid, int(signal.SIGUSR1), ctypes.c_void_p(17))
    sent(signal.SIGUSR1, pid, code=-1, group=True)
    os.kill(pid, signal.SIGINT)
    sent(signal.SIGINT, pid, code=0, group=True, result="ignored")
    os.kill(pid, signal.SIGTERM)
    sent(signal.SIGTERM, pid, code=0, group=True, result="delivered")
    reap(pid)


def case_group():
    pids = [sleeper() for _ in range(3)]
    for pid in pids:
        os.setpgid(pid, pids[0])
    os.killpg(pids[0], signal.SIGUSR1)
    for pid in pids:
        sent(signal.SIGUSR1, pid, code=0, group=True)
    os.killpg(pids[0], signal.SIGTERM)
    for pid in pids:
        sent(signal.SIGTERM, pid, code=0, group=True)
        reap(pid)


def case_kernel():
    """Signals that the kernel sends: nobody called kill."""
    def broken_pipe():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        r, w = os.pipe()
        os.close(r)
        os.write(w, b"x")

    def alarm():
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        signal.pause()

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))
    for function, args, sig in ((broken_pipe, (), signal.SIGPIPE), (ctypes.string_at, (0,), signal.SIGSEGV),
                                (alarm, (), signal.SIGALRM)):
        pid = fork(function, *args)
        reap(pid)
        fact("kernel_signal", sig=int(sig), target=pid)


def case_netns():
    r, w = os.pipe()

    def elsewhere():
        if LIBC.unshare(CLONE_NEWNET):
            os._exit(98)
        os.write(w, str(netns_cookie()).encode())
        run("/bin/true", "true", "elsewhere")

    pid = fork(elsewhere)
    cookie = int(os.read(r, 32))
    reap(pid)
    fact("exec", child=pid, exe="/bin/true", comm="true", args="true elsewhere", uid=os.getuid(), gid=os.getgid(),
         netns=cookie)


def enter(path):
    with open(path + "/cgroup.procs", "w", encoding="ascii") as f:
        f.write(str(os.getpid()))


def case_cgroup():
    path = os.environ["ACTOR_CGROUP"]

    def inside():
        enter(path)
        run("/bin/sleep", "sleep", "2")

    pid = fork(inside)
    reap(pid)
    fact("exec", child=pid, exe="/bin/sleep", comm="sleep", args="sleep 2", uid=os.getuid(), gid=os.getgid(),
         cgroup=os.stat(path).st_ino, cgroup_path=os.environ["ACTOR_CGROUP_NAME"])


def case_oom():
    def hungry():
        enter(os.environ["ACTOR_OOM"])
        block = bytearray(256 << 20)
        os.write(2, b"no limit held %d bytes\n" % len(block))

    pid = fork(hungry)
    reap(pid)
    fact("oom", victim=pid)


def main():
    global truth
    truth = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    fact("start", netns=netns_cookie())
    for name in sys.argv[2:]:
        globals()["case_" + name]()


if __name__ == "__main__":
    main()
