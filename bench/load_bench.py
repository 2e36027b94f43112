#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What recording costs redis and nginx under load: throughput, p99, memory, and whether a budget is kept.

usage: bench/load_bench.py [--rounds N] [--seconds S] [CASE...]     cases: redis nginx profiles requests bystander budget memory
smoke: --rounds 1 --seconds 1 redis nginx requests bystander budget

Every round measures all variants on the same server, in an order that turns from round to round; a figure is
the median over the rounds of the ratio within a round. Prints rows of a Markdown table.
"""
import argparse
import statistics
import subprocess
import sys

from load import Nginx, Paced, Redis, Recorder, Strace, Work, cpu_ns, end, unrecorded

GOAL_RECORDED, GOAL_BYSTANDER, GOAL_BUDGET = 5, 1, 2
PACE = 10000  # requests a second

# What is observed where requests are told, and less or more of it. "another" has the hooks of "requests" and records
# somebody else: what is left is the price of a hook on this machine, and one look at one bit.
REQUESTS = {"requests": ["--with", "sched"], "sockets": ["--without", "all", "--with", "process,socket", "--payload", "0"],
            "all": ["--with", "all"]}

# Kinds of observation, and the goal in % of throughput: 15 where only system calls show pipes, files and logs
PROFILES = {"process": "", "process,socket": "", "process,socket,wake": "<= 5 %", "process,socket,wake,log": "<= 15 %",
            "process,socket,wake,log,pipe,file": "<= 15 %", "all": ""}


def row(what, figure, goal, how):
    print(f"| {what} | {figure} | {goal} | {how} |", flush=True)


def spread(values):
    return f"{min(values):.1f} to {max(values):.1f}"


class Measured:
    def __init__(self, rate, p99_ms, cpu_us, observer):
        self.rate, self.p99_ms, self.cpu_us, self.observer = rate, p99_ms, cpu_us, observer

    def __str__(self):
        return (f"{self.rate:.0f}/s, p99 {self.p99_ms:.2f} ms, {self.cpu_us:.2f} us CPU a request "
                f"{self.observer.words()}")


def rounds_of(server, variants, args):
    """A list of {variant's name: Measured}, one a round."""
    server.measure(0.3)
    rounds = []
    for turn in range(args.rounds):
        order = variants[turn % len(variants):] + variants[:turn % len(variants)]
        found = {}
        for name, start in order:
            with start() as observer:
                found[name] = Measured(*server.measure(args.seconds if name != "strace" else args.seconds / 2), observer)
            print(f"# {server.name} round {turn + 1} {name}: {found[name]}", file=sys.stderr, flush=True)
        rounds.append(found)
    return rounds


def loss(rounds, name):
    return [100 * (1 - r[name].rate / r["plain"].rate) for r in rounds]


def dearer(rounds, name):
    """How much more CPU time the server itself needs for a request, in %: less noisy than the throughput."""
    return statistics.median(100 * (r[name].cpu_us / r["plain"].cpu_us - 1) for r in rounds)


def slower(rounds, name):
    return statistics.median(r[name].p99_ms / r["plain"].p99_ms for r in rounds)


def loaded(server, args, work):
    variants = [("plain", unrecorded), ("recorded", lambda: Recorder(work, ["-p", str(server.pid)])),
                ("strace", lambda: Strace(server.pids()))]
    rounds = rounds_of(server, variants, args)
    lost = sum(r["recorded"].observer.result["lost"] for r in rounds)
    events = statistics.median(r["recorded"].observer.event_rate() for r in rounds)
    rate = statistics.median(r["plain"].rate for r in rounds)
    values = loss(rounds, "recorded")
    row(f"{server.name}, recorded: throughput lost", f"{statistics.median(values):.1f} %", f"<= {GOAL_RECORDED} %",
        f"{len(rounds)} rounds, {spread(values)}; {rate:.0f} requests/s unrecorded, {events / 1e3:.0f} k events/s, "
        f"{lost} lost; the server's own CPU time a request {dearer(rounds, 'recorded'):+.1f} %")
    row(f"{server.name}, recorded: p99", f"{slower(rounds, 'recorded'):.2f} x", "",
        f"{statistics.median(r['plain'].p99_ms for r in rounds):.2f} ms unrecorded")
    values = loss(rounds, "strace")
    row(f"{server.name}, strace -f: throughput lost", f"{statistics.median(values):.1f} %", "",
        f"{spread(values)}; p99 {slower(rounds, 'strace'):.1f} x")


def redis(args, work):
    with Redis(work) as server:
        loaded(server, args, work)


def nginx(args, work):
    with Nginx(work) as server:
        loaded(server, args, work)


def profiles(args, work):
    """What each kind of observation adds, all measured in every round."""
    with Redis(work) as server:
        variants = [("plain", unrecorded)]
        for kinds in PROFILES:
            variants.append((kinds, lambda kinds=kinds: Recorder(work, ["--without", "all", "--with", kinds, "-p",
                                                                        str(server.pid)])))
        rounds = rounds_of(server, variants, args)
    for kinds, goal in PROFILES.items():
        values = loss(rounds, kinds)
        events = statistics.median(r[kinds].observer.event_rate() for r in rounds)
        row(f"redis, `--with {kinds}`: throughput lost", f"{statistics.median(values):.1f} %", goal,
            f"{len(rounds)} rounds, {spread(values)}; {events / 1e3:.0f} k events/s; the server's own CPU time a request "
            f"{dearer(rounds, kinds):+.1f} %; p99 {slower(rounds, kinds):.2f} x")


def bystander(args, work):
    """The measured redis is not selected; another one, which is asked something all the time, is."""
    with Redis(work) as server, Redis(work) as other, other.ticking():
        variants = [("plain", unrecorded), ("recorded", lambda: Recorder(work, ["-p", str(other.pid)]))]
        rounds = rounds_of(server, variants, args)
    values = loss(rounds, "recorded")
    row("redis not selected while another is recorded: throughput lost", f"{statistics.median(values):.1f} %",
        f"<= {GOAL_BYSTANDER} %", f"{len(rounds)} rounds, {spread(values)}; p99 {slower(rounds, 'recorded'):.2f} x; its CPU time a request "
        f"{dearer(rounds, 'recorded'):+.1f} %")


def budget(args, work):
    """Cost by other means than the recorder's own: /proc/PID/stat and bpftool's run_time_ns."""
    costs, after, shed = [], [], 0
    with Redis(work) as server:
        for _ in range(max(1, args.rounds // 2)):
            with Recorder(work, ["-p", str(server.pid), "--budget", f"{GOAL_BUDGET}%"]) as recorder:
                marks = [recorder.spent()]
                for _ in range(4):
                    server.measure(args.seconds)
                    marks.append(recorder.spent())
            costs.append(marks[0].percent_until(marks[-1]))
            after.append(marks[1].percent_until(marks[-1]))
            shed += recorder.count("shed")
            print(f"# budget: {costs[-1]:.2f} %, after the first quarter {after[-1]:.2f} %, {recorder.words()}",
                  file=sys.stderr, flush=True)
    row("redis under load, `--budget 2%`: cost in % of one CPU", f"{statistics.median(costs):.2f} %",
        f"<= {GOAL_BUDGET} %", f"over {4 * args.seconds:g} s from the first moment on; after the first quarter "
        f"{statistics.median(after):.2f} %; {shed} `shed` events in {len(costs)} recordings")


class Another(Recorder):
    """Records a process that sleeps."""

    def __init__(self, work, args):
        self.sleeper = subprocess.Popen(["sleep", "1000"])
        super().__init__(work, args + ["-p", str(self.sleeper.pid)])

    def __exit__(self, *exc):
        super().__exit__(*exc)
        end(self.sleeper)


def closed_loop(args, work):
    """wrk asks as fast as nginx answers."""
    with Nginx(work) as server:
        pid = ["-p", str(server.pid)]
        variants = [("plain", unrecorded), ("strace", lambda: Strace(server.pids())),
                    ("another", lambda: Another(work, REQUESTS["requests"]))]
        variants += [(name, lambda words=words: Recorder(work, words + pid)) for name, words in REQUESTS.items()]
        rounds = rounds_of(server, variants, args)

    def kept(name, what, goal=""):
        values = [100 * r[name].rate / r["plain"].rate for r in rounds]
        events = [f"{r[name].observer.event_rate() / 1e3:.0f} k events/s, " for r in rounds
                  if isinstance(r[name].observer, Recorder)]
        row(f"nginx, {what}: throughput kept", f"{statistics.median(values):.1f} %", goal,
            f"{len(rounds)} rounds, {spread(values)}; {statistics.median_low(events) if events else ''}"
            f"the server's own CPU time a request {dearer(rounds, name):+.1f} %; p99 {slower(rounds, name):.2f} x")

    rate = statistics.median(r["plain"].rate for r in rounds)
    kept("requests", f"what `saker requests` records, of {rate:.0f} requests/s", ">= 90 %")
    row("nginx, what `saker requests` records: p99", f"{slower(rounds, 'requests'):.2f} x", "<= 1.10 x",
        f"{statistics.median(r['plain'].p99_ms for r in rounds):.2f} ms unrecorded; "
        f"{sum(r['requests'].observer.result['lost'] for r in rounds)} events lost")
    kept("another", "the same hooks, another process recorded")
    kept("sockets", "`--with process,socket --payload 0` alone")
    kept("all", "`--with all`, as well pipes, files, disks")
    kept("strace", "strace -f")


def at_a_pace(server, args, work):
    """[{variant: (cores of the server, cores of the observer)}] where all is asked for PACE times a second."""
    rounds = []
    client = Paced(server, PACE)
    client.run(0.2)
    variants = [("plain", unrecorded), ("requests", lambda: Recorder(work, REQUESTS["requests"] + ["-p", str(server.pid)]))]
    for turn in range(args.rounds):
        found = {}
        for name, start in variants[turn % 2:] + variants[:turn % 2]:
            with start() as observer:
                before = server.cpu_ns(), cpu_ns(observer.pids())
                requests, seconds = client.run(args.seconds)
                found[name] = ((server.cpu_ns() - before[0]) / 1e9 / seconds,
                               (cpu_ns(observer.pids()) - before[1]) / 1e9 / seconds, requests / seconds)
            print(f"# {server.name} round {turn + 1} {name}: {found[name][0]:.3f} cores, observer {found[name][1]:.3f}, "
                  f"{found[name][2]:.0f} requests/s {observer.words()}", file=sys.stderr, flush=True)
        rounds.append(found)
    client.close()
    return rounds


def paced(kind, args, work):
    with kind(work) as server:
        rounds = at_a_pace(server, args, work)
    points = [100 * (r["requests"][0] - r["plain"][0]) for r in rounds]
    plain = statistics.median(100 * r["plain"][0] for r in rounds)
    agent = [r["requests"][1] for r in rounds]
    rate = statistics.median(r["requests"][2] for r in rounds)
    row(f"{server.name} at {PACE} requests/s, what `saker requests` records: the server's own CPU",
        f"{statistics.median(points):+.1f} points", "<= +4 points" if kind is Redis else "",
        f"of a core, {len(rounds)} rounds, {spread(points)}; {plain:.1f} % unrecorded; one request at a time, {rate:.0f}/s")
    row(f"{server.name} at {PACE} requests/s: the recorder's CPU", f"{statistics.median(agent):.3f} cores", "<= 0.10",
        f"{len(agent)} rounds, {min(agent):.3f} to {max(agent):.3f}")


def requests(args, work):
    """What it costs to have all that requests are told from: the goals of docs/shown.md."""
    closed_loop(args, work)
    paced(Redis, args, work)
    paced(Nginx, args, work)


def memory(args, work):
    """Resident memory of a recorder whose rings and window are busy."""
    with Redis(work) as server, Recorder(work, ["-p", str(server.pid)]) as recorder:
        server.measure(2 * args.seconds)
        rest, rings = recorder.memory()
    row("recorder's RSS besides rings", f"{rest / 2**20:.1f} MB", "<= 64 MB", "while redis is loaded")
    row("rings in total", f"{rings / 2**20:.1f} MB", "<= 32 MB", "by default; each is mapped twice")


CASES = {f.__name__: f for f in (redis, nginx, profiles, requests, bystander, budget, memory)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("case", nargs="*")
    args = parser.parse_args()
    for name in args.case:
        if name not in CASES:
            parser.error(f"no case '{name}': {' '.join(CASES)}")
    with Work() as work:
        for name in args.case or CASES:
            CASES[name](args, work)


if __name__ == "__main__":
    main()
