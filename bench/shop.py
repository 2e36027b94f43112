# SPDX-License-Identifier: Apache-2.0
"""The shop of demo/shop.sh, its client, and recordings of both: what stitch_bench.py and why_bench.py share."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("SAKER_BUILD", ROOT / "build"))
SAKER = os.environ.get("SAKER", str(BUILD / "src" / "saker"))
SCRIPT = ROOT / "demo" / "shop.sh"
APPS = ("threads", "pool", "loop", "go")
NEEDED = ("nginx", "redis-server", "psql", "wrk", "go")
SKIPPED = 77
WEB = "10.78.0.1:8080"


def need():
    """Ends the bench when it cannot run here."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or os.geteuid():
        print(f"cannot run: {'no ' + ', '.join(missing) if missing else 'needs root'}")
        sys.exit(SKIPPED)


def row(what, measured, goal, how):
    print(f"| {what} | {measured} | {goal} | {how} |", flush=True)


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def saker(*words):
    done = subprocess.run([SAKER, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"saker {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


class Shop:
    """Open while in `with`; self.dir has its files and the recordings."""

    def __init__(self):
        self.prefix = f"b{os.getpid()}-"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="saker-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.dir.chmod(0o711)  # for the user postgres
        self.place = self.dir / "shop"

    def __enter__(self):
        try:
            self.script("up", "--prefix", self.prefix, "--truth", "yes")
        except BaseException:
            self.__exit__()
            raise
        state = (self.place / "state").read_text(encoding="utf-8")
        self.client = re.search(r"^SHOP_CLIENT=(.*)$", state, re.M)[1]
        self.pids = self.script("pids").strip()
        self.pid = {app: int(re.findall(rf"^{app.upper()}_PID=(\d+)", state, re.M)[-1]) for app in (*APPS, "redis", "db", "web")}
        return self

    def __exit__(self, *_):
        self.script("down")
        shutil.rmtree(self.dir, ignore_errors=True)

    def script(self, command, *words):
        done = subprocess.run([SCRIPT, command, "--dir", self.place, *map(str, words)], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            sys.exit(f"shop.sh {command}: {done.stderr}")
        return done.stdout

    def load(self, *words):
        """The command by which the client asks; its log is client.jsonl."""
        return ["nsenter", f"--net=/run/netns/{self.prefix}client", self.client, "--log", str(self.place / "client.jsonl"),
                *map(str, words)]

    def record(self, command, *options):
        """A new recording of the shop while the command runs."""
        for name in ("client.jsonl", "requests.jsonl"):
            open(self.place / name, "w", encoding="utf-8").close()
        rec = self.dir / "rec"
        shutil.rmtree(rec, ignore_errors=True)
        talk = subprocess.run([SAKER, "record", "--as-root", "-o", rec, "-p", self.pids, *options, "--", *map(str, command)],
                              capture_output=True, text=True, check=False)
        if talk.returncode:
            sys.exit(f"saker record: {talk.stderr}")
        return rec, talk.stderr

    def asked(self):
        return lines((self.place / "client.jsonl").read_text(encoding="utf-8"))

    def served(self):
        return lines((self.place / "requests.jsonl").read_text(encoding="utf-8"))
